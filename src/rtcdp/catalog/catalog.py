"""Finds metrics and folds: the built-in ones and a user's own, through the same door.

One file is one metric or one fold: a Python file that binds the name METRIC to a `Metric`, or FOLD
to a `Fold`. Passed over is everything that isn't `*.py`, what starts with an underscore or a dot,
and what pytest collects: `test_*.py`, `*_test.py` and `conftest.py`. So tests may lie beside it.
"""

import ast
import threading
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from rtcdp.catalog.definition import faults_of, faults_of_fold
from rtcdp.catalog.mends import mend_of, text_of
from rtcdp.catalog.trial import faults_in_trial
from rtcdp.definitions import Fault, Fold, Metric
from rtcdp.errors import UsageError

BUILT_IN = Path(__file__).parent / "metrics"
BUILT_IN_FOLDS = Path(__file__).parent / "folds"

ALL, NONE = "all", "none"
"""How the folds that run are chosen, if not by their names."""

Definition = Metric | Fold

_PARSING = threading.Lock()
"""Python 3.11 counts the depth of a syntax tree for all threads together, and fails where two of
them make one at once (https://github.com/python/cpython/issues/106905)."""

_PASSED_OVER = ("_*", ".*", "test_*.py", "*_test.py", "conftest.py")
_EXAMPLE = "METRIC = Metric(name=…, title=…, window=tumbling(minutes=1), measures=(Count(…),))"
_EXAMPLE_OF_FOLD = "FOLD = Fold(name=…, title=…, step=Sessions())"


def load_definitions(directory: Path | None = None) -> tuple[Definition, ...]:
    """The built-in metrics and folds, and those of the files in `directory`, in file order.

    A file runs as a module of its own that nothing else can import; `sys.path` and `sys.modules`
    stay as they are. Raises `UsageError`, naming the file, when one can't be run, has neither
    METRIC nor FOLD, describes something that can't be computed, or takes a name that another has.
    """
    files = _built_in()
    if directory is not None:
        files += _files_of_user(directory)
    catalog = [(file, load_definition(file)) for file in files]
    _refuse_same_names(catalog)
    return tuple(definition for _, definition in catalog)


def load_catalog(directory: Path | None = None) -> tuple[Metric, ...]:
    """The metrics, as `load_definitions` finds them."""
    return tuple(each for each in load_definitions(directory) if isinstance(each, Metric))


def load_folds(directory: Path | None = None) -> tuple[Fold, ...]:
    """The folds, as `load_definitions` finds them."""
    return tuple(each for each in load_definitions(directory) if isinstance(each, Fold))


def chosen_folds(choice: str, folds: Iterable[Fold]) -> tuple[Fold, ...]:
    """The folds that a choice names: "all", "none", or names with commas in between.

    Raises `UsageError` for a name that none of them has.
    """
    folds = tuple(folds)
    for name in absent_folds(choice, folds):
        known = ", ".join(fold.name for fold in folds)
        raise UsageError(
            f"there is no fold {name!r}",
            f"let folds be {ALL}, {NONE}, or some of {known}, with commas",
        )
    return folds_among(choice, folds)


def folds_among(choice: str, folds: Iterable[Fold]) -> tuple[Fold, ...]:
    """Of these folds those that a choice names, whether or not the others it names are there."""
    if choice in (ALL, NONE):
        return tuple(folds) if choice == ALL else ()
    asked = _names_in(choice)
    return tuple(fold for fold in folds if fold.name in asked)


def absent_folds(choice: str, folds: Iterable[Fold]) -> tuple[str, ...]:
    """The names in a choice that none of these folds has."""
    if choice in (ALL, NONE):
        return ()
    known = {fold.name for fold in folds}
    return tuple(name for name in _names_in(choice) if name not in known)


def _names_in(choice: str) -> list[str]:
    return [name for part in choice.split(",") if (name := part.strip())]


def load_definition(file: Path) -> Definition:
    """The metric or fold that one file defines. Raises `UsageError`, as `load_definitions` does."""
    definition, faults = read_definition(file)
    for fault in faults:
        raise UsageError(str(fault), fault.hint)
    assert definition is not None
    return definition


@dataclass(frozen=True)
class FileFault:
    """What is wrong with a file of a catalog, where, and what to do about it."""

    file: Path
    line: int | None
    message: str
    hint: str

    def __str__(self) -> str:
        place = f"{self.file}" if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.message}"


