-- active_users
-- table active_users
CREATE TABLE "active_users" ("window_start" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 60000) VIRTUAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table active_users__active_users
CREATE TABLE "active_users__active_users" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- page_views_last_hour
-- table page_views_last_hour__panes
CREATE TABLE "page_views_last_hour__panes" ("window_start" INTEGER NOT NULL, "page_view_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- view page_views_last_hour
CREATE VIEW "page_views_last_hour" AS WITH RECURSIVE steps (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM steps WHERE n < 59) SELECT (p."window_start" - (p."window_start" % 60000 + 60000) % 60000 - s.n * 60000) AS "window_start", (p."window_start" - (p."window_start" % 60000 + 60000) % 60000 - s.n * 60000) + 3600000 AS "window_end", CAST(SUM(p."page_view_count") AS INTEGER) AS "page_view_count" FROM "page_views_last_hour__panes" AS p CROSS JOIN steps AS s WHERE (p."window_start" - (p."window_start" % 60000 + 60000) % 60000 - s.n * 60000) > p."window_start" - 3600000 GROUP BY 1, 2
-- revenue
-- table revenue
CREATE TABLE "revenue" ("window_start" INTEGER NOT NULL, "revenue__units" INTEGER NOT NULL, "revenue__micros" INTEGER NOT NULL, "order_count" INTEGER NOT NULL, "average_order_value__units" INTEGER NOT NULL, "average_order_value__micros" INTEGER NOT NULL, "average_order_value__count" INTEGER NOT NULL, "smallest_order" REAL, "largest_order" REAL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 60000) VIRTUAL, "revenue" REAL GENERATED ALWAYS AS (("revenue__units" + CAST("revenue__micros" AS REAL) / 1000000.0)) VIRTUAL, "average_order_value" REAL GENERATED ALWAYS AS (CASE WHEN "average_order_value__count" > 0 THEN ("average_order_value__units" + CAST("average_order_value__micros" AS REAL) / 1000000.0) / "average_order_value__count" END) VIRTUAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- top_pages
-- table top_pages
CREATE TABLE "top_pages" ("window_start" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 3600000) VIRTUAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table top_pages__pages
CREATE TABLE "top_pages__pages" ("window_start" INTEGER NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "item")) STRICT, WITHOUT ROWID
-- user_page_view_counts
-- table user_page_view_counts
CREATE TABLE "user_page_view_counts" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "page_view_count" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 60000) VIRTUAL, PRIMARY KEY ("window_start" DESC, "userId")) STRICT, WITHOUT ROWID
CREATE INDEX "_user_page_view_counts__by_key_0" ON "user_page_view_counts" ("userId", "window_start")
-- value_by_user
-- table value_by_user
CREATE TABLE "value_by_user" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "value__units" INTEGER NOT NULL, "value__micros" INTEGER NOT NULL, "order_count" INTEGER NOT NULL, "largest_order" REAL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 86400000) VIRTUAL, "value" REAL GENERATED ALWAYS AS (("value__units" + CAST("value__micros" AS REAL) / 1000000.0)) VIRTUAL, PRIMARY KEY ("window_start" DESC, "userId")) STRICT, WITHOUT ROWID
CREATE INDEX "_value_by_user__by_key_0" ON "value_by_user" ("userId", "window_start")
