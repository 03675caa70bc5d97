"""Where the evidence is: log p(x given one class) − log p(x given another), place by place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from synthesight.errors import SynthesightError, suggestion
from synthesight.likelihood import memory
from synthesight.likelihood.differences import Terms, draw_terms, part_terms
from synthesight.likelihood.diffusion import DenoiserLikelihood
from synthesight.likelihood.draws import stimulus_key
from synthesight.likelihood.evaluator import Evaluator
from synthesight.likelihood.protocol import Located, horizon_of
from synthesight.observers.evidence_map import EvidenceMap
from synthesight.observers.response import Response

BATCH = 32  # evaluations a batch, where none was measured


def evidence_map(
    observer: Any,
    response: Response,
    classes: Sequence[str],
    of: str | None = None,
    against: str | None = None,
) -> EvidenceMap:
    """Return where the evidence of a response is; see ``Observer.evidence_map``."""
    model = observer.likelihood
    if not isinstance(model, Located):
        raise SynthesightError(
            f"{observer.name} does not tell where its evidence is: give it the method `nat_maps` "
            "of synthesight.likelihood.Located."
        )
    pair = chosen_pair(response, classes, of, against)
    terms, picture = compared(observer, response, classes, pair, model.nat_maps)
    first, second = (classes[index] for index in pair)
    exact = not isinstance(model, DenoiserLikelihood) or observer.weighting == "elbo"
    return EvidenceMap(
        stimulus=response.stimulus,
        of=first,
        against=second,
        nats=terms.values,
        standard_error=terms.standard_error,
        evidence=terms.evidence,
        evidence_error=terms.evidence_error,
        unit="nats" if exact else "score",
        draws=int(response.draws[list(pair)].min()),
        image=picture,
    )


def chosen_pair(
    response: Response, classes: Sequence[str], of: str | None, against: str | None
) -> tuple[int, int]:
    """Return the indices of two classes: by default the response, and its strongest rival.

    Against the response itself stands, by default, the strongest of the others.
    """
    if response.error is not None:
        raise SynthesightError(response.error)
    for name, value in (("of", of), ("against", against)):
        if value is not None and value not in classes:
            raise SynthesightError(f"`{name}={value}` is no class: {suggestion(value, classes)}.")
    named = list(classes)
    chosen = named.index(str(response.response))

    def best(but: int) -> int:
        return int(np.where(np.arange(len(named)) == but, -np.inf, response.evidence).argmax())

    if of is None and against is not None:
        second = named.index(against)
        first = chosen if chosen != second else best(second)
    else:
        first = chosen if of is None else named.index(of)
        second = best(first) if against is None else named.index(against)
    if first == second:
        raise SynthesightError(
            f"`of` and `against` are both {classes[first]!r}: compare two different classes."
        )
    return first, second


def compared(
    observer: Any,
    response: Response,
    classes: Sequence[str],
    pair: tuple[int, int],
    ask: Callable[..., Any],
) -> tuple[Terms, np.ndarray]:
    """Take the evidence for one class against another apart, over the draws that decided.

    ``response`` says how many draws, or parts, each class saw, of the choice in ``classes``, of
    which ``pair`` has two indices. ``ask``, such as ``nat_maps`` of the observer's likelihood, is
    asked in place of ``nats``. Returns the terms, which add up to the evidence, and the image,
    uint8.
    """
    model = observer.likelihood
    prompts, rows, groups = list(classes), np.arange(len(classes))[:, None], np.arange(len(classes))
    if tuple(classes) != response.stimulus.captions:  # which are whole prompts
        prompts, rows, groups = observer.units(list(classes))
    picture = np.asarray(response.stimulus.read(model.resolution).image)
    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].to(model.device)
    key = stimulus_key(observer.seed, response.stimulus.id)
    x = memory.encode(model, pixels.float() / 127.5 - 1.0, key[None])
    evaluator = Evaluator(
        model,
        observer.prepare(prompts),
        batch_size=observer.usage_.batch_size or BATCH,
        ask=ask,
    )
    parts = horizon_of(model) is not None

    def terms(units: list[int], signs: list[float], seen: list[int]) -> Terms:
        if parts:
            return part_terms(evaluator, x, rows[units, 0], np.array(seen), np.array(signs))
        index = np.arange(max(seen))
        coefficients = np.array(
            [np.where(index < n, sign / n, 0.0) for sign, n in zip(signs, seen, strict=True)]
        )
        return draw_terms(evaluator, x, key, rows[units], coefficients)

    # Of a class of several labels or prompts, the best one stands for it.
    best, seen = [], []
    for group in pair:
        units = np.flatnonzero(groups == group).tolist()
        n = int(response.draws[group])
        alone = [terms([unit], [1.0], [n]).evidence for unit in units] if len(units) > 1 else [0.0]
        best.append(units[int(np.argmax(alone))])
        seen.append(n)
    chosen = list(classes).index(str(response.response))
    if chosen in pair or seen[0] == seen[1]:
        return terms(best, [1.0, -1.0], [min(seen)] * 2), picture
    # Both were compared with the class that was chosen, each over the draws that it saw.
    winner = int(np.flatnonzero(groups == chosen)[0])
    (first, second), (m, n) = best, seen
    return terms([first, winner, winner, second], [1.0, -1.0, 1.0, -1.0], [m, m, n, n]), picture