def read_definition(file: Path) -> tuple[Definition | None, list[FileFault]]:
    """The metric or fold that one file defines, if it does, and all that is wrong with it."""
    try:
        module = _run(file)
    except _Unreadable as error:
        return None, [error.fault]
    fold, metric = getattr(module, "FOLD", None), getattr(module, "METRIC", None)
    if isinstance(fold, Fold) and metric is not None:
        hint = "put the fold into a file of its own"
        line = _line_of_name(file, "FOLD")
        return None, [FileFault(file, line, "there are METRIC and FOLD in it", hint)]
    if isinstance(fold, Fold):
        line = _line_of_name(file, "FOLD")
        return fold, [
            FileFault(file, line, each.message, each.hint) for each in _faults(fold, file)
        ]
    if not isinstance(metric, Metric):
        hint = (
            f"bind the name METRIC to a Metric: {_EXAMPLE}; or FOLD to a Fold: {_EXAMPLE_OF_FOLD};"
            f" or, if it is to be neither, call it _{file.name}"
        )
        return None, [FileFault(file, None, "there is no METRIC in it, and no FOLD", hint)]
    line = _line_of_name(file, "METRIC")
    return metric, [
        FileFault(file, line, each.message, each.hint) for each in _faults(metric, file)
    ]


def _faults(definition: Definition, file: Path) -> list[Fault]:
    """What is wrong with what a file describes. That of a user is tried as well."""
    try:
        if isinstance(definition, Fold):
            faults = faults_of_fold(definition)
        else:
            faults = faults_of(definition)
    except RecursionError:
        return [Fault("it is nested too deep", "let predicates hold each other a few times only")]
    if faults or file.parent in (BUILT_IN, BUILT_IN_FOLDS):
        return faults
    return faults_in_trial(definition)


def check_catalog(directory: Path) -> tuple[tuple[Definition, ...], list[FileFault]]:
    """The metrics and folds of a directory, with the built-in ones, and all that is wrong with its
    files.

    Raises `UsageError` when there is no such directory, or nothing in it.
    """
    faults: list[FileFault] = []
    found = [(file, load_definition(file)) for file in _built_in()]
    taken = {definition.name: file for file, definition in found}
    definitions = [definition for _, definition in found]
    for file in _files_of_user(directory):
        definition, wrong = read_definition(file)
        if definition is not None and definition.name in taken:
            message, hint = _same_name(definition, taken[definition.name])
            line = _line_of_name(file, "FOLD" if isinstance(definition, Fold) else "METRIC")
            wrong.append(FileFault(file, line, message, hint))
        faults += wrong
        if definition is not None and not wrong:
            definitions.append(definition)
            taken[definition.name] = file
    return tuple(definitions), faults


def _built_in() -> list[Path]:
    return [*_files_in(BUILT_IN), *_files_in(BUILT_IN_FOLDS)]


def _files_of_user(directory: Path) -> list[Path]:
    if directory.is_file():
        raise UsageError(
            f"{directory} is a file, and metrics are taken from a directory",
            f"name the directory that it is in: {directory.parent}",
        )
    if not directory.is_dir():
        raise UsageError(
            f"there is no directory {directory} to take metrics from",
            "name the directory that holds your files of metrics and folds",
        )
    files = _files_in(directory)
    if not files:
        raise UsageError(
            f"{directory} holds no metric and no fold", "put a file into it that says: " + _EXAMPLE
        )
    return files


def _files_in(directory: Path) -> list[Path]:
    return sorted(file for file in directory.glob("*.py") if not any(map(file.match, _PASSED_OVER)))


def _run(file: Path) -> ModuleType:
    """Not by the import system, which would trust bytecode as old as the file, to the second."""
    module = ModuleType(f"rtcdp_definition_{file.stem}")
    module.__file__ = str(file)
    try:
        code = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - it is trusted code of the installation
    except UsageError as error:
        line = _line_of(error, file)
        raise _Unreadable(FileFault(file, line, str(error), error.hint)) from error
    except (Exception, SystemExit) as error:  # whatever a user's code may raise
        what = f"it can't be read: {type(error).__name__}: {text_of(error)}"
        fault = FileFault(file, _line_of(error, file), what, mend_of(error, vars(module)))
        raise _Unreadable(fault) from error
    return module


class _Unreadable(Exception):
    def __init__(self, fault: FileFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def _line_of_name(file: Path, name: str) -> int | None:
    """The line in which a name is bound."""
    with _PARSING:
        tree = ast.parse(file.read_bytes())
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(each, ast.Name) and each.id == name for each in targets):
            return node.lineno
    return None


def _line_of(error: BaseException, file: Path) -> int | None:
    """The line of the file that the error came from, when it tells."""
    if isinstance(error, SyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    numbers = [frame.lineno for frame in frames if frame.filename == str(file)]
    return numbers[-1] if numbers else None


def _refuse_same_names(catalog: Iterable[tuple[Path, Definition]]) -> None:
    """Tables of metrics and folds with different names never have the same name."""
    file_of: dict[str, Path] = {}
    for file, definition in catalog:
        if definition.name in file_of:
            message, hint = _same_name(definition, file_of[definition.name])
            raise UsageError(f"{file}: {message}", hint)
        file_of[definition.name] = file


def _same_name(definition: Definition, file: Path) -> tuple[str, str]:
    kind = "fold" if isinstance(definition, Fold) else "metric"
    message = f"the name {definition.name} is taken by the definition in {file}"
    return message, f"give your {kind} another name"
