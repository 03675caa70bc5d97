"""Analyses of a finished run's draws: other weightings, times, decision rules and seeds.

Each takes a run that keeps its draws (``evaluate`` with ``keep_draws``) and returns a polars table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.draws.by_rule import rules as rules
    from synthesight.draws.by_seed import seeds as seeds
    from synthesight.draws.by_time import time as time
    from synthesight.draws.by_weighting import weighting as weighting
    from synthesight.draws.calibrating import calibrate as calibrate
    from synthesight.draws.calibrating import own_weighting as own_weighting
    from synthesight.draws.fitting import fit_weighting as fit_weighting
    from synthesight.draws.recording import Recording as Recording
    from synthesight.draws.recording import read_recording as read_recording

__getattr__, __dir__, __all__ = lazy.attach(__name__)
