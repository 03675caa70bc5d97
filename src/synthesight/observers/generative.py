"""A generative model as an observer: it chooses the class whose prompt explains the image best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.likelihood import memory
from synthesight.likelihood.decision import Decision
from synthesight.likelihood.diffusion import DEFAULT_WEIGHTING, DenoiserLikelihood, as_likelihood
from synthesight.likelihood.engine import Engine
from synthesight.likelihood.evaluator import Usage
from synthesight.likelihood.grouped import class_evidence
from synthesight.likelihood.protocol import Denoiser, DrawModel, PartModel, horizon_of
from synthesight.likelihood.rules import Rule, make_rule
from synthesight.likelihood.tuning import Tuner, owner
from synthesight.observers.evidence_map import EvidenceMap
from synthesight.observers.maps import evidence_map
from synthesight.observers.matching import blocks
from synthesight.observers.observer import Observer
from synthesight.observers.prompts import (
    DEFAULT_PROMPT,
    check_classes,
    check_prompts,
    write_prompts,
)
from synthesight.observers.response import Response
from synthesight.observers.weights import weights_hash
from synthesight.stimuli.stimulus import Stimulus

TYPICAL_DRAWS = 20  # a class, by the sequential rule: for guessing how long work will take


class GenerativeClassifier(Observer):
    """Zero-shot classification by likelihood (Clark & Jaini 2023; Li et al. 2023).

    Parameters
    ----------
    model
        One of this package's models, or any object that meets a protocol of
        :mod:`synthesight.likelihood.protocol`.
    classes
        Class names, when calls do not name them.
    prompt
        One or several prompts with ``{class}`` where the name goes, or for each class its whole
        prompts.
    names
        For some classes, the names to use in prompts instead (synonyms).
    labels
        For class-conditional models: the labels that make up each class. Their evidence is
        combined by ``combine``.
    combine
        ``"logsumexp"``: log of the mean likelihood of a class's labels; ``"best"``: the best
        label's. The rule drops classes under the one, single labels under the other, which costs
        fewer evaluations.
    rule
        Decision rule: ``"sequential"``, ``"predictive"``, ``"exhaustive"``, ``"staged"``,
        ``"repeated-t"``, or an object of :mod:`synthesight.likelihood.rules`. None is
        ``"sequential"`` for models of draws, diffusion and flow among them, and ``"exhaustive"``
        for models of a sequence of parts, which are exact then.
    delta, eta, stages, max_draws
        Of a rule that is given by name: the probability of error that ``"sequential"`` promises and
        ``"predictive"`` predicts, the indifference zone of ``"sequential"``, the pairs of
        :class:`~synthesight.likelihood.rules.Staged`, and draws of a class at most; None for the
        rule's own.
    weighting, proposal
        Of diffusion and flow models, see
        :meth:`~synthesight.likelihood.weighting.TimeSampler.create`; None is ``"jaini"``.
    seed
        Of the draws.
    batch_size
        Network evaluations a batch; None finds the best by measurement.

    Attributes
    ----------
    likelihood
        The model as the engine sees it, which gives nats.
    usage_ : Usage
        Evaluations and time of the last call.
    """

    kind = "generative"

    def __init__(
        self,
        model: Denoiser | DrawModel | PartModel,
        *,
        classes: Sequence[str] | None = None,
        prompt: str | Sequence[str] | Mapping[str, Sequence[str]] = DEFAULT_PROMPT,
        names: Mapping[str, Sequence[str]] | None = None,
        labels: Mapping[str, Sequence[str | int]] | None = None,
        combine: str = "logsumexp",
        rule: str | Rule | None = None,
        delta: float | None = None,
        eta: float | None = None,
        stages: Sequence[tuple[float, float]] | None = None,
        max_draws: int | None = None,
        weighting: str | Sequence[float] | None = None,
        proposal: Sequence[float] | None = None,
        seed: int = 0,
        batch_size: int | None = None,
    ) -> None:
        if combine not in ("logsumexp", "best"):
            raise SynthesightError(
                f"There is no way {combine!r} to combine labels: choose logsumexp or best."
            )
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise SynthesightError(f"`seed={seed}` cannot be: give a whole number from 0.")
        prompts = check_prompts(prompt)
        if labels is not None and prompts != [DEFAULT_PROMPT]:
            raise SynthesightError(
                f"{model.name} is given labels, which go into no sentence: leave out `prompt`."
            )
        self.likelihood = as_likelihood(model, weighting, proposal)
        self.model = model
        self.name = model.name
        self.device = model.device
        self.classes = check_classes(classes) if classes is not None else None
        self.prompts = prompts
        self.names = dict(names or {})
        self.labels = labels
        self.combine = combine
        given = {"delta": delta, "eta": eta, "stages": stages}
        self.rule = make_rule(rule, self.likelihood, max_draws=max_draws, **given)
        denoiser = isinstance(self.likelihood, DenoiserLikelihood)
        self.weighting = DEFAULT_WEIGHTING if denoiser and weighting is None else weighting
        self.proposal = proposal
        self.seed = seed
        self.tuner = Tuner(batch_size)
        # The prompts, encoded, for later calls.
        self._conditioning: tuple[object, Any] = (None, None)
        self.usage_ = Usage()

    def respond(
        self, stimuli: Iterable[Stimulus], classes: Sequence[str] | None = None
    ) -> Iterator[Response]:
        if classes is not None and not classes:
            yield from self._match(stimuli)
            return
        chosen = self.choose(classes)
        prompts, rows, groups = self.units(chosen)
        for decision in self._decide(stimuli, prompts, rows, groups):
            yield self.calibrated(self._response(decision, chosen, groups))

    def _match(self, stimuli: Iterable[Stimulus]) -> Iterator[Response]:
        """Answer each stimulus with one of its own captions, which are whole prompts."""
        for block in blocks(stimuli):
            units = np.arange(len(block.stimuli[0].captions))
            shown = block.kept()
            decisions = self._decide(
                shown, block.captions, units[:, None], units, block.rows, len(block)
            )
            for decision in decisions:
                yield self._response(decision, list(decision.stimulus.captions), units)

    def _decide(
        self,
        stimuli: Iterable[Stimulus],
        prompts: list[str],
        rows: np.ndarray,
        groups: np.ndarray,
        own_rows: Mapping[str, np.ndarray] | None = None,
        count: int | None = None,
    ) -> Iterator[Decision]:
        conditioning = self.prepare(prompts)
        if count is None:
            count = len(stimuli) if isinstance(stimuli, Sized) else 1
        draws = min(TYPICAL_DRAWS, self.rule.max_draws) if self._horizon is None else 1
        if self.reproducible:
            size = self.tuner.fixed(self.likelihood)
        else:
            size = self.tuner.tune(self.likelihood, conditioning, count * len(rows) * draws)
        engine = Engine(
            self.likelihood,
            rows,
            conditioning,
            self.rule,
            seed=self.seed,
            groups=groups,
            averaged=self.combine == "logsumexp",
            batch_size=size,
            one_shape=bool(self.tuner.compiled),
            reproducible=self.reproducible,
            own_rows=own_rows,
        )
        self.usage_ = engine.usage
        for decision in engine.run(stimuli):
            if engine.usage.halvings:
                self.tuner.halved(self.likelihood, engine.usage.batch_size)
            yield decision

    def evidence_map(
        self,
        response: Response,
        classes: Sequence[str] | None = None,
        *,
        of: str | None = None,
        against: str | None = None,
    ) -> EvidenceMap:
        return evidence_map(self, response, classes or self.choose(None), of, against)

    def computing(self) -> dict[str, Any]:
        return super().computing() | {
            "dtype": str(getattr(self.model, "dtype", "")).removeprefix("torch.") or None,
            "batch_size": self.usage_.batch_size,
            "compiled": bool(self.tuner.compiled),
            "memory_format": self.tuner.memory_format,
            "packed": self.tuner.packed,
        }

    @property
    def _horizon(self) -> int | None:
        return horizon_of(self.likelihood)

    def prepare(self, prompts: list[str]) -> Any:
        """Return what the prompts condition on; kept, since a call with other images asks again."""
        asked = (self.model.resolution, tuple(prompts))
        if self._conditioning[0] != asked:
            self._conditioning = (None, None)
            self._conditioning = (asked, memory.prepare(self.likelihood, prompts))
        return self._conditioning[1]

    def describe(self) -> dict[str, Any]:
        rule = {"name": self.rule.name, **vars(self.rule)}
        return {
            "model": self.name,
            "kind": self.kind,
            "weights": weights_hash(getattr(owner(self.likelihood), "network", None)),
            "dtype": str(getattr(self.model, "dtype", "")).removeprefix("torch."),
            "resolution": self.model.resolution,
            "pipeline": self.model.describe() if hasattr(self.model, "describe") else None,
            "prompt": self.prompts,
            "names": {key: list(value) for key, value in self.names.items()},
            "labels": {name: [str(label) for label in own] for name, own in self.labels.items()}
            if self.labels
            else None,
            "combine": self.combine if self.labels else None,
            "rule": rule,
            "weighting": self.weighting
            if self.weighting is None or isinstance(self.weighting, str)
            else list(self.weighting),
            "proposal": list(self.proposal) if self.proposal is not None else None,
            "seed": self.seed,
        }

    def units(self, classes: list[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Return prompts; for each unit, their rows, int64 (U, P); and the class of each unit."""
        if self.labels is None:
            prompts, rows = write_prompts(classes, self.prompts, self.names)
            if self._horizon is None:
                return prompts, rows, np.arange(len(classes))
            # Parts do not take turns: a class is all of its prompts, whose likelihoods average.
            own = [np.unique(of_class) for of_class in rows]
            groups = np.repeat(np.arange(len(classes)), [len(of_class) for of_class in own])
            return prompts, np.concatenate(own)[:, None], groups
        missing = [name for name in classes if not self.labels.get(name)]
        if missing:
            raise SynthesightError(
                f"{self.name} knows labels, not words, and none are given for the class "
                f"{missing[0]!r}: name it among the labels, or choose other classes."
            )
        labels = [str(label) for name in classes for label in self.labels[name]]
        groups = np.repeat(np.arange(len(classes)), [len(self.labels[name]) for name in classes])
        return labels, np.arange(len(labels))[:, None], groups

    def _response(self, decision: Decision, classes: list[str], groups: np.ndarray) -> Response:
        count = len(classes)
        draws = np.zeros(count, dtype=np.int64)
        np.maximum.at(draws, groups, decision.draws)
        if decision.error is not None:
            nothing = np.full(count, np.nan)
            return Response(
                decision.stimulus,
                None,
                nothing,
                nothing,
                nothing,
                draws,
                0,
                decision.stopped,
                decision.error,
            )
        score, spread = decision.score
        evidence = -decision.difference
        if len(groups) != count:
            evidence, score, spread = self._combined(decision, groups, count)
        # The rule's choice, which is not always the greatest evidence: a class that was dropped
        # has its evidence from fewer draws. Only where labels of several classes are left does
        # the evidence of whole classes decide.
        winner = int(groups[decision.unit])
        if decision.stopped != "decided" and len(groups) != count:
            winner = int(np.where(draws == draws.max(), evidence, -np.inf).argmax())
        return Response(
            decision.stimulus,
            classes[winner],
            evidence - evidence[winner],
            score,
            spread,
            draws,
            decision.evaluations,
            decision.stopped,
        )

    def _combined(
        self, decision: Decision, groups: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Evidence, score and its standard error of classes made of several labels."""
        member = groups[None, :] == np.arange(count)[:, None]
        unit = -decision.difference
        if self.combine == "best":
            best = np.where(member, unit[None, :], -np.inf).argmax(axis=1)
            share = np.zeros(member.shape)
            share[np.arange(count), best] = 1.0
            evidence = unit[best]
        else:
            evidence, share = class_evidence(decision.difference, groups)
        score = np.exp(evidence - evidence.max())
        score /= score.sum()
        # Delta method: evidence of a class changes with that of its labels by their shares.
        jacobian = score[:, None] * (share - score @ share)
        covariance = np.nan_to_num(decision.covariance)
        variance = np.einsum("ki,ij,kj->k", jacobian, covariance, jacobian)
        unknown = (member & np.isnan(np.diag(decision.covariance))).any(axis=1)
        return evidence, score, np.where(unknown, np.nan, np.sqrt(np.maximum(variance, 0.0)))
