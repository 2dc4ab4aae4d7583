-- active_users
-- table active_users
CREATE TABLE "__active_users" ("window_start" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table active_users__active_users
CREATE TABLE "__active_users__active_users" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- add_to_carts_by_product
-- table add_to_carts_by_product
CREATE TABLE "__add_to_carts_by_product" ("window_start" INTEGER NOT NULL, "productId" TEXT NOT NULL, "add_to_cart_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "productId")) STRICT, WITHOUT ROWID
CREATE INDEX "_add_to_carts_by_product__by_key_0" ON "__add_to_carts_by_product" ("productId", "window_start")
-- daily_active_users
-- table daily_active_users
CREATE TABLE "__daily_active_users" ("window_start" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table daily_active_users__active_users
CREATE TABLE "__daily_active_users__active_users" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- table daily_active_users__visits
CREATE TABLE "__daily_active_users__visits" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- events_by_type
-- table events_by_type
CREATE TABLE "__events_by_type" ("window_start" INTEGER NOT NULL, "eventType" TEXT NOT NULL, "event_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "eventType")) STRICT, WITHOUT ROWID
CREATE INDEX "_events_by_type__by_key_0" ON "__events_by_type" ("eventType", "window_start")
-- orders
-- table orders
CREATE TABLE "__orders" ("window_start" INTEGER NOT NULL, "order_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table orders__buyers
CREATE TABLE "__orders__buyers" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- page_views_last_hour
-- table page_views_last_hour__panes
CREATE TABLE "__page_views_last_hour__panes" ("window_start" INTEGER NOT NULL, "page_view_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- revenue
-- table revenue
CREATE TABLE "__revenue" ("window_start" INTEGER NOT NULL, "revenue__units" INTEGER NOT NULL, "revenue__micros" INTEGER NOT NULL, "order_count" INTEGER NOT NULL, "average_order_value__units" INTEGER NOT NULL, "average_order_value__micros" INTEGER NOT NULL, "average_order_value__count" INTEGER NOT NULL, "smallest_order" REAL, "largest_order" REAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- revenue_by_category_of_products
-- table revenue_by_category_of_products
CREATE TABLE "__revenue_by_category_of_products" ("window_start" INTEGER NOT NULL, "productId" TEXT NOT NULL, "revenue__units" INTEGER NOT NULL, "revenue__micros" INTEGER NOT NULL, "purchase_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "productId")) STRICT, WITHOUT ROWID
CREATE INDEX "_revenue_by_category_of_products__by_key_0" ON "__revenue_by_category_of_products" ("productId", "window_start")
-- revenue_by_category_of_moments
-- table revenue_by_category_of_moments
CREATE TABLE "__revenue_by_category_of_moments" ("window_start" INTEGER NOT NULL, "productId" TEXT NOT NULL, "revenue__units" INTEGER NOT NULL, "revenue__micros" INTEGER NOT NULL, "purchase_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "productId")) STRICT, WITHOUT ROWID
CREATE INDEX "_revenue_by_category_of_moments__by_key_0" ON "__revenue_by_category_of_moments" ("productId", "window_start")
-- top_pages
-- table top_pages
CREATE TABLE "__top_pages" ("window_start" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table top_pages__pages
CREATE TABLE "__top_pages__pages" ("window_start" INTEGER NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "item")) STRICT, WITHOUT ROWID
-- top_products
-- table top_products
CREATE TABLE "__top_products" ("window_start" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table top_products__products
CREATE TABLE "__top_products__products" ("window_start" INTEGER NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "item")) STRICT, WITHOUT ROWID
-- user_page_view_counts
-- table user_page_view_counts
CREATE TABLE "__user_page_view_counts" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "page_view_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "userId")) STRICT, WITHOUT ROWID
CREATE INDEX "_user_page_view_counts__by_key_0" ON "__user_page_view_counts" ("userId", "window_start")
-- value_by_user
-- table value_by_user
CREATE TABLE "__value_by_user" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "value__units" INTEGER NOT NULL, "value__micros" INTEGER NOT NULL, "order_count" INTEGER NOT NULL, "largest_order" REAL, PRIMARY KEY ("window_start" DESC, "userId")) STRICT, WITHOUT ROWID
CREATE INDEX "_value_by_user__by_key_0" ON "__value_by_user" ("userId", "window_start")
-- written_out
-- table written_out
CREATE TABLE "__written_out" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "productId" TEXT NOT NULL, "events" INTEGER NOT NULL, "total__units" INTEGER NOT NULL, "total__micros" INTEGER NOT NULL, "mean__units" INTEGER NOT NULL, "mean__micros" INTEGER NOT NULL, "mean__count" INTEGER NOT NULL, "low" REAL, "high" REAL, PRIMARY KEY ("window_start" DESC, "userId", "productId")) STRICT, WITHOUT ROWID
CREATE INDEX "_written_out__by_key_0" ON "__written_out" ("userId", "productId", "window_start")
CREATE INDEX "_written_out__by_key_1" ON "__written_out" ("userId", "window_start" DESC, "productId")
CREATE INDEX "_written_out__by_key_2" ON "__written_out" ("productId", "window_start" DESC, "userId")
-- table written_out__products
CREATE TABLE "__written_out__products" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "productId" TEXT NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "userId", "productId", "member")) STRICT, WITHOUT ROWID
-- table written_out__pages
CREATE TABLE "__written_out__pages" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "productId" TEXT NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "userId", "productId", "item")) STRICT, WITHOUT ROWID
-- in_panes
-- table in_panes__panes
CREATE TABLE "__in_panes__panes" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "events" INTEGER NOT NULL, "total__units" INTEGER NOT NULL, "total__micros" INTEGER NOT NULL, "mean__units" INTEGER NOT NULL, "mean__micros" INTEGER NOT NULL, "mean__count" INTEGER NOT NULL, "low" REAL, "high" REAL, PRIMARY KEY ("window_start" DESC, "userId")) STRICT, WITHOUT ROWID
CREATE INDEX "_in_panes__panes__by_key_0" ON "__in_panes__panes" ("userId", "window_start")
-- table in_panes__products
CREATE TABLE "__in_panes__products" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "userId", "member")) STRICT, WITHOUT ROWID
-- table in_panes__pages
CREATE TABLE "__in_panes__pages" ("window_start" INTEGER NOT NULL, "userId" TEXT NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "userId", "item")) STRICT, WITHOUT ROWID
-- without_key
-- table without_key__panes
CREATE TABLE "__without_key__panes" ("window_start" INTEGER NOT NULL, "events" INTEGER NOT NULL, "total__units" INTEGER NOT NULL, "total__micros" INTEGER NOT NULL, "mean__units" INTEGER NOT NULL, "mean__micros" INTEGER NOT NULL, "mean__count" INTEGER NOT NULL, "low" REAL, "high" REAL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
-- table without_key__products
CREATE TABLE "__without_key__products" ("window_start" INTEGER NOT NULL, "member" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "member")) STRICT, WITHOUT ROWID
-- table without_key__pages
CREATE TABLE "__without_key__pages" ("window_start" INTEGER NOT NULL, "item" TEXT NOT NULL, "item_count" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC, "item")) STRICT, WITHOUT ROWID
-- one_type
-- table one_type
CREATE TABLE "__one_type" ("window_start" INTEGER NOT NULL, "n" INTEGER NOT NULL, PRIMARY KEY ("window_start" DESC)) STRICT, WITHOUT ROWID
