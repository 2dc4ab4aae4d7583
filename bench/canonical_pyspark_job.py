# ruff: noqa: S608 - only constants are put into SQL
"""What one writes by hand in PySpark for each built-in metric: the jobs ours is held against.

    python bench/canonical_pyspark_job.py --bootstrap HOST:PORT --topic NAME --jars A,B --sink SINK

It shares no code with rtcdp. It reads the topic to its end, or without one (`--endless`), counts
one metric (`--metric`; without it page views per user in windows of one minute every 30 seconds),
and upserts every changed row: into a table of PostgreSQL (`postgresql://…`), or into a file of JSON
lines that is written at the end. Prints a line of JSON: records read, seconds from the start of the
query, and records and seconds of each batch.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import psycopg
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - as everybody does

SCHEMA = (
    "userId STRING, sessionId STRING, eventType STRING, timestamp STRING, productId STRING,"
    " pageUrl STRING, value DOUBLE"
)
ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
TABLE = "by_hand"

Row = tuple[str, object, str]
"""A key, the window's start and the value, as text."""


def counted(
    events: DataFrame, window: Sequence[str], keys: Sequence[str], *values: Column
) -> DataFrame:
    """Events in windows as rows of key, start and value."""
    grouped = events.withWatermark("timestamp", "10 minutes").groupBy(
        F.window("timestamp", *window), *keys
    )
    value = F.to_json(F.struct(*(f"v{n}" for n in range(len(values)))))
    named = [each.alias(f"v{n}") for n, each in enumerate(values)]
    key = F.concat_ws("|", *keys) if keys else F.lit("")
    return grouped.agg(*named).select(key, F.col("window.start"), value)


def of_type(*types: str) -> Callable[[DataFrame], DataFrame]:
    return lambda events: events.where(F.col("eventType").isin(*types))


VIEWS, ORDERS = of_type("PAGE_VIEW"), of_type("PURCHASE")
MINUTE, HOUR, DAY = ["1 minute"], ["1 hour"], ["1 day"]
VALUE = "value"

PRODUCTS = "productId STRING, category STRING, validFrom STRING"


def with_category(events: DataFrame) -> DataFrame:
    """Events with the category of their product as of their own time, by a table of updates that is
    read once, when the query starts: what is sent later corrects nothing."""
    spark = events.sparkSession
    path = spark.conf.get("products.path", "")
    updates = (
        spark.read.schema(PRODUCTS).json(path) if path else spark.createDataFrame([], PRODUCTS)
    )
    since = F.to_timestamp("validFrom")
    following = F.lead("since").over(Window.partitionBy("productId").orderBy("since"))
    versions = updates.select("productId", "category", since.alias("since"))
    versions = F.broadcast(versions.withColumn("until", following))
    at = F.col("timestamp")
    is_then = (at >= F.col("since")) & (F.col("until").isNull() | (at < F.col("until")))
    same = events["productId"] == versions["productId"]
    joined = events.join(versions, same & is_then, "left")
    return joined.withColumn("category", F.coalesce("category", F.lit("(unknown)")))


METRICS: dict[str, Callable[[DataFrame], DataFrame]] = {
    "user_page_view_counts": lambda e: counted(
        VIEWS(e), ["1 minute", "30 seconds"], ["userId"], F.count("*")
    ),
    "active_users": lambda e: counted(e, MINUTE, [], F.approx_count_distinct("userId")),
    "add_to_carts_by_product": lambda e: counted(
        of_type("ADD_TO_CART")(e), HOUR, ["productId"], F.count("*")
    ),
    "daily_active_users": lambda e: counted(
        e, DAY, [], F.approx_count_distinct("userId"), F.approx_count_distinct("sessionId")
    ),
    "events_by_type": lambda e: counted(e, MINUTE, ["eventType"], F.count("*")),
    "orders": lambda e: counted(
        ORDERS(e), HOUR, [], F.count("*"), F.approx_count_distinct("userId")
    ),
    "page_views_last_hour": lambda e: counted(VIEWS(e), ["1 hour", "1 minute"], [], F.count("*")),
    "revenue": lambda e: counted(
        ORDERS(e), MINUTE, [], F.sum(VALUE), F.count("*"), F.avg(VALUE), F.min(VALUE), F.max(VALUE)
    ),
    "revenue_by_category": lambda e: counted(
        with_category(ORDERS(e)), MINUTE, ["category"], F.sum(VALUE), F.count("*")
    ),
    "top_pages": lambda e: counted(VIEWS(e), HOUR, ["pageUrl"], F.count("*")),
    "top_products": lambda e: counted(
        of_type("PAGE_VIEW", "PRODUCT_VIEW")(e), HOUR, ["productId"], F.count("*")
    ),
    "value_by_user": lambda e: counted(
        ORDERS(e), DAY, ["userId"], F.sum(VALUE), F.count("*"), F.max(VALUE)
    ),
}


class PostgresSink:
    """Upserts the rows of a batch in one transaction."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        with self._connection.transaction():
            self._connection.execute(
                f"CREATE TABLE IF NOT EXISTS {TABLE} (key TEXT, window_start TIMESTAMPTZ,"
                " value TEXT, PRIMARY KEY (key, window_start))"
            )
            self._connection.execute(f"CREATE TEMPORARY TABLE staged (LIKE {TABLE})")

    def write(self, rows: Sequence[Row]) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("TRUNCATE staged")
            with cursor.copy("COPY staged FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                f"INSERT INTO {TABLE} SELECT * FROM staged ON CONFLICT (key, window_start)"
                " DO UPDATE SET value = excluded.value"
            )

    def close(self) -> None:
        self._connection.close()


class FileSink:
    """Keeps the newest rows, and writes them when it is closed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rows: dict[tuple[str, int], str] = {}

    def write(self, rows: Sequence[Row]) -> None:
        for key, start, value in rows:
            self._rows[key, int(start.timestamp() * 1000)] = value  # type: ignore[attr-defined]

    def close(self) -> None:
        with open(self._path, "w", encoding="utf-8") as out:
            for (key, start), value in sorted(self._rows.items()):
                out.write(json.dumps([key, start, *json.loads(value).values()]) + "\n")


def session(arguments: argparse.Namespace) -> SparkSession:
    builder = SparkSession.builder.master(arguments.master).appName("canonical page views")
    for name, value in {
        "spark.jars": arguments.jars,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.streaming.stateStore.providerClass": ROCKSDB,
        "spark.ui.enabled": "false",
        "products.path": arguments.products,
    }.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def events_of(spark: SparkSession, arguments: argparse.Namespace) -> DataFrame:
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", arguments.bootstrap)
        .option("subscribe", arguments.topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", arguments.max_offsets)
        .load()
    )
    events = records.select(F.from_json(F.col("value").cast("string"), SCHEMA).alias("event"))
    return events.select("event.*").withColumn("timestamp", F.to_timestamp("timestamp"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--jars", required=True)
    parser.add_argument("--sink", required=True)
    parser.add_argument("--metric", choices=METRICS, default="user_page_view_counts")
    parser.add_argument("--products", default="", help="a file of product updates, NDJSON")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--max-offsets", default="1000000")
    parser.add_argument("--endless", action="store_true", help="goes on until it is killed")
    parser.add_argument("--checkpoint", default="", help="a folder in which a run goes on")
    arguments = parser.parse_args()
    is_database = arguments.sink.startswith("postgresql://")
    sink = PostgresSink(arguments.sink) if is_database else FileSink(arguments.sink)
    spark = session(arguments)
    pace = {"processingTime": "0 seconds"} if arguments.endless else {"availableNow": True}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        query = (
            METRICS[arguments.metric](events_of(spark, arguments))
            .writeStream.outputMode("update")
            .option("checkpointLocation", arguments.checkpoint or folder)
            .trigger(**pace)
            .foreachBatch(lambda batch, _: sink.write([tuple(row) for row in batch.collect()]))
            .start()
        )
        query.awaitTermination()
        elapsed_s = time.perf_counter() - began
        progress = [json.loads(each.json) for each in query.recentProgress]
    sink.close()
    spark.stop()
    report = {
        "records": sum(each["numInputRows"] for each in progress),
        "elapsed_s": round(elapsed_s, 3),
        "batches": [[each["numInputRows"], each["batchDuration"] / 1000] for each in progress],
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
