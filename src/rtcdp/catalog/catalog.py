"""Finds the metrics: the built-in ones and a user's own, through the same door.

One file is one metric: a Python file that binds the name METRIC to a `Metric`. Passed over is
everything that isn't `*.py`, what starts with an underscore or a dot, and what pytest collects:
`test_*.py`, `*_test.py` and `conftest.py`. So the tests of a metric may lie beside it.
"""

import ast
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from rtcdp.catalog.definition import faults_of
from rtcdp.definitions import Fold, Metric
from rtcdp.errors import UsageError

BUILT_IN = Path(__file__).parent / "metrics"
BUILT_IN_FOLDS = Path(__file__).parent / "folds"

_NO_METRICS = ("_*", ".*", "test_*.py", "*_test.py", "conftest.py")
_EXAMPLE = "METRIC = Metric(name=…, title=…, window=tumbling(minutes=1), measures=(Count(…),))"
_EXAMPLE_OF_FOLD = "FOLD = Fold(name=…, title=…, step=Sessions())"


def load_catalog(directory: Path | None = None) -> tuple[Metric, ...]:
    """The built-in metrics and those of the files in `directory`, each group in file order.

    A file runs as a module of its own that nothing else can import; `sys.path` and `sys.modules`
    stay as they are. Raises `UsageError`, naming the file, when one can't be run, has no METRIC,
    describes something that can't be computed, or takes a name that another one has.
    """
    files = [*_files_in(BUILT_IN)]
    if directory is not None:
        files += _files_of_user(directory)
    catalog = [(file, load_metric(file)) for file in files]
    _refuse_same_names(catalog)
    return tuple(metric for _, metric in catalog)


def load_folds() -> tuple[Fold, ...]:
    """The built-in folds, in file order."""
    return tuple(map(load_fold, _files_in(BUILT_IN_FOLDS)))


def load_fold(file: Path) -> Fold:
    """The fold that one file defines. Raises `UsageError`, naming the file, when it can't be run or
    has no FOLD."""
    try:
        fold = getattr(_run(file), "FOLD", None)
    except _Unreadable as error:
        raise UsageError(str(error.fault), error.fault.hint) from error
    if not isinstance(fold, Fold):
        raise UsageError(f"{file} has no FOLD", f"bind the name FOLD to a Fold: {_EXAMPLE_OF_FOLD}")
    return fold


def load_metric(file: Path) -> Metric:
    """The metric that one file defines. Raises `UsageError`, as `load_catalog` does."""
    metric, faults = read_metric(file)
    for fault in faults:
        raise UsageError(str(fault), fault.hint)
    assert metric is not None
    return metric


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


def read_metric(file: Path) -> tuple[Metric | None, list[FileFault]]:
    """The metric that one file defines, if it defines one, and all that is wrong with it."""
    try:
        metric = getattr(_run(file), "METRIC", None)
    except _Unreadable as error:
        return None, [error.fault]
    if not isinstance(metric, Metric):
        hint = (
            f"bind the name METRIC to a Metric: {_EXAMPLE}; or, if it is not to be one, "
            f"call it _{file.name}"
        )
        return None, [FileFault(file, None, "there is no METRIC in it", hint)]
    line = _line_of_metric(file)
    return metric, [FileFault(file, line, each.message, each.hint) for each in faults_of(metric)]


def check_catalog(directory: Path) -> tuple[tuple[Metric, ...], list[FileFault]]:
    """The metrics of a directory, with the built-in ones, and all that is wrong with its files.

    Raises `UsageError` when there is no such directory, or no metric in it.
    """
    faults: list[FileFault] = []
    taken = {load_metric(file).name: file for file in _files_in(BUILT_IN)}
    metrics = [load_metric(file) for file in _files_in(BUILT_IN)]
    for file in _files_of_user(directory):
        metric, wrong = read_metric(file)
        if metric is not None and metric.name in taken:
            message, hint = _same_name(metric.name, taken[metric.name])
            wrong.append(FileFault(file, _line_of_metric(file), message, hint))
        faults += wrong
        if metric is not None and not wrong:
            metrics.append(metric)
            taken[metric.name] = file
    return tuple(metrics), faults


def _files_of_user(directory: Path) -> list[Path]:
    if not directory.is_dir():
        raise UsageError(
            f"there is no directory {directory} to take metrics from",
            "name the directory that holds your metric files",
        )
    files = _files_in(directory)
    if not files:
        raise UsageError(
            f"{directory} holds no metric", "put a file into it that says: " + _EXAMPLE
        )
    return files


def _files_in(directory: Path) -> list[Path]:
    return sorted(file for file in directory.glob("*.py") if not any(map(file.match, _NO_METRICS)))


def _run(file: Path) -> ModuleType:
    """Not by the import system, which would trust bytecode as old as the file, to the second."""
    module = ModuleType(f"rtcdp_metric_{file.stem}")
    module.__file__ = str(file)
    try:
        code = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - a metric is trusted code of the installation
    except UsageError as error:
        line = _line_of(error, file)
        raise _Unreadable(FileFault(file, line, str(error), error.hint)) from error
    except (Exception, SystemExit) as error:  # whatever a user's code may raise
        what = f"it can't be read: {type(error).__name__}: {_text_of(error)}"
        fault = FileFault(file, _line_of(error, file), what, _mend_of(error))
        raise _Unreadable(fault) from error
    return module


class _Unreadable(Exception):
    def __init__(self, fault: FileFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def _line_of_metric(file: Path) -> int | None:
    """The line in which METRIC is bound."""
    for node in ast.parse(file.read_bytes()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(each, ast.Name) and each.id == "METRIC" for each in targets):
            return node.lineno
    return None


def _mend_of(error: BaseException) -> str:
    if isinstance(error, ImportError) and str(error.name).startswith("rtcdp.vocabulary"):
        return "write: from rtcdp.definitions import Metric, Count, tumbling, …"
    return "correct the file; a metric file only imports from rtcdp and binds METRIC"


def _line_of(error: BaseException, file: Path) -> int | None:
    """The line of the file that the error came from, when it tells."""
    if isinstance(error, SyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    numbers = [frame.lineno for frame in frames if frame.filename == str(file)]
    return numbers[-1] if numbers else None


def _text_of(error: BaseException) -> str:
    return error.msg if isinstance(error, SyntaxError) else str(error)


def _refuse_same_names(catalog: Iterable[tuple[Path, Metric]]) -> None:
    """Tables of metrics with different names never have the same name."""
    file_of: dict[str, Path] = {}
    for file, metric in catalog:
        if metric.name in file_of:
            message, hint = _same_name(metric.name, file_of[metric.name])
            raise UsageError(f"{file}: {message}", hint)
        file_of[metric.name] = file


def _same_name(name: str, file: Path) -> tuple[str, str]:
    return f"the name {name} is taken by the metric in {file}", "give your metric another name"
