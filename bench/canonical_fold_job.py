"""What one writes by hand in PySpark for each built-in fold: the jobs ours is held against.

    python bench/canonical_fold_job.py FILE… --fold NAME --out DIR

It shares no code with rtcdp. It reads events as JSON lines, tells each fold of all of them with
window functions, and writes its rows as Parquet. It is a batch: it knows nothing of what came
before, checks nothing of what it reads, and knows no duplicates. Prints a line of JSON: of each
fold the rows, and of each run the seconds from reading to written, by the clock and of work done
by all of Java's threads; the first run is cold.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession, Window, WindowSpec
from pyspark.sql import functions as F  # noqa: N812 - as everybody does

SCHEMA = (
    "eventId STRING, userId STRING, sessionId STRING, eventType STRING, timestamp TIMESTAMP,"
    " productId STRING, pageUrl STRING, value DOUBLE"
)
GAP_MS = 30 * 60_000
QUARTER_MS = 900_000
DAY_MS = 96 * QUARTER_MS
WITHIN_MS = 7 * DAY_MS
PAGES_MAX = 8
PRODUCTS_MAX = 50


def at() -> Column:
    return F.col("at")


def kind() -> Column:
    return F.col("eventType")


def page() -> Column:
    return F.col("pageUrl")


def of_user() -> WindowSpec:
    return Window.partitionBy("userId").orderBy("at", "eventId")


def with_sessions(events: DataFrame) -> DataFrame:
    """Events with the number of their session, which half an hour without any ends."""
    begins = (at() - F.lag("at").over(of_user()) >= GAP_MS).cast("int")
    return events.withColumn("session", F.sum(F.coalesce(begins, F.lit(0))).over(of_user()))


def sessions(events: DataFrame) -> DataFrame:
    """A row for each visit of each user."""
    place = F.struct("at", "eventId")
    viewed = F.when((kind() == "PAGE_VIEW") & page().isNotNull(), place)
    return (
        with_sessions(events)
        .groupBy("userId", "session")
        .agg(
            F.min("at").alias("start"),
            F.max("at").alias("end"),
            F.count("*").alias("event_count"),
            F.count(F.when(kind() == "PAGE_VIEW", 1)).alias("page_view_count"),
            F.sum("value").alias("value"),
            F.max((kind() == "PURCHASE").cast("int")).alias("converted"),
            F.min_by("pageUrl", viewed).alias("entry_page"),
            F.max_by("pageUrl", viewed).alias("exit_page"),
            F.collect_set("productId").alias("products"),
            F.collect_set("sessionId").alias("clients"),
        )
    )


def shop_funnel(events: DataFrame) -> DataFrame:
    """How far each user came who viewed something, by the quarter of an hour in which they
    did: of its views the one that led farthest, and of equals the earliest."""
    # Backwards a frame grows; one that shrinks is gone through anew for each event.
    not_before = (
        Window.partitionBy("userId")
        .orderBy(F.desc("at"))
        .rangeBetween(Window.unboundedPreceding, Window.currentRow)
    )

    def next_of(name: str, what: Column) -> Column:
        return F.last(F.when(kind() == name, what), ignorenulls=True).over(not_before)

    entered = (
        events.where(kind().isin("PAGE_VIEW", "ADD_TO_CART", "PURCHASE"))
        .withColumn("bought", next_of("PURCHASE", at()))
        .withColumn("cart", next_of("ADD_TO_CART", F.struct("at", "bought")))
        .where(kind() == "PAGE_VIEW")
    )
    put, bought = F.col("cart.at"), F.col("cart.bought")
    put = F.when(put - at() <= WITHIN_MS, put)
    bought = F.when(bought - at() <= WITHIN_MS, bought)
    depth = 1 + put.isNotNull().cast("int") + bought.isNotNull().cast("int")
    quarter = F.floor(at() / QUARTER_MS)
    best = F.struct(
        depth.alias("depth"), (-at()).alias("earliest"), put.alias("at_2"), bought.alias("at_3")
    )
    return (
        entered.groupBy("userId", quarter.alias("quarter"))
        .agg(F.max(best).alias("best"))
        .select(
            "userId",
            (-F.col("best.earliest")).alias("entered_at"),
            "best.depth",
            "best.at_2",
            "best.at_3",
        )
    )


def daily_retention(events: DataFrame) -> DataFrame:
    """When each user first viewed a page, and on which of the 30 days after that they were back."""
    day = F.floor(at() / DAY_MS)
    first = F.min(F.when(kind() == "PAGE_VIEW", F.struct("at", "eventId")))
    starts = events.groupBy("userId").agg(first.alias("first")).where("first IS NOT NULL")
    later = events.join(starts, "userId").where(F.struct("at", "eventId") > F.col("first"))
    after = day - F.floor(F.col("first.at") / DAY_MS)
    back = later.where(after <= 30).groupBy("userId").agg(F.collect_set(after).alias("returned"))
    return starts.join(back, "userId", "left").select("userId", "first.at", "returned")


def page_paths(events: DataFrame) -> DataFrame:
    """The first pages of each session, without the same one again at once."""
    inside = with_sessions(events).withColumn(
        "started_at", F.min("at").over(Window.partitionBy("userId", "session"))
    )
    of_session = Window.partitionBy("userId", "session").orderBy("at", "eventId")
    inside = inside.where(page().isNotNull()).withColumn(
        "before", F.lag("pageUrl").over(of_session)
    )
    pages = F.array_sort(F.collect_list(F.struct("at", "eventId", "pageUrl")))
    return (
        inside.where(F.col("before").isNull() | (F.col("before") != page()))
        .groupBy("userId", "started_at")
        .agg(pages.alias("pages"))
        .select("userId", "started_at", F.slice("pages.pageUrl", 1, PAGES_MAX).alias("path"))
    )


def cart_outcomes(events: DataFrame) -> DataFrame:
    """Of each cart its purchase within a day: like brackets, the nearest cart before a purchase
    that has none yet."""
    of_one = ["userId", "productId"]
    is_cart = kind() == "ADD_TO_CART"
    place = ["at", "eventType", "eventId"]
    following = Window.partitionBy(*of_one).orderBy(*place)
    carts = F.sum(F.when(is_cart, 1).otherwise(-1)).over(following)
    told = events.where(kind().isin("ADD_TO_CART", "PURCHASE") & F.col("productId").isNotNull())
    told = told.withColumn("depth", F.when(is_cart, carts).otherwise(carts + 1))
    beside = F.lead(F.struct("eventType", "at", "value")).over(
        Window.partitionBy(*of_one, "depth").orderBy(*place)
    )
    told = told.withColumn("next", beside).where(is_cart)
    is_bought = (F.col("next.eventType") == "PURCHASE") & (F.col("next.at") - at() <= DAY_MS)
    return told.select(
        *of_one,
        at().alias("left_at"),
        F.col("value").alias("left_value"),
        F.when(is_bought, F.col("next.at")).alias("right_at"),
        F.when(is_bought, F.col("next.value")).alias("right_value"),
    )


def product_sessions(events: DataFrame) -> DataFrame:
    """The last products of each session of such events in order, the same one again at once told
    once, with a letter for what was done with each."""
    named = with_sessions(events.where(F.col("productId").isNotNull()))
    of_session = Window.partitionBy("userId", "session").orderBy("at", "eventId", "productId")
    before = F.lag("productId").over(of_session)
    is_other = (before.isNull() | (before != F.col("productId"))).cast("int")
    deed = F.when(kind() == "PURCHASE", 2).when(kind() == "ADD_TO_CART", 1).otherwise(0)
    runs = (
        named.withColumn("run", F.sum(is_other).over(of_session))
        .groupBy("userId", "session", "run")
        .agg(
            F.min("at").alias("at"),
            F.first("productId").alias("product"),
            F.max(deed).alias("deed"),
        )
    )
    told = F.array_sort(F.collect_list(F.struct("run", "product", "deed")))
    rows = runs.groupBy("userId", "session").agg(
        F.min("at").alias("started_at"), told.alias("told"), F.count("*").alias("length")
    )
    last = F.slice("told", -PRODUCTS_MAX, PRODUCTS_MAX)
    last = F.when(F.col("length") > PRODUCTS_MAX, last).otherwise(F.col("told"))
    return rows.withColumn("last", last).select(
        "userId",
        "started_at",
        F.col("last.product").alias("products"),
        F.col("last.deed").alias("deeds"),
        F.greatest(F.lit(0), F.col("length") - PRODUCTS_MAX).alias("left_out"),
    )


FOLDS: dict[str, Callable[[DataFrame], DataFrame]] = {
    "sessions": sessions,
    "shop_funnel": shop_funnel,
    "daily_retention": daily_retention,
    "page_paths": page_paths,
    "cart_outcomes": cart_outcomes,
    "product_sessions": product_sessions,
}


def session(master: str) -> SparkSession:
    builder = SparkSession.builder.master(master).appName("canonical folds")
    for name, value in {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "3g",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def cpu_s(spark: SparkSession) -> float:
    """Seconds of work that the driver's process has done, with its executors inside."""
    pid = spark.sparkContext._gateway.proc.pid
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--fold", nargs="+", choices=FOLDS, default=list(FOLDS))
    parser.add_argument("--out", required=True)
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    spark = session(arguments.master)
    found: dict[str, object] = {}
    for fold in arguments.fold:
        seconds, work = [], []
        for _ in range(arguments.runs):
            began, worked = time.perf_counter(), cpu_s(spark)
            events = spark.read.schema(SCHEMA).json(arguments.files)
            events = events.withColumn("at", F.unix_millis("timestamp"))
            out = f"{arguments.out}/{fold}"
            FOLDS[fold](events).write.mode("overwrite").parquet(out)
            seconds.append(round(time.perf_counter() - began, 3))
            work.append(round(cpu_s(spark) - worked, 3))
        found[fold] = {"rows": spark.read.parquet(out).count(), "seconds": seconds, "cpu_s": work}
    spark.stop()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
