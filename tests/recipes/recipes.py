"""The recipes of CONTRIBUTING.md, as code: each adds one thing to a copy of the project.

What a recipe adds is real: it is stored, counted, answered and documented by the copy.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile, copytree, ignore_patterns, which

ROOT = Path(__file__).parents[2]
ADDITIONS = Path(__file__).parent / "additions"
PACKAGE = Path("src/rtcdp")
GIT = which("git") or "git"


@dataclass(frozen=True)
class Recipe:
    """How to add one thing: `follow` does it to a tree; `touches` are the files and folders that
    may differ afterwards; `gets` says what comes without a further line; `proof` is a test file
    beside this one that holds the tree to it."""

    name: str
    adds: str
    follow: Callable[[Path], None]
    touches: tuple[str, ...]
    gets: str
    proof: str


def copy_of_the_project(tree: Path) -> Path:
    """All that git keeps or would keep of this project, committed to a repository in `tree`."""
    listed = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            copyfile(ROOT / name, tree / name)
    _git(tree, "init", "--quiet")
    _git(tree, "add", "--all")
    _git(tree, *_AUTHOR, "commit", "--quiet", "--message", "before")
    return tree


def take_back(tree: Path) -> None:
    """Make the copy again what it was at first."""
    _git(tree, "reset", "--quiet", "--hard")
    _git(tree, "clean", "--quiet", "--force", "-d", "-x")


def touched(tree: Path) -> tuple[str, ...]:
    """What differs from the copy: files, and folders that are new as a whole."""
    lines = _git(tree, "status", "--porcelain", "--no-renames").splitlines()
    return tuple(sorted(line[3:] for line in lines if "__pycache__" not in line))


def _measure(tree: Path) -> None:
    to = PACKAGE / "definitions/measures/geometric_mean.py"
    copyfile(ADDITIONS / "geometric_mean.py", tree / to)


def _key(tree: Path) -> None:
    file = tree / PACKAGE / "events/derived.py"
    code = (ADDITIONS / "url_section.txt").read_text()
    _insert(file, "@dataclass(frozen=True)\nclass Buckets(", code)
    _insert(file, '    "buckets": _buckets_of,\n', '    "url_section": lambda _: UrlSection(),\n')
    _insert(
        file,
        "        case Buckets(of=of,",
        '        case UrlSection():\n            return "first part of the path of `pageUrl`"\n',
    )
    kinds = "UrlPath | UrlHost | "
    file.write_text(file.read_text().replace(kinds, f"{kinds}UrlSection | "))


def _metric(tree: Path) -> None:
    copyfile(ADDITIONS / "searches.py", tree / PACKAGE / "catalog/metrics/searches.py")


def _fold(tree: Path) -> None:
    copyfile(ADDITIONS / "search_funnel.py", tree / PACKAGE / "catalog/folds/search_funnel.py")


def _route(tree: Path) -> None:
    copyfile(ADDITIONS / "rules_in_force.py", tree / PACKAGE / "answers/rules_in_force.py")
    copyfile(ADDITIONS / "rules_route.py", tree / PACKAGE / "api/rules.py")
    routes = tree / PACKAGE / "api/routes.py"
    _insert(
        routes,
        "from rtcdp.api.story_routes import",
        "from rtcdp.api.rules import RULES_PAGE\n",
    )
    _insert(routes, '    PageAt(\n        "/api/ledger",\n', "    RULES_PAGE,\n")
    contract = "tests/unit/api/test_contract.py"
    _run(tree, "pytest", "-q", "-p", "no:cacheprovider", contract, RTCDP_GOLDEN="write")
    _run(tree, "rtcdp.runtime.access_reference")
    _run(tree, "deploy.example_answers")


def _store(tree: Path) -> None:
    """A folder of its own: here that of SQLite under another name, which is a whole store."""
    _twin(tree, "store/sqlite", "store/twin", "Sqlite", "Twin")
    _insert(
        tree / PACKAGE / "runtime/adapters.py",
        '    "postgresql": Adapter(',
        '    "twin": Adapter("rtcdp.store.twin", "twin:FILE", in_files=True),\n',
    )


def _log(tree: Path) -> None:
    _twin(tree, "log/embedded", "log/twin", "Embedded", "Twin")
    _insert(
        tree / PACKAGE / "runtime/adapters.py",
        '    "kafka": Adapter(',
        '    "twin": Adapter("rtcdp.log.twin", "twin:DIR", in_files=True),\n',
    )


RECIPES = (
    Recipe(
        "measure",
        "a measure (the geometric mean)",
        _measure,
        ("src/rtcdp/definitions/measures/geometric_mean.py",),
        "both engines, three stores, SQL, API, docs, oracle, conformance",
        "measure_proof.py",
    ),
    Recipe(
        "key",
        "a key expression (the first part of a path)",
        _key,
        ("src/rtcdp/events/derived.py",),
        "keys, predicates and measures on both engines, names, docs, oracle",
        "key_proof.py",
    ),
    Recipe(
        "metric",
        "a metric (searches)",
        _metric,
        ("src/rtcdp/catalog/metrics/searches.py",),
        "plans, tables, views, API, live topic, page, docs, conformance",
        "metric_proof.py",
    ),
    Recipe(
        "fold",
        "a fold (from a search to the cart)",
        _fold,
        ("src/rtcdp/catalog/folds/search_funnel.py",),
        "rows on both engines and three stores, SQL, API, commands, docs, oracle, conformance",
        "fold_proof.py",
    ),
    Recipe(
        "route",
        "a route (the rules in force)",
        _route,
        (
            "docs/access.md",
            "src/rtcdp/answers/rules_in_force.py",
            "src/rtcdp/api/examples.json",
            "src/rtcdp/api/routes.py",
            "src/rtcdp/api/rules.py",
            "tests/unit/api/golden/openapi.json",
        ),
        "strict parameters, problem documents, freshness, HEAD and OPTIONS, the door, keys, "
        "`/docs`; commands write its golden description, its line among the addresses and an "
        "example answer",
        "route_proof.py",
    ),
    Recipe(
        "store",
        "a store",
        _store,
        ("src/rtcdp/runtime/adapters.py", "src/rtcdp/store/twin/"),
        "`--store`, settings, doctor, every command, the conformance suite",
        "store_proof.py",
    ),
    Recipe(
        "log",
        "a log",
        _log,
        ("src/rtcdp/log/twin/", "src/rtcdp/runtime/adapters.py"),
        "`--log`, settings, doctor, every command, the conformance suite",
        "log_proof.py",
    ),
)

BEGIN, END = "<!-- files that a change touches: begin -->", "<!-- end -->"


def table_of(found: dict[str, tuple[str, ...]]) -> str:
    """The table of docs/architecture.md: what each recipe touched."""
    rows = ["| to add | touch | it gets |", "|---|---|---|"]
    for recipe in RECIPES:
        places = ", ".join(f"`{place.removeprefix('src/rtcdp/')}`" for place in found[recipe.name])
        rows.append(f"| {recipe.adds} | {len(found[recipe.name])}: {places} | {recipe.gets} |")
    return "\n".join((BEGIN, *rows, END))


def with_table(page: str, table: str) -> str:
    """The page with its table replaced."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: table, page, flags=re.DOTALL)


def _twin(tree: Path, old: str, new: str, name: str, other: str) -> None:
    source, target = tree / PACKAGE / old, tree / PACKAGE / new
    copytree(source, target, ignore=ignore_patterns("__pycache__"))
    dotted = [f"rtcdp.{place.replace('/', '.')}" for place in (old, new)]
    for file in target.glob("*.py"):
        text = file.read_text().replace(*dotted)
        file.write_text(re.sub(rf"\b{name}(Store|LogReader|LogWriter)\b", rf"{other}\1", text))


def _insert(file: Path, before: str, text: str) -> None:
    whole = file.read_text()
    assert whole.count(before) == 1, f"{before!r} is in {file} {whole.count(before)} times"
    file.write_text(whole.replace(before, text + before))


def _run(tree: Path, module: str, *arguments: str, **variables: str) -> None:
    subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=tree,
        env={**os.environ, **variables, "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}"},
        check=True,
        stdout=subprocess.DEVNULL,
    )


_AUTHOR = ("-c", "user.name=recipe", "-c", "user.email=recipe@example.com")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run([GIT, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout
