"""Count and name what is passed over where stimuli are looked for."""

from __future__ import annotations

import warnings
from collections import defaultdict

from synthesight.errors import SynthesightWarning
from synthesight.stimuli.images import printable

NAMED = 3  # of a kind


class Passed:
    """Count what is no stimulus, by why.

    Examples
    --------
    >>> passed = Passed("pets")
    >>> passed.add("without an image", "notes.txt")
    >>> passed.summary()
    ' (passed over: 1 without an image (notes.txt))'
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._names: defaultdict[str, list[str]] = defaultdict(list)
        self._counts: defaultdict[str, int] = defaultdict(int)

    def add(self, why: str, name: str) -> None:
        """Count one thing; the first few are named."""
        self._counts[why] += 1
        if self._counts[why] <= NAMED:
            self._names[why].append(printable(name))

    def _words(self) -> str:
        return ", ".join(
            f"{count} {why} ({', '.join(self._names[why])}{', …' if count > NAMED else ''})"
            for why, count in self._counts.items()
        )

    def summary(self) -> str:
        """Return what was passed over, as a part of a sentence; nothing if there was nothing."""
        return f" (passed over: {self._words()})" if self._counts else ""

    def warn(self) -> None:
        """Say what was passed over."""
        if self._counts:
            warnings.warn(
                f"{printable(self.place)}: passed over {self._words()}.",
                SynthesightWarning,
                stacklevel=5,
            )
