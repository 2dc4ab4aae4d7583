-- active_users
-- table active_users
CREATE TABLE "active_users" ("window_start" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 60000) STORED)
CREATE UNIQUE INDEX "_active_users__key" ON "active_users" ("window_start" DESC)
-- table active_users__active_users
CREATE TABLE "active_users__active_users" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_active_users__active_users__key" ON "active_users__active_users" ("window_start" DESC, "member")
-- add_to_carts_by_product
-- table add_to_carts_by_product
CREATE TABLE "add_to_carts_by_product" ("window_start" bigint NOT NULL, "productId" text COLLATE "C" NOT NULL, "add_to_cart_count" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 3600000) STORED) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_add_to_carts_by_product__key" ON "add_to_carts_by_product" ("window_start" DESC, "productId")
CREATE INDEX "_add_to_carts_by_product__by_key_0" ON "add_to_carts_by_product" ("productId", "window_start")
-- daily_active_users
-- table daily_active_users
CREATE TABLE "daily_active_users" ("window_start" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 86400000) STORED)
CREATE UNIQUE INDEX "_daily_active_users__key" ON "daily_active_users" ("window_start" DESC)
-- table daily_active_users__active_users
CREATE TABLE "daily_active_users__active_users" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_daily_active_users__active_users__key" ON "daily_active_users__active_users" ("window_start" DESC, "member")
-- table daily_active_users__visits
CREATE TABLE "daily_active_users__visits" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_daily_active_users__visits__key" ON "daily_active_users__visits" ("window_start" DESC, "member")
-- events_by_type
-- table events_by_type
CREATE TABLE "events_by_type" ("window_start" bigint NOT NULL, "eventType" text COLLATE "C" NOT NULL, "event_count" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 60000) STORED) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_events_by_type__key" ON "events_by_type" ("window_start" DESC, "eventType")
CREATE INDEX "_events_by_type__by_key_0" ON "events_by_type" ("eventType", "window_start")
-- orders
-- table orders
CREATE TABLE "orders" ("window_start" bigint NOT NULL, "order_count" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 3600000) STORED) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_orders__key" ON "orders" ("window_start" DESC)
-- table orders__buyers
CREATE TABLE "orders__buyers" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_orders__buyers__key" ON "orders__buyers" ("window_start" DESC, "member")
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
-- top_products
-- table top_products
CREATE TABLE "top_products" ("window_start" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 3600000) STORED)
CREATE UNIQUE INDEX "_top_products__key" ON "top_products" ("window_start" DESC)
-- table top_products__products
CREATE TABLE "top_products__products" ("window_start" bigint NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_top_products__products__key" ON "top_products__products" ("window_start" DESC, "item")
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
-- written_out
-- table written_out
CREATE TABLE "written_out" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "productId" text COLLATE "C" NOT NULL, "events" bigint NOT NULL, "total__units" bigint NOT NULL, "total__micros" bigint NOT NULL, "mean__units" bigint NOT NULL, "mean__micros" bigint NOT NULL, "mean__count" bigint NOT NULL, "low" double precision, "high" double precision, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 60000) STORED, "total" double precision GENERATED ALWAYS AS (("total__units" + CAST("total__micros" AS double precision) / 1000000.0)) STORED, "mean" double precision GENERATED ALWAYS AS (CASE WHEN "mean__count" > 0 THEN ("mean__units" + CAST("mean__micros" AS double precision) / 1000000.0) / "mean__count" END) STORED) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_written_out__key" ON "written_out" ("window_start" DESC, "userId", "productId")
CREATE INDEX "_written_out__by_key_0" ON "written_out" ("userId", "productId", "window_start")
CREATE INDEX "_written_out__by_key_1" ON "written_out" ("userId", "window_start" DESC, "productId")
CREATE INDEX "_written_out__by_key_2" ON "written_out" ("productId", "window_start" DESC, "userId")
-- table written_out__products
CREATE TABLE "written_out__products" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "productId" text COLLATE "C" NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_written_out__products__key" ON "written_out__products" ("window_start" DESC, "userId", "productId", "member")
-- table written_out__pages
CREATE TABLE "written_out__pages" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "productId" text COLLATE "C" NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_written_out__pages__key" ON "written_out__pages" ("window_start" DESC, "userId", "productId", "item")
-- in_panes
-- table in_panes__panes
CREATE TABLE "in_panes__panes" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "events" bigint NOT NULL, "total__units" bigint NOT NULL, "total__micros" bigint NOT NULL, "mean__units" bigint NOT NULL, "mean__micros" bigint NOT NULL, "mean__count" bigint NOT NULL, "low" double precision, "high" double precision) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_in_panes__panes__key" ON "in_panes__panes" ("window_start" DESC, "userId")
CREATE INDEX "_in_panes__panes__by_key_0" ON "in_panes__panes" ("userId", "window_start")
-- table in_panes__products
CREATE TABLE "in_panes__products" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_in_panes__products__key" ON "in_panes__products" ("window_start" DESC, "userId", "member")
-- table in_panes__pages
CREATE TABLE "in_panes__pages" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_in_panes__pages__key" ON "in_panes__pages" ("window_start" DESC, "userId", "item")
-- view in_panes
CREATE VIEW "in_panes" AS WITH RECURSIVE steps (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM steps WHERE n < 5) SELECT (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) AS "window_start", (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) + 60000 AS "window_end", p."userId", CAST(SUM(p."events") AS bigint) AS "events", (SUM(p."total__units") + CAST(SUM(p."total__micros") AS double precision) / 1000000.0) AS "total", CASE WHEN SUM(p."mean__count") > 0 THEN (SUM(p."mean__units") + CAST(SUM(p."mean__micros") AS double precision) / 1000000.0) / SUM(p."mean__count") END AS "mean", MIN(p."low") AS "low", MAX(p."high") AS "high" FROM "in_panes__panes" AS p CROSS JOIN steps AS s WHERE (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) > p."window_start" - 60000 GROUP BY 1, 2, 3
-- without_key
-- table without_key__panes
CREATE TABLE "without_key__panes" ("window_start" bigint NOT NULL, "events" bigint NOT NULL, "total__units" bigint NOT NULL, "total__micros" bigint NOT NULL, "mean__units" bigint NOT NULL, "mean__micros" bigint NOT NULL, "mean__count" bigint NOT NULL, "low" double precision, "high" double precision) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_without_key__panes__key" ON "without_key__panes" ("window_start" DESC)
-- table without_key__products
CREATE TABLE "without_key__products" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_without_key__products__key" ON "without_key__products" ("window_start" DESC, "member")
-- table without_key__pages
CREATE TABLE "without_key__pages" ("window_start" bigint NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_without_key__pages__key" ON "without_key__pages" ("window_start" DESC, "item")
-- view without_key
CREATE VIEW "without_key" AS WITH RECURSIVE steps (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM steps WHERE n < 5) SELECT (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) AS "window_start", (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) + 60000 AS "window_end", CAST(SUM(p."events") AS bigint) AS "events", (SUM(p."total__units") + CAST(SUM(p."total__micros") AS double precision) / 1000000.0) AS "total", CASE WHEN SUM(p."mean__count") > 0 THEN (SUM(p."mean__units") + CAST(SUM(p."mean__micros") AS double precision) / 1000000.0) / SUM(p."mean__count") END AS "mean", MIN(p."low") AS "low", MAX(p."high") AS "high" FROM "without_key__panes" AS p CROSS JOIN steps AS s WHERE (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) > p."window_start" - 60000 GROUP BY 1, 2
-- one_type
-- table one_type
CREATE TABLE "one_type" ("window_start" bigint NOT NULL, "n" bigint NOT NULL, "window_end" bigint GENERATED ALWAYS AS ("window_start" + 86400000) STORED) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_one_type__key" ON "one_type" ("window_start" DESC)
