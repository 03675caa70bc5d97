"""Accuracy, shape bias and other shares: new stimuli, new people, and both."""

from __future__ import annotations

import numpy as np

from designs import Found, design, intervals, trials_of
from synthesight.analysis import accuracy


@design("accuracy", ".7 on images of one difficulty", "new-stimuli")
def plain_accuracy(n: int, studies: int, rng: np.random.Generator, resamples: int) -> Found:
    trials = trials_of(rng.random((studies, 1, n)) < 0.7, ["m"])
    return Found(*intervals(accuracy(trials, resamples=resamples)), 0.7)
