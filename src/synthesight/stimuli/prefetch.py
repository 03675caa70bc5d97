"""Read images ahead, on the side, so that the device does not wait for files."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.stimuli.images import printable
from synthesight.stimuli.stimulus import Stimulus

AHEAD = 64
READERS = 4

Read = tuple[Stimulus, np.ndarray | None, str | None]


def read_ahead(
    stimuli: Iterable[Stimulus], resolution: int | tuple[int, int], ahead: int = AHEAD
) -> Iterator[Read]:
    """Yield stimuli with their pixels, in order, at most ``ahead`` of them in memory.

    Parameters
    ----------
    stimuli
        What to read.
    resolution
        See :func:`~synthesight.stimuli.images.to_array`.

    Yields
    ------
    (stimulus, image, error)
        ``image`` is uint8, shape (height, width, 3), and the stimulus has the ``digest`` of its
        content; where it cannot be read the image is None and ``error`` is the sentence that says
        why.

    Warns
    -----
    SynthesightWarning
        If the depth of an image hides it, such as 12 bits in a file of 16; once, with a count of
        all such images at the end.
    """

    def read(stimulus: Stimulus) -> tuple[Read, str | None]:
        try:
            picture = stimulus.read(resolution)
        except SynthesightError as error:
            return (stimulus, None, str(error)), None
        return (stimulus, np.asarray(picture.image), None), picture.amiss

    source = iter(stimuli)
    pending: deque[Future[tuple[Read, str | None]]] = deque()
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="read")
    hidden = 0

    def taken() -> Read:
        nonlocal hidden
        found, amiss = pending.popleft().result()
        if amiss:
            hidden += 1
            if hidden == 1:
                name = printable(found[0].id)
                warnings.warn(f"Of {name}, {amiss}", SynthesightWarning, stacklevel=3)
        return found

    try:
        for stimulus in source:
            pending.append(pool.submit(read, stimulus))
            if len(pending) >= ahead:
                yield taken()
        while pending:
            yield taken()
        if hidden > 1:
            warnings.warn(
                f"{hidden} images are hidden by their depth like the first.",
                SynthesightWarning,
                stacklevel=2,
            )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
