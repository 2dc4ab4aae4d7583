"""The rules of the house, held by tests. Each failure lists every offender.

An exception needs a reason, and stands here.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
PACKAGE = SRC / "rtcdp"

FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 6
MODULE_LINES_MAX = 500
INHERITANCE_DEPTH_MAX = 1

BANNED_NAMES = {"base", "common", "core", "helper", "helpers", "impl", "manager", "util", "utils"}
OUTERMOST_CLASSES = {"RtcdpError"}
"""To our errors it is what Exception is to Python's: depth is counted from its children."""

MEASURES = (
    *("average", "contract", "count", "distinct", "ends", "exact_sum", "extremes", "quantile"),
    *("ratio", "top", "total", "variance"),
)
MEASURES_TOGETHER = "tests/unit/definitions/test_measures.py asks all measures the same questions"

WITHOUT_UNIT_TEST = {
    "answers/user_data.py": "a protocol and a shape of data; the API and the runtime are tested",
    "errors.py": "three classes without behaviour",
    "engines/aging.py": "tests/properties/test_aging.py lets random streams go, and counts",
    "log/aged.py": "a protocol and a shape of data; tests/unit/log/embedded/test_aging.py keeps it",
    "log/contract.py": "a protocol and shapes of data; every log is tested against it",
    "log/piece.py": "a shape of data; tests/unit/log/embedded/test_imported.py keeps it in a log",
    **{f"definitions/measures/{name}.py": MEASURES_TOGETHER for name in MEASURES},
    "definitions/state.py": "tests/properties/test_store_merge.py holds all stores to its rules",
    "definitions/words.py": "tests/unit/catalog/test_reference.py reads them where people do",
    **{
        f"store/{kind}/acknowledgements.py": "tests/conformance/stores/test_upkeep.py"
        for kind in ("mongo", "sql")
    },
    "intake/instruments.py": "tests/integration/test_telemetry.py scrapes a server that collects",
    "sources/recorded/event_columns.py": "test_mapped_blocks.py beside it holds it to lines",
    "runtime/telemetry/processor.py": "tests/integration/test_telemetry.py scrapes a processor",
    **dict.fromkeys(
        (
            *("engines/native/shard.py", "store/divided.py", "answers/shards.py"),
            *("store/postgres/division.py", "store/postgres/shard.py"),
        ),
        "tests/integration/engines/test_shards.py, and tests/chaos/test_shards_killed.py",
    ),
    **dict.fromkeys(
        ("runtime/processing/caretaking.py", "runtime/processing/shards.py"),
        "tests/integration/engines/test_sharing.py, and tests/chaos/test_shards_killed.py",
    ),
    "store/contract.py": "a protocol and shapes of data; every store is tested against it",
    "store/postgres/frozen.py": "test_store.py beside it has a writer that holds the lock silently",
    "store/epoch.py": "shapes of data; stores and engines are tested through them",
}

