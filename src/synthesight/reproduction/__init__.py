"""Reproduce a paper: every figure and table of it, what was printed, and what comes out here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.reproduction.plan import Plan, plans, read_plan
    from synthesight.reproduction.reproduce import figures_beside, run_models, write_reproduction

__all__ = [
    "Plan",
    "figures_beside",
    "plans",
    "read_plan",
    "run_models",
    "write_reproduction",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "plan": ["Plan", "plans", "read_plan"],
        "reproduce": ["figures_beside", "run_models", "write_reproduction"],
    },
)
