"""Read images ahead, on the side, so that the device does not wait for files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.stimuli.images import to_array
from synthesight.stimuli.stimulus import Stimulus

AHEAD = 64
READERS = 4

Read = tuple[Stimulus, np.ndarray | None, str | None]


def read_ahead(stimuli: Iterable[Stimulus], resolution: int | tuple[int, int]) -> Iterator[Read]:
    """Yield stimuli with their pixels, in order, at most ``AHEAD`` of them in memory.

    Parameters
    ----------
    stimuli
        What to read.
    resolution
        See :func:`~synthesight.stimuli.images.to_array`.

    Yields
    ------
    (stimulus, image, error)
        ``image`` is uint8, shape (height, width, 3); where it cannot be read it is None
        and ``error`` is the sentence that says why.
    """

    def read(stimulus: Stimulus) -> Read:
        try:
            return stimulus, to_array(stimulus.open(), resolution), None
        except SynthesightError as error:
            return stimulus, None, str(error)

    source = iter(stimuli)
    pending: deque[Future[Read]] = deque()
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="read")
    try:
        for stimulus in source:
            pending.append(pool.submit(read, stimulus))
            if len(pending) >= AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