TEXT_SUFFIXES = {
    *("", ".css", ".html", ".in", ".java", ".js", ".md", ".py", ".svg", ".toml", ".txt", ".xml"),
    ".yaml",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_functions_are_short() -> None:
    hold(
        f"a function has at most {FUNCTION_LINES_MAX} lines",
        (
            f"{where(path, node)} {node.name} has {lines}"
            for path, node in functions()
            if (lines := node.end_lineno - node.lineno + 1) > FUNCTION_LINES_MAX
        ),
    )


def test_functions_take_few_parameters() -> None:
    hold(
        f"a function takes at most {PARAMETERS_MAX} parameters",
        (
            f"{where(path, node)} {node.name} takes {len(names)}: {', '.join(names)}"
            for path, node in functions()
            if len(names := parameters(node)) > PARAMETERS_MAX
        ),
    )


def test_modules_are_short() -> None:
    hold(
        f"a module has at most {MODULE_LINES_MAX} lines",
        (
            f"{shown(path)} has {lines}"
            for path in python_files()
            if (lines := len(text_of(path).splitlines())) > MODULE_LINES_MAX
        ),
    )


def test_no_modules_import_each_other_in_a_circle() -> None:
    imports = {name: set(imported_modules(name)) for name in modules()}
    reachable = {name: closure(name, imports) for name in imports}
    hold(
        "run-time imports make no cycle",
        (
            f"{name} imports itself by way of {', '.join(sorted(around - {name})) or 'itself'}"
            for name in sorted(imports)
            if (around := {other for other in reachable[name] if name in reachable[other]})
        ),
    )


def test_inheritance_is_shallow() -> None:
    bases = {
        node.name: [last_name(base) for base in node.bases]
        for path in source_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and node.name not in OUTERMOST_CLASSES
    }

    def depth(name: str) -> int:
        return max((1 + depth(base) for base in bases[name] if base in bases), default=0)

    hold(
        f"classes inherit from classes of ours at most {INHERITANCE_DEPTH_MAX} deep",
        (f"{name} is {depth(name)} deep" for name in bases if depth(name) > INHERITANCE_DEPTH_MAX),
    )


def test_names_say_something() -> None:
    named = [(shown(path), path.stem) for path in python_files()]
    named += [(shown(path), path.name) for path in PACKAGE.rglob("*") if path.is_dir()]
    named += [
        (where(path, node), node.name)
        for path in python_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
    ]
    hold(
        f"no module, package or class is called {', '.join(sorted(BANNED_NAMES))}",
        (f"{place} {name}" for place, name in named if BANNED_NAMES & set(words_of(name))),
    )


def test_what_is_public_is_described() -> None:
    """Modules, classes and functions; a route by its summary. Methods and functions that are one
    expression may go without."""
    undescribed = [
        f"{shown(path)}"
        for path in source_files()
        if tree_of(path).body and ast.get_docstring(tree_of(path)) is None
    ]
    undescribed += [
        f"{where(path, node)} {node.name}"
        for path in source_files()
        for node in tree_of(path).body
        if isinstance(node, Function | ast.ClassDef)
        and not node.name.startswith("_")
        and not is_one_expression(node)
        and not has_summary(node)
        and ast.get_docstring(node) is None
    ]
    hold("what is public has a docstring", undescribed)


def test_every_module_has_its_unit_test() -> None:
    untested = {
        str(path.relative_to(PACKAGE)): path
        for path in source_files()
        if has_functions(path) and path.stem != "__init__" and not unit_test_of(path).exists()
    }
    hold(
        "a module has a unit test in the mirrored place, or a reason in WITHOUT_UNIT_TEST",
        (
            f"{shown(path)} needs {shown(unit_test_of(path))}"
            for name, path in untested.items()
            if name not in WITHOUT_UNIT_TEST
        ),
    )


def test_no_exception_outlives_its_reason() -> None:
    hold(
        "WITHOUT_UNIT_TEST names modules that are there and have no unit test",
        (
            name
            for name in WITHOUT_UNIT_TEST
            if not (PACKAGE / name).exists() or unit_test_of(PACKAGE / name).exists()
        ),
    )


def test_nothing_is_left_to_do() -> None:
    left_over = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    hold("work that is left is not noted in the code", matches(left_over, texts()))


def test_only_the_command_line_prints() -> None:
    hold(
        "print is for the command line; others return what they have to say, or raise it",
        (
            where(path, node)
            for path in source_files()
            if path.parent != PACKAGE / "cli"
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Call) and last_name(node.func) == "print"
        ),
    )


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    places = ["/" + name + "/" for name in ("tmp", "root", "home", "Users")]
    if len(ROOT.parts) > 2:
        places.append(str(ROOT))
    hold(
        "no path of one machine is written down",
        matches(re.compile("|".join(re.escape(place) for place in places)), texts()),
    )


def test_pins_are_exact_and_say_nothing_of_where_to_download() -> None:
    address = re.compile(r"://|^\s*--(?!hash=sha256:)|^[a-zA-Z].*(?<!\\)$", re.MULTILINE)
    pins = sorted((ROOT / "requirements").glob("*.txt"))
    assert [path.name for path in pins] == [
        *("dev.txt", "full.txt", "lock.txt", "runtime.txt", "tools.txt"),
    ]
    hold("pins are names, versions and hashes", matches(address, pins))


def test_a_package_has_one_pin() -> None:
    """Two would make two environments: a command that works in the one fails in the other."""
    pins: dict[str, set[str]] = {}
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for name, version in re.findall(r"^([\w.-]+)==([^ ;]+)", text_of(path), re.MULTILINE):
            pins.setdefault(name, set()).add(version)
    assert len(pins) > 50
    hold(
        "a package has one version in all files of pins",
        (
            f"{name} has {', '.join(sorted(found))}"
            for name, found in pins.items()
            if len(found) > 1
        ),
    )


