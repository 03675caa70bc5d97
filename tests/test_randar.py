"""RandAR: an exact likelihood in every order, and draws that are orders."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional

from published_models import SMALL_RANDAR, small_randar
from synthesight.errors import SynthesightError
from synthesight.likelihood.protocol import DrawModel
from synthesight.observers.generative import GenerativeClassifier
from test_var import stimuli

# Images of 8 pixels, so that encoding them costs nothing.
SHORT = replace(SMALL_RANDAR, widths=(32, 32), layers=1)
KEYS = np.arange(6, dtype=np.uint64).reshape(3, 2)


def tokens(count: int, places: int = 16, codes: int = 16) -> torch.Tensor:
    return torch.randint(codes, (count, places), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_probabilities_of_all_images_add_up_to_one_in_every_order(order):
    model = small_randar(replace(SHORT, side=2, codes=4, heads=2))
    every = torch.tensor(list(product(range(4), repeat=4)))
    rows = torch.zeros(len(every), dtype=torch.int64)
    turn = torch.tensor(order).expand(len(every), -1)
    nats = model.nats(every, (turn,), model.prepare(["7"]), rows)
    assert nats.exp().sum().item() == pytest.approx(1, abs=1e-6)
    assert len(set(nats.tolist())) == len(every)


def test_one_pass_is_the_chain_rule_token_by_token():
    """As images are made: each pass ends with the instruction of the token that is asked for."""
    model = small_randar(replace(SHORT, heads=2))
    x, labels = tokens(2), torch.tensor([3, 500])
    (order,) = model.draws(KEYS[:2], np.array([0, 5]), (16,))
    arranged, network, found = x.gather(1, order), model.network, torch.zeros(2)
    for n in range(16):
        # Of the tokens from n on, nothing is known yet.
        states = network(
            labels, arranged[:, : n + 1] * (torch.arange(n + 1) < n), order[:, : n + 1]
        )
        log_p = network.head(states[:, -1]).log_softmax(-1)
        found += log_p.gather(1, arranged[:, n : n + 1])[:, 0]
    nats = model.nats(x, (order,), model.prepare(["3", "500"]), torch.arange(2))
    np.testing.assert_allclose(nats, found, atol=1e-4)
    raster = torch.arange(16).expand(2, -1)
    assert (model.nats(x, (raster,), labels, torch.arange(2)) - nats).abs().min() > 1e-3


def test_orders_are_permutations_that_key_and_number_alone_decide():
    model = small_randar(SHORT)
    assert isinstance(model, DrawModel)
    (orders,) = model.draws(KEYS, np.array([0, 1, 7]), (16,))
    assert (orders.sort(dim=1).values == torch.arange(16)).all()
    (alone,) = model.draws(KEYS[2:], np.array([7]), (16,))
    assert (alone == orders[2:]).all()
    (many,) = model.draws(np.repeat(KEYS[:1], 2000, axis=0), np.arange(2000), (16,))
    counts = torch.stack([(many == place).float().mean(dim=0) for place in range(16)])
    assert (counts - 1 / 16).abs().max() < 5 * (15 / 16**2 / 2000) ** 0.5


def test_maps_place_each_token_whenever_it_came():
    model = small_randar(SHORT)
    x, labels, rows = tokens(1), model.prepare(["5"]), torch.zeros(1, dtype=torch.int64)
    (order,) = model.draws(KEYS[:1], np.array([3]), (16,))
    found = model.nat_maps(x, (order,), labels, rows)[0]
    assert found.sum() == pytest.approx(model.nats(x, (order,), labels, rows).item())
    states = model.network(torch.tensor([5]), x.gather(1, order), order)
    first = model.network.head(states[0, 0]).log_softmax(-1)[x[0, order[0, 0]]]
    assert found.flatten()[order[0, 0]].item() == pytest.approx(first.item(), abs=1e-5)


def test_tokens_are_the_codes_of_nearest_direction():
    model = small_randar(SHORT)
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    features = model.tokenizer.features(images).flatten(2).transpose(1, 2)
    alike = functional.cosine_similarity(
        features[:, :, None], model.tokenizer.codebook.weight, dim=-1
    )
    x = model.encode(images)
    np.testing.assert_allclose(
        alike.gather(2, x[..., None])[..., 0], alike.max(dim=2).values, atol=1e-6
    )


def test_draws_average_over_orders_whatever_the_batch():
    model = small_randar(SHORT)
    labels = {name: [n, n + 10] for n, name in enumerate("abc")}

    def evidence(batch_size: int) -> np.ndarray:
        observer = GenerativeClassifier(
            model, labels=labels, combine="best", rule="exhaustive", max_draws=4,
            batch_size=batch_size,
        )  # fmt: skip
        found = {r.stimulus.id: r for r in observer.respond(stimuli(3), list(labels))}
        assert all(each.evaluations == 4 * 6 for each in found.values())
        return np.stack([found[f"image {n}"].evidence for n in range(3)])

    np.testing.assert_allclose(evidence(1), evidence(16), atol=1e-4)


def test_mistakes_are_one_sentence():
    model = small_randar(SHORT, name="tiny")
    with pytest.raises(SynthesightError, match="tiny reads images of 3 × 8 × 8"):
        model.encode(torch.zeros(1, 3, 16, 16))
    model.network.head.weight[3] = torch.nan
    order = torch.arange(16)[None]
    with pytest.raises(SynthesightError, match="tiny gave image codes logits that are −inf or NaN"):
        model.nats(tokens(1), (order,), model.prepare(["1"]), torch.zeros(1, dtype=torch.int64))
