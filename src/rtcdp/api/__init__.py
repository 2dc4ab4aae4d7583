"""Reading: exact answers over HTTP, each from one snapshot of the store and with its freshness."""
