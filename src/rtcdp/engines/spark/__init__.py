"""The engine on Spark Structured Streaming: the same definitions, on a cluster."""