def test_what_is_held_back_is_held_back_everywhere() -> None:
    held = re.findall(
        r"^[\w.-]+==\S+", text_of(ROOT / "requirements" / "constraints.in"), re.MULTILINE
    )
    assert held
    hold(
        "full.txt and dev.txt pin what constraints.in says",
        (
            f"{name}.txt lacks {pin}"
            for name in ("full", "dev")
            for pin in held
            if f"{pin} " not in text_of(ROOT / "requirements" / f"{name}.txt")
        ),
    )


def test_tests_do_not_pretend() -> None:
    pretence = {"skip", "skipif", "skipunless", "xfail", "importorskip"}
    hold(
        "no test is skipped, expected to fail, or asserts a constant",
        (
            where(path, node)
            for path in (ROOT / "tests").rglob("*.py")
            for node in ast.walk(tree_of(path))
            if (isinstance(node, ast.Attribute) and node.attr.lower() in pretence)
            or (isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant))
        ),
    )


def test_what_the_docs_name_is_there() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    hold(
        "a file that the docs name is there",
        (
            f"{shown(page)}: {name}"
            for page in pages
            for name in re.findall(r"`((?:src|tests|bench|deploy|docs)/[\w./-]+)`", text_of(page))
            if "NAME" not in name and not (ROOT / name).exists()
        ),
    )


def hold(rule: str, offenders: Iterable[str]) -> None:
    listed = sorted(offenders)
    assert not listed, "\n  ".join([f"{rule}, but:", *listed])


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path), str(path))


def source_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def python_files() -> list[Path]:
    places = (PACKAGE, ROOT / "tests", ROOT / "bench", ROOT / "deploy")
    return sorted(path for place in places for path in place.rglob("*.py"))


def texts() -> Iterator[Path]:
    """Every file of ours that is text."""
    yield from (ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("*.md"))
    for folder in ("src/rtcdp", "tests", "bench", "docs", "deploy", "requirements", ".ci"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix in TEXT_SUFFIXES:
                yield path


def matches(pattern: re.Pattern[str], paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        for number, line in enumerate(text_of(path).splitlines(), start=1):
            if pattern.search(line):
                yield f"{shown(path)}:{number} {line.strip()[:80]}"


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def where(path: Path, node: ast.AST) -> str:
    return f"{shown(path)}:{node.lineno}"


def functions() -> Iterator[tuple[Path, Function]]:
    for path in python_files():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, Function):
                yield path, node


def parameters(function: Function) -> list[str]:
    a = function.args
    every = [*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg]
    return [each.arg for each in every if each is not None and each.arg not in {"self", "cls"}]


def last_name(node: ast.expr) -> str:
    """`Store` for `Store`, `store.Store` and `Store[int]`."""
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def words_of(name: str) -> list[str]:
    """`seen_ids` and `SeenIds` are both seen and ids."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def is_one_expression(node: ast.stmt) -> bool:
    return isinstance(node, Function) and isinstance(node.body[0], ast.Return)


def has_summary(node: ast.stmt) -> bool:
    """Whether a decorator says what the function does, as those of HTTP routes do."""
    calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
    return any(keyword.arg == "summary" for call in calls for keyword in call.keywords)


def has_functions(path: Path) -> bool:
    return any(isinstance(node, Function) for node in ast.walk(tree_of(path)))


def unit_test_of(path: Path) -> Path:
    """`tests/unit/log/test_embedded.py` for `log/embedded.py`."""
    folder = ROOT / "tests" / "unit" / path.parent.relative_to(PACKAGE)
    return folder / f"test_{path.stem}.py"


@cache
def modules() -> dict[str, Path]:
    named = {}
    for path in source_files():
        parts = path.relative_to(SRC).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def imported_modules(name: str) -> Iterator[str]:
    """The modules of ours that the module imports when it runs."""
    for node in nodes_at_run_time(tree_of(modules()[name])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module in modules():
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules() else node.module


def nodes_at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, except under `if TYPE_CHECKING:`."""
    yield node
    if isinstance(node, ast.If) and last_name(node.test) == "TYPE_CHECKING":
        return
    for child in ast.iter_child_nodes(node):
        yield from nodes_at_run_time(child)


def closure(name: str, imports: dict[str, set[str]]) -> set[str]:
    """Everything that is imported by way of `name`."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in imports[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found
