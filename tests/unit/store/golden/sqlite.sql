-- active_users
-- table active_users
CREATE TABLE "active_users" ("window_start" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 60000) VIRTUAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table active_users__active_users
CREATE TABLE "active_users__active_users" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- add_to_carts_by_product
-- table add_to_carts_by_product
CREATE TABLE "add_to_carts_by_product" ("window_start" INTEGER NOT NULL, "productId" TEXT NOT NULL, "add_to_cart_count" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 3600000) VIRTUAL, PRIMARY KEY ("window_start" DESC, "productId")) STRICT, WITHOUT ROWID
CREATE INDEX "_add_to_carts_by_product__by_key_0" ON "add_to_carts_by_product" ("productId", "window_start")
-- daily_active_users
-- table daily_active_users
CREATE TABLE "daily_active_users" ("window_start" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 86400000) VIRTUAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table daily_active_users__active_users
CREATE TABLE "daily_active_users__active_users" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- table daily_active_users__visits
CREATE TABLE "daily_active_users__visits" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- events_by_type
-- table events_by_type
CREATE TABLE "events_by_type" ("window_start" INTEGER NOT NULL, "eventType" TEXT NOT NULL, "event_count" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 60000) VIRTUAL, PRIMARY KEY ("window_start" DESC, "eventType")) STRICT, WITHOUT ROWID
CREATE INDEX "_events_by_type__by_key_0" ON "events_by_type" ("eventType", "window_start")
-- orders
-- table orders
CREATE TABLE "orders" ("window_start" INTEGER NOT NULL, "order_count" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 3600000) VIRTUAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table orders__buyers
CREATE TABLE "orders__buyers" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
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
-- top_products
-- table top_products
CREATE TABLE "top_products" ("window_start" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 3600000) VIRTUAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table top_products__products
CREATE TABLE "top_products__products" ("window_start" INTEGER NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "item")) STRICT, WITHOUT ROWID
-- user_page_view_counts
-- table user_page_view_counts
CREATE TABLE "user_page_view_counts" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "page_view_count" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 60000) VIRTUAL, PRIMARY KEY ("window_start" DESC, "userId")) STRICT, WITHOUT ROWID
CREATE INDEX "_user_page_view_counts__by_key_0" ON "user_page_view_counts" ("userId", "window_start")
-- value_by_user
-- table value_by_user
CREATE TABLE "value_by_user" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "value__units" INTEGER NOT NULL, "value__micros" INTEGER NOT NULL, "order_count" INTEGER NOT NULL, "largest_order" REAL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 86400000) VIRTUAL, "value" REAL GENERATED ALWAYS AS (("value__units" + CAST("value__micros" AS REAL) / 1000000.0)) VIRTUAL, PRIMARY KEY ("window_start" DESC, "userId")) STRICT, WITHOUT ROWID
CREATE INDEX "_value_by_user__by_key_0" ON "value_by_user" ("userId", "window_start")
-- written_out
-- table written_out
CREATE TABLE "written_out" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "productId" TEXT NOT NULL, "events" INTEGER NOT NULL, "total__units" INTEGER NOT NULL, "total__micros" INTEGER NOT NULL, "mean__units" INTEGER NOT NULL, "mean__micros" INTEGER NOT NULL, "mean__count" INTEGER NOT NULL, "low" REAL, "high" REAL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 60000) VIRTUAL, "total" REAL GENERATED ALWAYS AS (("total__units" + CAST("total__micros" AS REAL) / 1000000.0)) VIRTUAL, "mean" REAL GENERATED ALWAYS AS (CASE WHEN "mean__count" > 0 THEN ("mean__units" + CAST("mean__micros" AS REAL) / 1000000.0) / "mean__count" END) VIRTUAL, PRIMARY KEY ("window_start" DESC, "userId", "productId")) STRICT, WITHOUT ROWID
CREATE INDEX "_written_out__by_key_0" ON "written_out" ("userId", "productId", "window_start")
CREATE INDEX "_written_out__by_key_1" ON "written_out" ("userId", "window_start" DESC, "productId")
CREATE INDEX "_written_out__by_key_2" ON "written_out" ("productId", "window_start" DESC, "userId")
-- table written_out__products
CREATE TABLE "written_out__products" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "productId" TEXT NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "userId", "productId", "member")) STRICT, WITHOUT ROWID
-- table written_out__pages
CREATE TABLE "written_out__pages" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "productId" TEXT NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "userId", "productId", "item")) STRICT, WITHOUT ROWID
-- in_panes
-- table in_panes__panes
CREATE TABLE "in_panes__panes" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "events" INTEGER NOT NULL, "total__units" INTEGER NOT NULL, "total__micros" INTEGER NOT NULL, "mean__units" INTEGER NOT NULL, "mean__micros" INTEGER NOT NULL, "mean__count" INTEGER NOT NULL, "low" REAL, "high" REAL, PRIMARY KEY ("window_start" DESC, "userId")) STRICT, WITHOUT ROWID
CREATE INDEX "_in_panes__panes__by_key_0" ON "in_panes__panes" ("userId", "window_start")
-- table in_panes__products
CREATE TABLE "in_panes__products" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "userId", "member")) STRICT, WITHOUT ROWID
-- table in_panes__pages
CREATE TABLE "in_panes__pages" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "userId", "item")) STRICT, WITHOUT ROWID
-- view in_panes
CREATE VIEW "in_panes" AS WITH RECURSIVE steps (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM steps WHERE n < 5) SELECT (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) AS "window_start", (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) + 60000 AS "window_end", p."userId", CAST(SUM(p."events") AS INTEGER) AS "events", (SUM(p."total__units") + CAST(SUM(p."total__micros") AS REAL) / 1000000.0) AS "total", CASE WHEN SUM(p."mean__count") > 0 THEN (SUM(p."mean__units") + CAST(SUM(p."mean__micros") AS REAL) / 1000000.0) / SUM(p."mean__count") END AS "mean", MIN(p."low") AS "low", MAX(p."high") AS "high" FROM "in_panes__panes" AS p CROSS JOIN steps AS s WHERE (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) > p."window_start" - 60000 GROUP BY 1, 2, 3
-- without_key
-- table without_key__panes
CREATE TABLE "without_key__panes" ("window_start" INTEGER NOT NULL, "events" INTEGER NOT NULL, "total__units" INTEGER NOT NULL, "total__micros" INTEGER NOT NULL, "mean__units" INTEGER NOT NULL, "mean__micros" INTEGER NOT NULL, "mean__count" INTEGER NOT NULL, "low" REAL, "high" REAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table without_key__products
CREATE TABLE "without_key__products" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- table without_key__pages
CREATE TABLE "without_key__pages" ("window_start" INTEGER NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "item")) STRICT, WITHOUT ROWID
-- view without_key
CREATE VIEW "without_key" AS WITH RECURSIVE steps (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM steps WHERE n < 5) SELECT (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) AS "window_start", (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) + 60000 AS "window_end", CAST(SUM(p."events") AS INTEGER) AS "events", (SUM(p."total__units") + CAST(SUM(p."total__micros") AS REAL) / 1000000.0) AS "total", CASE WHEN SUM(p."mean__count") > 0 THEN (SUM(p."mean__units") + CAST(SUM(p."mean__micros") AS REAL) / 1000000.0) / SUM(p."mean__count") END AS "mean", MIN(p."low") AS "low", MAX(p."high") AS "high" FROM "without_key__panes" AS p CROSS JOIN steps AS s WHERE (p."window_start" - (p."window_start" % 10000 + 10000) % 10000 - s.n * 10000) > p."window_start" - 60000 GROUP BY 1, 2
-- one_type
-- table one_type
CREATE TABLE "one_type" ("window_start" INTEGER NOT NULL, "n" INTEGER NOT NULL, "window_end" INTEGER GENERATED ALWAYS AS ("window_start" + 86400000) VIRTUAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
