"""What to do about an error that Python met in a file of a catalog: in words of the vocabulary,
not of Python."""

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import rtcdp.definitions as vocabulary
from rtcdp.errors import did_you_mean

_ANYTHING = "correct the file; it only imports from rtcdp and binds METRIC, or FOLD"
_IMPORT = "from rtcdp.definitions import"
_FOLD_WORDS = {
    "Sessions": "rtcdp.folds.sessions",
    "Funnel": "rtcdp.folds.funnels",
    "FunnelStep": "rtcdp.folds.funnels",
    "Retention": "rtcdp.folds.retention",
    "Paths": "rtcdp.folds.paths",
    "ProductSessions": "rtcdp.folds.product_sessions",
    "IntervalJoin": "rtcdp.folds.joins",
    "RecommendationOutcomes": "rtcdp.folds.recommendation_outcomes",
}
"""Where the steps of folds are; a test imports each of them."""

_KEYWORD = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_ARGUMENTS = re.compile(r"(\w+)(?:\.__init__)?\(\) (?:missing|takes) ")
_ABSENT = re.compile(r"cannot import name '(\w+)' from '(rtcdp[\w.]*)'")


def text_of(error: BaseException) -> str:
    """The error without what only this machine knows: where a library lies."""
    if isinstance(error, SyntaxError):
        return error.msg
    return re.sub(r" \((/|[A-Z]:)[^()]*\)$", "", str(error))


def mend_of(error: BaseException, names: Mapping[str, object]) -> str:
    """The hint to an error; `names` are those that the file has bound until then."""
    match error:
        case ImportError():
            return _mend_of_import(error)
        case NameError(name=str() as name):
            return _mend_of_name(name, names)
        case TypeError():
            return _mend_of_call(str(error), names)
        case _:
            return _ANYTHING


def _mend_of_import(error: ImportError) -> str:
    if str(error.name).startswith("rtcdp.vocabulary"):
        return f"write: {_IMPORT} Metric, Count, tumbling, …"
    found = _ABSENT.match(str(error))
    if found is None:
        return _ANYTHING
    name, place = found.groups()
    return (
        _where_it_is(name) or did_you_mean(name, _words(import_module(place))).strip() or _ANYTHING
    )


def _mend_of_name(name: str, names: Mapping[str, object]) -> str:
    known = [*_words(vocabulary), *_FOLD_WORDS, *names]
    return _where_it_is(name) or did_you_mean(name, known).strip() or _ANYTHING


def _where_it_is(name: str) -> str:
    if name in _words(vocabulary):
        return f"write: {_IMPORT} {name}"
    return f"write: from {_FOLD_WORDS[name]} import {name}" if name in _FOLD_WORDS else ""


def _mend_of_call(text: str, names: Mapping[str, object]) -> str:
    """What a function takes that was called with something else."""
    found = _KEYWORD.search(text) or _ARGUMENTS.search(text)
    called: Any = None if found is None else names.get(found[1])
    if found is None or not isinstance(called, Callable):  # type: ignore[arg-type]
        return _ANYTHING
    taken = [
        name if each.default is each.empty else f"{name}=…"
        for name, each in inspect.signature(called).parameters.items()
    ]
    wrong = found[2] if found.re is _KEYWORD else ""
    question = did_you_mean(wrong, [name.removesuffix("=…") for name in taken]) if wrong else ""
    return f"{question}{found[1]} takes {', '.join(taken)}; write each by its name"


def _words(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", [name for name in dir(module) if name[0] != "_"]))
