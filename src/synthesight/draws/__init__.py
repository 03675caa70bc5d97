"""Analyses of a finished run's draws: other weightings, times, decision rules and seeds.

Each takes a run that keeps its draws (``evaluate`` with ``keep_draws``) and returns a polars table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.draws.by_rule import rules
    from synthesight.draws.by_seed import seeds
    from synthesight.draws.by_time import time
    from synthesight.draws.by_weighting import weighting
    from synthesight.draws.calibrating import calibrate, own_weighting
    from synthesight.draws.fitting import fit_weighting
    from synthesight.draws.recording import Recording, read_recording

__all__ = [
    "Recording",
    "calibrate",
    "fit_weighting",
    "own_weighting",
    "read_recording",
    "rules",
    "seeds",
    "time",
    "weighting",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "calibrating": ["calibrate", "own_weighting"],
        "fitting": ["fit_weighting"],
        "recording": ["Recording", "read_recording"],
        "by_rule": ["rules"],
        "by_seed": ["seeds"],
        "by_time": ["time"],
        "by_weighting": ["weighting"],
    },
)
