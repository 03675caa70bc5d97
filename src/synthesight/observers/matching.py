"""Choose, for each image, among captions of its own: image–text matching (Thrush et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.likelihood.keeping import Keeper
from synthesight.stimuli.stimulus import Stimulus

TOGETHER = 128  # images whose captions are encoded together


class Block:
    """Some stimuli with equally many captions, which go on being kept by whoever keeps them all.

    ``captions`` are their distinct ones; ``rows`` has for each stimulus, by its id, the places of
    its own: int64, shape (K,).
    """

    def __init__(self, stimuli: Sequence[Stimulus], keeper: Iterable[Stimulus]) -> None:
        self.stimuli = stimuli
        self.captions = list(dict.fromkeys(text for one in stimuli for text in one.captions))
        place = {text: number for number, text in enumerate(self.captions)}
        self.rows = {
            one.id: np.array([place[text] for text in one.captions], dtype=np.int64)
            for one in stimuli
        }
        self._keeper = keeper

    def __len__(self) -> int:
        return len(self.stimuli)

    def __iter__(self) -> Iterator[Stimulus]:
        return iter(self.stimuli)

    def kept(self) -> Iterable[Stimulus]:
        """Return the stimuli as their keeper's, if they have one."""
        return _Kept(self.stimuli, self._keeper) if isinstance(self._keeper, Keeper) else self


class _Kept:
    def __init__(self, stimuli: Sequence[Stimulus], keeper: Keeper) -> None:
        self.stimuli = stimuli
        self.begin, self.keep = keeper.begin, keeper.keep

    def __iter__(self) -> Iterator[Stimulus]:
        return iter(self.stimuli)


def blocks(stimuli: Iterable[Stimulus]) -> Iterator[Block]:
    """Yield stimuli in blocks, each of images with equally many captions."""
    source = iter(stimuli)
    while some := list(islice(source, TOGETHER)):
        for one in some:
            if len(one.captions) < 2 or len(set(one.captions)) < len(one.captions):
                raise SynthesightError(
                    f"{one.id} has no choice of captions: give it two or more, each once, or give "
                    "`classes` to choose among."
                )
        for count in sorted({len(one.captions) for one in some}):
            yield Block([one for one in some if len(one.captions) == count], stimuli)
