"""The workers of a Ray cluster, as the driver sees them, and the stimuli that they are sent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

from synthesight.stimuli.stimulus import Stimulus

SECONDS = 10.0  # of work that is sent at a time


FIRST = 4  # stimuli that are sent before a worker's speed is known


MOST = 512  # stimuli that are sent at a time


@dataclass(eq=False)
class Hand:
    """One worker, as the driver sees it: what it was sent, and how fast it answers."""

    actor: Any
    node: str
    opened: Any  # the promise of its facts; None once they are here
    chunks: dict[Any, dict[str, Stimulus]] = field(default_factory=dict)
    answered: int = 0
    busy: float = 0.0
    since: float = 0.0

    def size(self) -> int:
        """Return how many stimuli to send."""
        spent = self.busy + (time.monotonic() - self.since if self.chunks else 0.0)
        if not self.answered or not spent:
            return FIRST
        return max(1, min(MOST, int(self.answered / spent * SECONDS)))


class Supply:
    """Stimuli that are to be sent: first those that a lost worker left, then further ones.

    Further ones are taken no sooner than they are needed: other processes may share them.
    """

    def __init__(self, stimuli: Iterable[Stimulus]) -> None:
        self.stimuli = stimuli
        self.source = iter(stimuli)
        self.taken = 0
        self.back: deque[Stimulus] = deque()

    def __len__(self) -> int:
        """About how many there are."""
        if isinstance(self.stimuli, Sequence):
            return len(self.back) + len(self.stimuli) - self.taken
        return len(self.back) + (len(self.stimuli) if isinstance(self.stimuli, Sized) else MOST)

    def __bool__(self) -> bool:
        return True

    def more(self) -> bool:
        """Whether there are any."""
        if not self.back and (found := next(self.source, None)) is not None:
            self.back.append(found)
            self.taken += 1
        return bool(self.back)

    def take(self) -> Stimulus:
        return self.back.popleft()
