-- active_users
-- table active_users
CREATE TABLE "active_users" ("window_start" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 60000) STORED)
CREATE UNIQUE INDEX "_active_users__key" ON "active_users" ("window_start" DESC)
-- table active_users__active_users
CREATE TABLE "active_users__active_users" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_active_users__active_users__key" ON "active_users__active_users" ("window_start" DESC, "member")
-- page_views_last_hour
-- table page_views_last_hour__panes
CREATE TABLE "page_views_last_hour__panes" ("window_start" bigint NOT NULL, "page_view_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_page_views_last_hour__panes__key" ON "page_views_last_hour__panes" ("window_start" DESC)
-- view page_views_last_hour
CREATE VIEW "page_views_last_hour" AS WITH RECURSIVE steps (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM steps WHERE n < 59) SELECT (p."window_start" - (p."window_start" % 60000 + 60000) % 60000 - s.n * 60000) AS "window_start", (p."window_start" - (p."window_start" % 60000 + 60000) % 60000 - s.n * 60000) + 3600000 AS "window_end", CAST(SUM(p."page_view_count") AS bigint) AS "page_view_count" FROM "page_views_last_hour__panes" AS p CROSS JOIN steps AS s WHERE (p."window_start" - (p."window_start" % 60000 + 60000) % 60000 - s.n * 60000) > p."window_start" - 3600000 GROUP BY 1, 2
-- revenue
-- table revenue
CREATE TABLE "revenue" ("window_start" bigint NOT NULL, "revenue__units" bigint NOT NULL, "revenue__micros" bigint NOT NULL, "order_count" bigint NOT NULL, "average_order_value__units" bigint NOT NULL, "average_order_value__micros" bigint NOT NULL, "average_order_value__count" bigint NOT NULL, "smallest_order" double precision, "largest_order" double precision, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 60000) STORED, "revenue" double precision GENERATED ALWAYS AS (("revenue__units" + CAST("revenue__micros" AS double precision) / 1000000.0)) STORED, "average_order_value" double precision GENERATED ALWAYS AS (CASE WHEN "average_order_value__count" > 0 THEN ("average_order_value__units" + CAST("average_order_value__micros" AS double precision) / 1000000.0) / "average_order_value__count" END) STORED) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_revenue__key" ON "revenue" ("window_start" DESC)
-- top_pages
-- table top_pages
CREATE TABLE "top_pages" ("window_start" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 3600000) STORED)
CREATE UNIQUE INDEX "_top_pages__key" ON "top_pages" ("window_start" DESC)
-- table top_pages__pages
CREATE TABLE "top_pages__pages" ("window_start" bigint NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_top_pages__pages__key" ON "top_pages__pages" ("window_start" DESC, "item")
-- user_page_view_counts
-- table user_page_view_counts
CREATE TABLE "user_page_view_counts" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "page_view_count" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 60000) STORED) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_user_page_view_counts__key" ON "user_page_view_counts" ("window_start" DESC, "userId")
CREATE INDEX "_user_page_view_counts__by_key_0" ON "user_page_view_counts" ("userId", "window_start")
-- value_by_user
-- table value_by_user
CREATE TABLE "value_by_user" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "value__units" bigint NOT NULL, "value__micros" bigint NOT NULL, "order_count" bigint NOT NULL, "largest_order" double precision, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 86400000) STORED, "value" double precision GENERATED ALWAYS AS (("value__units" + CAST("value__micros" AS double precision) / 1000000.0)) STORED) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_value_by_user__key" ON "value_by_user" ("window_start" DESC, "userId")
CREATE INDEX "_value_by_user__by_key_0" ON "value_by_user" ("userId", "window_start")
