"""Plants a bug into the product while a test runs: a piece of a function's text, replaced."""

import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType


@dataclass(frozen=True)
class Edit:
    """In `target`, a "module:qualified.name" of the product, the one `good` piece of text becomes
    `bad`. A target that is no function is a constant: `good` is its value's text."""

    target: str
    good: str
    bad: str


@contextmanager
def planted(*edits: Edit) -> Iterator[None]:
    """The product with these edits, wherever their targets were imported to."""
    undo: list[tuple[object, str, object]] = []
    try:
        for target in dict.fromkeys(edit.target for edit in edits):
            module_name, path = target.split(":")
            module = importlib.import_module(module_name)
            *parents, name = path.split(".")
            owner: object = module
            for parent in parents:
                owner = getattr(owner, parent)
            original = inspect.getattr_static(owner, name)
            changes = [(edit.good, edit.bad) for edit in edits if edit.target == target]
            replacement = _edited(module, name, original, changes)
            for place, attribute in _places(owner, name, original):
                undo.append((place, attribute, original))
                setattr(place, attribute, replacement)
        yield
    finally:
        for place, attribute, original in reversed(undo):
            setattr(place, attribute, original)


def _edited(
    module: ModuleType, name: str, original: object, changes: Sequence[tuple[str, str]]
) -> object:
    if not isinstance(original, FunctionType | property | classmethod | staticmethod):
        ((good, bad),) = changes
        assert repr(original) == good, f"{name} is {original!r}"
        return eval(bad, vars(module))  # noqa: S307 - written in this folder
    function = original.fget if isinstance(original, property) else original
    function = inspect.unwrap(getattr(function, "__func__", function))  # type: ignore[arg-type]
    source = textwrap.dedent(inspect.getsource(function))
    for good, bad in changes:
        assert source.count(good) == 1, f"{good!r} is not once in {name}"
        source = source.replace(good, bad)
    made: dict[str, object] = {}
    exec(compile(source, f"planted in {name}", "exec"), vars(module), made)  # noqa: S102 - ours
    return made[name]


def _places(owner: object, name: str, original: object) -> Iterator[tuple[object, str]]:
    """Where the product knows the target: its owner, and every module that imported it."""
    yield owner, name
    if not isinstance(owner, ModuleType) or not isinstance(original, FunctionType):
        return
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith(("rtcdp.", "tests.")) and module is not owner:
            yield from ((module, key) for key, value in vars(module).items() if value is original)
