"""Turn any generative image model into a classifier and measure how human-like it sees.

>>> import synthesight
>>> observer = synthesight.load("natural-32", classes=["cat", "dog"])  # doctest: +SKIP
>>> observer.classify("photo.png").labels  # doctest: +SKIP
['cat']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import forks, lazy
from synthesight.errors import SynthesightError as SynthesightError

if TYPE_CHECKING:
    from synthesight.citation import cite as cite
    from synthesight.evaluation import evaluate as evaluate
    from synthesight.observers.loading import load as load
    from synthesight.scoring import score as score
    from synthesight.stimuli.find import find_stimuli as find_stimuli
    from synthesight.studies.running import run_study as run_study
    from synthesight.studies.study import Study as Study
    from synthesight.trials.store import Run as Run

forks.watch()

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy.attach(__name__, "SynthesightError", "__version__")
