"""Studies: models × prompts × weightings × rules × stimuli × seeds, planned, run and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.studies.cells import Cell
    from synthesight.studies.plan import Plan, plan_study
    from synthesight.studies.running import results_of, run_study
    from synthesight.studies.study import Study

__all__ = ["Cell", "Plan", "Study", "plan_study", "results_of", "run_study"]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "cells": ["Cell"],
        "plan": ["Plan", "plan_study"],
        "running": ["results_of", "run_study"],
        "study": ["Study"],
    },
)
