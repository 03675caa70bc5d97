"""Watch a generative classifier decide: the evidence about one image, after each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from synthesight.likelihood.grouped import class_evidence
from synthesight.likelihood.keeping import KEPT, as_table
from synthesight.likelihood.protocol import horizon_of
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.observer import Observer
from synthesight.observers.response import Response
from synthesight.stimuli.stimulus import Stimulus


@dataclass(frozen=True, eq=False)
class Race:
    """The evidence about one image so far, of K classes.

    ``nats``, float64 (D, U), are what each draw, or part, gives each unit (a class, or a label of
    one); NaN where a unit was dropped before. ``groups``, int64 (U,), is the class of each unit, in
    order, and ``combine`` how units make one. The evidence is the sum over ``parts`` of a sequence,
    or the mean over draws. ``evaluations`` (in passes) and ``seconds`` are what the engine has
    spent.
    """

    classes: list[str]
    nats: np.ndarray
    groups: np.ndarray
    combine: str
    parts: bool
    evaluations: float
    seconds: float

    @cached_property
    def running(self) -> np.ndarray:
        """bool, shape (D, K): whether a class was in the running at each draw."""
        return np.logical_or.reduceat(~np.isnan(self.nats), self._starts, axis=1)

    @cached_property
    def evidence(self) -> np.ndarray:
        """float64, shape (D, K): evidence after each draw, less that of the class that leads now.

        That of a class that was dropped stays what it was.
        """
        seen = ~np.isnan(self.nats)
        # All draws of the leading unit are there, so that large common terms drop out.
        total = np.nancumsum(self.nats - self.nats[:, [self._leader]], axis=0)
        value = total if self.parts else total / np.maximum(seen.cumsum(axis=0), 1)
        if self.combine == "best":
            of_class = np.maximum.reduceat(value, self._starts, axis=1)
        else:
            of_class = class_evidence(-value, self.groups)[0]
        leader = int(np.where(self.running[-1], of_class[-1], -np.inf).argmax())
        return of_class - of_class[:, [leader]]

    @property
    def leader(self) -> str:
        """The class of most evidence among those in the running."""
        last = np.where(self.running[-1], self.evidence[-1], -np.inf)
        return self.classes[int(last.argmax())]

    def frame(self) -> pl.DataFrame:
        """Return a row for each draw and class that was in the running: draw, class, evidence."""
        draws, count = self.evidence.shape
        table = pl.DataFrame(
            {
                "draw": np.repeat(np.arange(1, draws + 1), count),
                "class": self.classes * draws,
                "evidence": self.evidence.ravel(),
                "running": self.running.ravel(),
            }
        )
        return table.filter("running").drop("running")

    @property
    def _starts(self) -> np.ndarray:
        return np.flatnonzero(np.diff(self.groups, prepend=-1))

    @property
    def _leader(self) -> int:
        return int(np.where(np.isnan(self.nats[-1]), -np.inf, np.nanmean(self.nats, 0)).argmax())


def watch(
    observer: Observer,
    stimulus: Stimulus,
    classes: Sequence[str] | None = None,
    tell: Callable[[Race], None] = lambda race: None,
) -> tuple[Response, Race | None]:
    """Answer one stimulus, and tell of the evidence after each batch of network evaluations.

    Parameters
    ----------
    observer
        Who answers. One that is no generative classifier has no race, and tells nothing.
    stimulus
        What is shown.
    classes
        Class names; None for the observer's own.
    tell
        Called with the race so far. What it raises ends the work, and is passed on.

    Returns
    -------
    response : Response
        As ``observer.respond`` gives it: watching changes neither the answer nor its cost.
    race : Race or None
        The whole race; None where there is none, or the stimulus could not be read.

    Examples
    --------
    >>> import numpy as np, synthesight
    >>> from PIL import Image
    >>> observer = synthesight.load("natural-32", max_draws=2, batch_size=2, device="cpu")
    >>> grey = Stimulus("grey.png", Image.new("L", (32, 32), 128))
    >>> response, race = watch(observer, grey, ["cat", "dog"])
    >>> race.evidence.shape, race.leader == response.response
    ((2, 2), True)
    """
    chosen = observer.choose(classes)
    if not isinstance(observer, GenerativeClassifier):
        (response,) = observer.respond([stimulus], chosen)
        return response, None
    watched = _Watched(observer, stimulus, chosen, tell)
    (response,) = observer.respond(watched, chosen)
    return response, watched.race(finished=True) if watched.kept else None


class _Watched:
    """One stimulus, as a :class:`~synthesight.likelihood.keeping.Keeper` that tells."""

    def __init__(
        self,
        observer: GenerativeClassifier,
        stimulus: Stimulus,
        classes: list[str],
        tell: Callable[[Race], None],
    ) -> None:
        self.observer, self.stimulus, self.classes, self.tell = observer, stimulus, classes, tell
        self.groups = observer.units(classes)[2]
        self.kept: list[np.ndarray] = []

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Stimulus]:
        yield self.stimulus

    def begin(self, _: Stimulus) -> tuple[int, None]:
        return 0, None

    def keep(self, _: np.ndarray, draw: np.ndarray, unit: np.ndarray, nats: np.ndarray) -> None:
        entry = np.empty(len(draw), dtype=KEPT)
        entry["draw"], entry["unit"], entry["nats"] = draw, unit, nats
        self.kept.append(entry)
        race = self.race()
        if len(race.nats):
            self.tell(race)

    def race(self, *, finished: bool = False) -> Race:
        kept = np.concatenate(self.kept)
        table = as_table(kept, int(kept["draw"].max()) + 1, len(self.groups))
        seen = ~np.isnan(table)
        table, seen = table[seen.any(axis=1)], seen[seen.any(axis=1)]
        # Of the last draw, some may still be on their way.
        before = seen[-2] if len(seen) > 1 else np.ones(len(self.groups), dtype=bool)
        if not finished and not (seen[-1] == before).all():
            table = table[:-1]
        usage = self.observer.usage_
        return Race(
            classes=self.classes,
            nats=table,
            groups=self.groups,
            combine=self.observer.combine,
            parts=horizon_of(self.observer.likelihood) is not None,
            evaluations=usage.evaluations,
            seconds=usage.network_seconds,
        )
