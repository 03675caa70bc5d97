"""Reproduce a paper: every figure and table of it, what was printed, and what comes out here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.reproduction.plan import Plan as Plan
    from synthesight.reproduction.plan import plans as plans
    from synthesight.reproduction.plan import read_plan as read_plan
    from synthesight.reproduction.reproduce import figures_beside as figures_beside
    from synthesight.reproduction.reproduce import run_models as run_models
    from synthesight.reproduction.reproduce import write_reproduction as write_reproduction

__getattr__, __dir__, __all__ = lazy.attach(__name__)
