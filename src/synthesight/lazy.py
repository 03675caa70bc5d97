"""Import the names that a package offers on first use: torch alone takes seconds."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def attach(
    package: str, *own: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return a package's ``__getattr__``, ``__dir__`` and ``__all__``.

    What it offers is written once, as imports below ``if TYPE_CHECKING:`` in its ``__init__``. Type
    checkers read them there; here, each name is imported when it is first asked for. They are
    written ``name as name``, by which checkers know that the package passes them on.

    Parameters
    ----------
    package
        ``__name__`` of the package.
    own
        Names that it offers besides, which are there already.

    Examples
    --------
    >>> import synthesight.studies
    >>> "Study" in attach("synthesight.studies")[2]
    True
    """
    spec: Any = sys.modules[package].__spec__
    checked = (
        statement
        for block in ast.parse(spec.loader.get_source(package)).body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
    )
    homes = {alias.name: str(each.module) for each in checked for alias in each.names}

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    offered = sorted([*homes, *own])
    return __getattr__, lambda: offered, offered
