"""Who takes part, with what each of them guarantees: a closed list."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.canonical_pyspark_job import TABLE as CANONICAL_TABLE
from bench.rivals.contestant import STEP_MS, WINDOW_MS, WORKERS
from bench.rivals.environment import FLINK, JAVA, java_classpath, rivals_python
from bench.rivals.seen import Seen, SeenInTable, SeenInTopic
from deploy.servers import spark_kafka_jars
from rtcdp.runtime.processes.allocation import HEAPS_VARIABLE, KEPT, VARIABLE

_JAVA_FLAGS = (
    "-Xmx2g",
    "--add-modules=java.se",
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.management/sun.management=ALL-UNNAMED",
    "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
)

_SIZES = str(WINDOW_MS), str(STEP_MS)

Command = tuple[str, ...]


@dataclass(frozen=True)
class Ground:
    """What contestants read: a file of JSON lines, and the same events in a topic of Kafka, keyed
    by user; and where those from the topic may write: `database` makes one of PostgreSQL by this
    name, and gives its URL. Who reads a topic that is endless is not to stop at its present end."""

    events: Path
    bootstrap: str = ""
    topic: str = ""
    database: Callable[[str], str] = str
    is_endless: bool = False

    @property
    def topic_url(self) -> str:
        return f"kafka://{self.bootstrap}/{self.topic}"

    def database_of(self, out: Path) -> str:
        return self.database(f"rivals_{out.name}")

    def results_of(self, out: Path) -> str:
        """The name of the topic for what comes out of `topic`."""
        return f"{self.topic}-{out.name}"


@dataclass(frozen=True)
class Guarantees:
    """In words for a cell each: whether what is counted survives a power cut, whether a crash
    makes it count twice, what becomes of a repeated id, and of a late event."""

    durable: str
    exactly_once: str
    repeats: str
    late: str


@dataclass(frozen=True)
class Entry:
    """A contestant: `commands` are started together for a ground and a folder, and measured until
    the last of them has ended; `rows` prints what came out. `is_from_topic` tells those which read
    a broker from those which read the file; of these, `seen` tells whose counts are there, as long
    as it runs. `environment` is what its processes find set, beside what all of them do."""

    name: str
    commands: Callable[[Ground, Path], tuple[Command, ...]]
    rows: Callable[[Ground, Path], Command]
    guarantees: Guarantees
    is_from_topic: bool = False
    seen: Callable[[Ground, Path], Seen] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def _in_python(name: str, module: str, guarantees: Guarantees) -> Entry:
    def call(*arguments: str) -> Command:
        return (str(rivals_python()), "-m", f"bench.rivals.{module}", *arguments)

    return Entry(
        name,
        lambda ground, out: (call("run", str(ground.events), str(out)),),
        lambda _, out: call("rows", str(out)),
        guarantees,
    )


def _here(module: str, *arguments: str) -> Command:
    return (sys.executable, "-m", f"bench.{module}", *arguments)


def _in_java(name: str, *arguments: str, folder: Path = JAVA) -> Command:
    return ("java", *_JAVA_FLAGS, "-cp", java_classpath(folder), name, *arguments, *_SIZES)


def _door_and_engine(ground: Ground, out: Path) -> tuple[Command, ...]:
    return (
        _here("rivals.rtcdp_door", str(ground.events), str(out)),
        _here("rivals.rtcdp_engine", "run", str(out)),
    )


def _native(ground: Ground, out: Path) -> tuple[Command, ...]:
    endless = ("--endless",) if ground.is_endless else ()
    return (_here("servers", "run", ground.topic_url, ground.database_of(out), *endless),)


def _streams(ground: Ground, out: Path) -> tuple[Command, ...]:
    named = ground.bootstrap, ground.topic, ground.results_of(out), str(out), str(WORKERS)
    return ((*_in_java("StreamsViews", *named), *_endless(ground)),)


def _flink(ground: Ground, out: Path) -> tuple[Command, ...]:
    places = ground.bootstrap, ground.topic, ground.database_of(out), str(out)
    command = _in_java("FlinkViews", *places, str(WORKERS), folder=FLINK)
    return ((*command, *_endless(ground)),)


def _quix(ground: Ground, out: Path) -> tuple[Command, ...]:
    named = ground.bootstrap, ground.topic, ground.results_of(out), str(out)
    quix = (str(rivals_python()), "-m", "bench.rivals.quix_flow", *named)
    return ((*quix, *_endless(ground)),)


def _endless(ground: Ground) -> tuple[str, ...]:
    """The last argument of those that name none."""
    return ("endless",) if ground.is_endless else ()


def _spark_by_hand(ground: Ground, out: Path) -> tuple[Command, ...]:
    jars = ",".join(map(str, spark_kafka_jars()))
    topic = ("--bootstrap", ground.bootstrap, "--topic", ground.topic)
    sink = ("--jars", jars, "--sink", ground.database_of(out), "--checkpoint", str(out))
    endless = ("--endless",) if ground.is_endless else ()
    return (_here("canonical_pyspark_job", *topic, *sink, *endless),)


def _into_topic(
    name: str, commands: Callable[[Ground, Path], tuple[Command, ...]], kind: str
) -> Entry:
    """Who counts a topic into another one, exactly once."""
    return Entry(
        name,
        commands,
        lambda ground, out: _here(
            "rivals.server_rows", kind, ground.bootstrap, ground.results_of(out)
        ),
        Guarantees("counts, in a topic", "yes", "counted", "dropped"),
        is_from_topic=True,
        seen=lambda ground, out: SeenInTopic(ground.bootstrap, ground.results_of(out)),
    )


def _seen_in(table: str, user: str = "user_id") -> Callable[[Ground, Path], Seen]:
    return lambda ground, out: SeenInTable(ground.database_of(out), table, user)


_FOLDING = {VARIABLE: KEPT, HEAPS_VARIABLE: "1"}
"""What a processor says of its memory before it starts to work, and `bench.engine` is told."""

_OURS = Guarantees("events and counts", "yes", "counted once", "kept, with the reason")
_BATCH = Guarantees("the result, at the end", "starts again", "counted", "none: the file is whole")
_IN_MEMORY = "the result, at the end"

ENTRIES = (
    Entry(
        "rtcdp, door and engine",
        _door_and_engine,
        lambda _, out: _here("rivals.rtcdp_engine", "rows", str(out)),
        _OURS,
        environment=_FOLDING,
    ),
    _in_python("Polars", "polars_batch", _BATCH),
    _in_python("DuckDB", "duckdb_batch", _BATCH),
    _in_python(
        "chDB",
        "chdb_view",
        Guarantees("counts, by block", "no: a block may count twice", "counted", "counted"),
    ),
    Entry(
        "Hazelcast Jet, snapshots on",
        lambda ground, out: (_in_java("JetViews", str(ground.events), str(out)),),
        lambda _, out: _here("rivals.jet_rows", "rows", str(out)),
        Guarantees("the result, by snapshot", "in memory of a cluster", "counted", "dropped"),
    ),
    _in_python("Bytewax", "bytewax_flow", Guarantees(_IN_MEMORY, "no", "counted", "dropped")),
    _in_python("Pathway", "pathway_flow", Guarantees(_IN_MEMORY, "no", "counted", "counted")),
    Entry(
        "rtcdp, Kafka to PostgreSQL",
        _native,
        lambda ground, out: _here("rivals.server_rows", "rtcdp", ground.database_of(out)),
        _OURS,
        is_from_topic=True,
        seen=_seen_in("analytics.user_page_view_counts"),
        environment=_FOLDING,
    ),
    _into_topic("Kafka Streams, exactly once", _streams, "streams"),
    Entry(
        "Flink SQL, Kafka to PostgreSQL",
        _flink,
        lambda ground, out: _here("rivals.server_rows", "flink", ground.database_of(out)),
        Guarantees("counts of closed windows", "yes, as it sets rows", "counted", "dropped"),
        is_from_topic=True,
        seen=_seen_in("by_flink"),
    ),
    _into_topic("Quix Streams, exactly once", _quix, "quix"),
    Entry(
        "Spark by hand, Kafka to PostgreSQL",
        _spark_by_hand,
        lambda ground, out: _here("rivals.server_rows", "spark", ground.database_of(out)),
        Guarantees("counts", "yes, as it sets rows", "counted", "dropped"),
        is_from_topic=True,
        seen=_seen_in(CANONICAL_TABLE, "key"),
    ),
)


def chosen_of(beginnings: Sequence[str]) -> list[Entry]:
    """Those whose names begin with one of these, in any case of letters; all where none is said."""
    known = tuple(each.lower() for each in beginnings)
    return [entry for entry in ENTRIES if not known or entry.name.lower().startswith(known)]
