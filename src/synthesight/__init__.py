"""Synthesight: recognising by generating.

>>> import synthesight
>>> observer = synthesight.load("natural-32", classes=["cat", "dog"])  # doctest: +SKIP
>>> observer.classify("photo.png").labels  # doctest: +SKIP
['cat']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    from synthesight.evaluation import evaluate
    from synthesight.observers.loading import load
    from synthesight.stimuli.find import find_stimuli

__version__ = "0.1.0"
__all__ = ["SynthesightError", "__version__", "evaluate", "find_stimuli", "load"]

# Imported on first use: torch alone takes seconds.
_HOMES = {
    "evaluate": "synthesight.evaluation",
    "find_stimuli": "synthesight.stimuli.find",
    "load": "synthesight.observers.loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synthesight' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
