"""Import the names that a package offers on first use: torch alone takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def attach(
    package: str, offered: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's ``__getattr__`` and ``__dir__``, which import names on first use.

    Parameters
    ----------
    package
        ``__name__`` of the package.
    offered
        For each module below the package, such as ``"rules"``, the names that it is home of.

    Examples
    --------
    >>> __getattr__, __dir__ = attach("synthesight.likelihood", {"rules": ["Exhaustive"]})
    >>> __dir__()
    ['Exhaustive']
    """
    homes = {name: f"{package}.{module}" for module, names in offered.items() for name in names}

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    def __dir__() -> list[str]:
        return sorted(homes)

    return __getattr__, __dir__
