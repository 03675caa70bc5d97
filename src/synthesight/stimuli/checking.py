"""Check that every image of a dataset can be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from synthesight.stimuli.images import UnreadableImage
from synthesight.stimuli.stimulus import Stimulus


def check_images(
    stimuli: Sequence[Stimulus], report: Callable[[], None] = lambda: None
) -> list[str]:
    """Return a sentence for each image that cannot be read.

    Parameters
    ----------
    report
        Called after each image.
    """
    broken = []
    with ThreadPoolExecutor() as pool:
        for sentence in pool.map(_problem, stimuli):
            if sentence:
                broken.append(sentence)
            report()
    return broken


def _problem(stimulus: Stimulus) -> str | None:
    try:
        stimulus.read(1)
    except UnreadableImage as error:
        return str(error)
    return None
