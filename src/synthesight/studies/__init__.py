"""Studies: models × prompts × weightings × rules × stimuli × seeds, planned, run and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.studies.cells import Cell as Cell
    from synthesight.studies.plan import Plan as Plan
    from synthesight.studies.plan import plan_study as plan_study
    from synthesight.studies.running import results_of as results_of
    from synthesight.studies.running import run_study as run_study
    from synthesight.studies.study import Study as Study

__getattr__, __dir__, __all__ = lazy.attach(__name__)
