"""The batch engine: keeps the device full while images need ever fewer classes.

Elimination leaves ragged work: one image still needs nine classes, another two. The engine pools
the (image, increment, class) triples of many images in one queue and evaluates them in full
batches, starts new images when the queue runs low, and reads and encodes images ahead. What an
image's result depends on (its increments, and when its classes are reviewed) is fixed by the
decision rule alone; the batches only decide when it is computed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from synthesight.likelihood.decision import Decision
from synthesight.likelihood.evaluator import Evaluator, Made
from synthesight.likelihood.keeping import Keeper
from synthesight.likelihood.protocol import DrawModel, PartModel
from synthesight.likelihood.queue import Plan, Triples, Work, images_a_batch
from synthesight.likelihood.rules import Rule, fitted, spent
from synthesight.stimuli.prefetch import AHEAD, READERS, read_ahead
from synthesight.stimuli.stimulus import Stimulus

Begun = tuple[Triples, np.ndarray | range, Made | None]
"""A batch, its increments, and their draws on their way."""


class Engine:
    """Runs a decision rule over many stimuli with one model.

    Parameters
    ----------
    model
        A model of draws or of parts (:mod:`synthesight.likelihood.protocol`).
    rows
        For each unit (a class, or a label of one), the rows of the prepared prompts that
        describe it: int64, shape (U, P). Draw n uses prompt n mod P, so that templates are
        averaged at no extra cost and all units change templates together. For a model of parts,
        P is 1.
    conditioning
        What ``model.prepare`` returned for those prompts.
    rule, seed
        How draws are taken and when they are enough.
    groups
        int64, shape (U,): the class of each unit. An image is decided when all of the units left
        belong to one class.
    averaged
        Whether a class's likelihood is the mean of its units', so that the rule weighs whole
        classes (:mod:`~synthesight.likelihood.grouped`); else a class is as good as its best unit,
        and the rule weighs units.
    batch_size, one_shape
        See :class:`~synthesight.likelihood.evaluator.Evaluator`.
    reproducible
        Whether what is computed for an image is to depend on that image alone, to the last bit:
        batches are of one shape, and never smaller, and images are encoded one by one.
    own_rows
        Where each image has prompts of its own: the row of each unit, int64, shape (U,), by the
        id of the stimulus. They are used in place of ``rows``, which only tells how many there are.

    Attributes
    ----------
    usage
        Evaluations and time, updated while the engine runs.

    Raises
    ------
    SynthesightError
        If the rule does not hold for the model's kind of increments.
    """

    def __init__(
        self,
        model: DrawModel | PartModel,
        rows: np.ndarray,
        conditioning: object,
        rule: Rule,
        *,
        seed: int = 0,
        groups: Sequence[int] | np.ndarray | None = None,
        averaged: bool = False,
        batch_size: int = 64,
        one_shape: bool = False,
        reproducible: bool = False,
        own_rows: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.evaluator = Evaluator(
            model,
            conditioning,
            batch_size=batch_size,
            one_shape=one_shape or reproducible,
            halving=not reproducible,
        )
        self.usage = self.evaluator.usage
        units = np.arange(len(rows))
        rule = fitted(rule, model)
        self.plan = Plan(
            model=model,
            cost=spent(model, rule) if isinstance(model, PartModel) else None,
            rows=np.asarray(rows, dtype=np.int64),
            groups=units if groups is None else np.asarray(groups),
            averaged=averaged and groups is not None and len(np.unique(groups)) < len(rows),
            rule=rule,
            seed=seed,
            reproducible=reproducible,
            own_rows=own_rows,
        )

    def run(self, stimuli: Iterable[Stimulus]) -> Iterator[Decision]:
        """Decide on each stimulus; decisions come as they are made, in no fixed order.

        Memory is bounded by the images in work, however many stimuli there are. A stimulus that
        cannot be read gives a decision with ``error``. Stimuli that are a
        :class:`~synthesight.likelihood.keeping.Keeper` are told what is found out about them.

        Raises
        ------
        SynthesightError
            If the model's nats are not finite or not one a triple, or not even one evaluation
            fits in memory.
        """
        started = time.perf_counter()
        keeper = stimuli if isinstance(stimuli, Keeper) else None
        # No more than is soon needed: what is read here, no other process of a run can show.
        soon = 2 * images_a_batch(self.plan, self.usage.batch_size)
        reader = read_ahead(stimuli, self.plan.model.resolution, min(max(READERS, soon), AHEAD))
        work = Work(self.plan, reader, self.usage.batch_size, keeper)
        coming: Begun | None = None
        try:
            while work.admit(self.usage.batch_size) or coming:
                yield from work.unreadable()
                begun = coming or self._begin(work)
                # While the device is at one batch, the draws of the next are made, if it is full.
                coming = None
                if work.admit(self.usage.batch_size) and work.is_full(self.usage.batch_size):
                    coming = self._begin(work)
                if begun is not None:
                    batch, increment, made = begun
                    rows = work.prompts_of(batch)
                    nats = self.evaluator(work.x, work.keys, batch.slot, increment, rows, made)
                    work.absorb(batch, nats.sum(axis=1) if work.parts else nats)
                yield from work.decided()
            yield from work.unreadable()
        finally:
            work.close()
            self.evaluator.close()
            self.usage.seconds += time.perf_counter() - started

    def _begin(self, work: Work) -> Begun | None:
        batch = work.take(self.usage.batch_size)
        if batch is None:
            return None
        increment = batch.increment(self.plan.rule, parts=work.parts)
        made = self.evaluator.begin(work.keys, batch.slot, increment, work.x.shape[1:])
        return batch, increment, made
