"""Turn any generative image model into a classifier and measure how human-like it sees.

>>> import synthesight
>>> observer = synthesight.load("natural-32", classes=["cat", "dog"])  # doctest: +SKIP
>>> observer.classify("photo.png").labels  # doctest: +SKIP
['cat']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import forks, lazy
from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    from synthesight.citation import cite
    from synthesight.evaluation import evaluate
    from synthesight.observers.loading import load
    from synthesight.scoring import score
    from synthesight.stimuli.find import find_stimuli
    from synthesight.studies.running import run_study
    from synthesight.studies.study import Study
    from synthesight.trials.store import Run

forks.watch()

__version__ = "0.1.0"
__all__ = [
    "Run",
    "Study",
    "SynthesightError",
    "__version__",
    "cite",
    "evaluate",
    "find_stimuli",
    "load",
    "run_study",
    "score",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "citation": ["cite"],
        "evaluation": ["evaluate"],
        "observers.loading": ["load"],
        "scoring": ["score"],
        "stimuli.find": ["find_stimuli"],
        "studies.running": ["run_study"],
        "studies.study": ["Study"],
        "trials.store": ["Run"],
    },
)
