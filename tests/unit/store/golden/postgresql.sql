-- active_users
-- table active_users
CREATE TABLE "__active_users" ("window_start" bigint NOT NULL)
CREATE UNIQUE INDEX "_active_users__key" ON "__active_users" ("window_start" DESC)
-- table active_users__active_users
CREATE TABLE "__active_users__active_users" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_active_users__active_users__key" ON "__active_users__active_users" ("window_start" DESC, "member")
-- add_to_carts_by_product
-- table add_to_carts_by_product
CREATE TABLE "__add_to_carts_by_product" ("window_start" bigint NOT NULL, "productId" text COLLATE "C" NOT NULL, "add_to_cart_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_add_to_carts_by_product__key" ON "__add_to_carts_by_product" ("window_start" DESC, "productId")
CREATE INDEX "_add_to_carts_by_product__by_key_0" ON "__add_to_carts_by_product" ("productId", "window_start")
-- daily_active_users
-- table daily_active_users
CREATE TABLE "__daily_active_users" ("window_start" bigint NOT NULL)
CREATE UNIQUE INDEX "_daily_active_users__key" ON "__daily_active_users" ("window_start" DESC)
-- table daily_active_users__active_users
CREATE TABLE "__daily_active_users__active_users" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_daily_active_users__active_users__key" ON "__daily_active_users__active_users" ("window_start" DESC, "member")
-- table daily_active_users__visits
CREATE TABLE "__daily_active_users__visits" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_daily_active_users__visits__key" ON "__daily_active_users__visits" ("window_start" DESC, "member")
-- events_by_type
-- table events_by_type
CREATE TABLE "__events_by_type" ("window_start" bigint NOT NULL, "eventType" text COLLATE "C" NOT NULL, "event_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_events_by_type__key" ON "__events_by_type" ("window_start" DESC, "eventType")
CREATE INDEX "_events_by_type__by_key_0" ON "__events_by_type" ("eventType", "window_start")
-- orders
-- table orders
CREATE TABLE "__orders" ("window_start" bigint NOT NULL, "order_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_orders__key" ON "__orders" ("window_start" DESC)
-- table orders__buyers
CREATE TABLE "__orders__buyers" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_orders__buyers__key" ON "__orders__buyers" ("window_start" DESC, "member")
-- page_views_last_hour
-- table page_views_last_hour__panes
CREATE TABLE "__page_views_last_hour__panes" ("window_start" bigint NOT NULL, "page_view_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_page_views_last_hour__panes__key" ON "__page_views_last_hour__panes" ("window_start" DESC)
-- revenue
-- table revenue
CREATE TABLE "__revenue" ("window_start" bigint NOT NULL, "revenue__units" bigint NOT NULL, "revenue__micros" bigint NOT NULL, "order_count" bigint NOT NULL, "average_order_value__units" bigint NOT NULL, "average_order_value__micros" bigint NOT NULL, "average_order_value__count" bigint NOT NULL, "smallest_order" double precision, "largest_order" double precision) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_revenue__key" ON "__revenue" ("window_start" DESC)
-- revenue_by_category_of_products
-- table revenue_by_category_of_products
CREATE TABLE "__revenue_by_category_of_products" ("window_start" bigint NOT NULL, "productId" text COLLATE "C" NOT NULL, "revenue__units" bigint NOT NULL, "revenue__micros" bigint NOT NULL, "purchase_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_revenue_by_category_of_products__key" ON "__revenue_by_category_of_products" ("window_start" DESC, "productId")
CREATE INDEX "_revenue_by_category_of_products__by_key_0" ON "__revenue_by_category_of_products" ("productId", "window_start")
-- revenue_by_category_of_moments
-- table revenue_by_category_of_moments
CREATE TABLE "__revenue_by_category_of_moments" ("window_start" bigint NOT NULL, "productId" text COLLATE "C" NOT NULL, "revenue__units" bigint NOT NULL, "revenue__micros" bigint NOT NULL, "purchase_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_revenue_by_category_of_moments__key" ON "__revenue_by_category_of_moments" ("window_start" DESC, "productId")
CREATE INDEX "_revenue_by_category_of_moments__by_key_0" ON "__revenue_by_category_of_moments" ("productId", "window_start")
-- top_pages
-- table top_pages
CREATE TABLE "__top_pages" ("window_start" bigint NOT NULL)
CREATE UNIQUE INDEX "_top_pages__key" ON "__top_pages" ("window_start" DESC)
-- table top_pages__pages
CREATE TABLE "__top_pages__pages" ("window_start" bigint NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_top_pages__pages__key" ON "__top_pages__pages" ("window_start" DESC, "item")
-- top_products
-- table top_products
CREATE TABLE "__top_products" ("window_start" bigint NOT NULL)
CREATE UNIQUE INDEX "_top_products__key" ON "__top_products" ("window_start" DESC)
-- table top_products__products
CREATE TABLE "__top_products__products" ("window_start" bigint NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_top_products__products__key" ON "__top_products__products" ("window_start" DESC, "item")
-- user_page_view_counts
-- table user_page_view_counts
CREATE TABLE "__user_page_view_counts" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "page_view_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_user_page_view_counts__key" ON "__user_page_view_counts" ("window_start" DESC, "userId")
CREATE INDEX "_user_page_view_counts__by_key_0" ON "__user_page_view_counts" ("userId", "window_start")
-- value_by_user
-- table value_by_user
CREATE TABLE "__value_by_user" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "value__units" bigint NOT NULL, "value__micros" bigint NOT NULL, "order_count" bigint NOT NULL, "largest_order" double precision) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_value_by_user__key" ON "__value_by_user" ("window_start" DESC, "userId")
CREATE INDEX "_value_by_user__by_key_0" ON "__value_by_user" ("userId", "window_start")
-- written_out
-- table written_out
CREATE TABLE "__written_out" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "productId" text COLLATE "C" NOT NULL, "events" bigint NOT NULL, "total__units" bigint NOT NULL, "total__micros" bigint NOT NULL, "mean__units" bigint NOT NULL, "mean__micros" bigint NOT NULL, "mean__count" bigint NOT NULL, "low" double precision, "high" double precision) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_written_out__key" ON "__written_out" ("window_start" DESC, "userId", "productId")
CREATE INDEX "_written_out__by_key_0" ON "__written_out" ("userId", "productId", "window_start")
CREATE INDEX "_written_out__by_key_1" ON "__written_out" ("userId", "window_start" DESC, "productId")
CREATE INDEX "_written_out__by_key_2" ON "__written_out" ("productId", "window_start" DESC, "userId")
-- table written_out__products
CREATE TABLE "__written_out__products" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "productId" text COLLATE "C" NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_written_out__products__key" ON "__written_out__products" ("window_start" DESC, "userId", "productId", "member")
-- table written_out__pages
CREATE TABLE "__written_out__pages" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "productId" text COLLATE "C" NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_written_out__pages__key" ON "__written_out__pages" ("window_start" DESC, "userId", "productId", "item")
-- in_panes
-- table in_panes__panes
CREATE TABLE "__in_panes__panes" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "events" bigint NOT NULL, "total__units" bigint NOT NULL, "total__micros" bigint NOT NULL, "mean__units" bigint NOT NULL, "mean__micros" bigint NOT NULL, "mean__count" bigint NOT NULL, "low" double precision, "high" double precision) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_in_panes__panes__key" ON "__in_panes__panes" ("window_start" DESC, "userId")
CREATE INDEX "_in_panes__panes__by_key_0" ON "__in_panes__panes" ("userId", "window_start")
-- table in_panes__products
CREATE TABLE "__in_panes__products" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_in_panes__products__key" ON "__in_panes__products" ("window_start" DESC, "userId", "member")
-- table in_panes__pages
CREATE TABLE "__in_panes__pages" ("window_start" bigint NOT NULL, "userId" text COLLATE "C" NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_in_panes__pages__key" ON "__in_panes__pages" ("window_start" DESC, "userId", "item")
-- without_key
-- table without_key__panes
CREATE TABLE "__without_key__panes" ("window_start" bigint NOT NULL, "events" bigint NOT NULL, "total__units" bigint NOT NULL, "total__micros" bigint NOT NULL, "mean__units" bigint NOT NULL, "mean__micros" bigint NOT NULL, "mean__count" bigint NOT NULL, "low" double precision, "high" double precision) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_without_key__panes__key" ON "__without_key__panes" ("window_start" DESC)
-- table without_key__products
CREATE TABLE "__without_key__products" ("window_start" bigint NOT NULL, "member" bigint NOT NULL)
CREATE UNIQUE INDEX "_without_key__products__key" ON "__without_key__products" ("window_start" DESC, "member")
-- table without_key__pages
CREATE TABLE "__without_key__pages" ("window_start" bigint NOT NULL, "item" text COLLATE "C" NOT NULL, "item_count" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_without_key__pages__key" ON "__without_key__pages" ("window_start" DESC, "item")
-- one_type
-- table one_type
CREATE TABLE "__one_type" ("window_start" bigint NOT NULL, "n" bigint NOT NULL) WITH (fillfactor = 50)
CREATE UNIQUE INDEX "_one_type__key" ON "__one_type" ("window_start" DESC)
