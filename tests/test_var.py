"""VAR: tokens from coarse to fine, and an exact likelihood of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from published_models import SMALL_VAR, small_var
from synthesight.errors import SynthesightError
from synthesight.likelihood import draws
from synthesight.likelihood.protocol import PartModel
from synthesight.likelihood.rules import Staged, agreement
from synthesight.observers.generative import GenerativeClassifier
from synthesight.stimuli.stimulus import Stimulus

KEYS = np.arange(6, dtype=np.uint64).reshape(3, 2)


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def stimuli(count: int) -> list[Stimulus]:
    pixels = ((pictures(count).permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
    return [
        Stimulus(id=f"image {n}", source=Image.fromarray(each)) for n, each in enumerate(pixels)
    ]


@pytest.mark.parametrize("shared", [False, True])
def test_probabilities_of_all_images_add_up_to_one(shared):
    """A likelihood leaks nothing: a token that saw itself or a later one would break this."""
    config = replace(
        SMALL_VAR, sides=(1, 2), codes=3, shared_adaln=shared, attn_l2_norm=not shared, maps=2
    )
    model = small_var(config)
    every = torch.tensor(list(product(range(3), repeat=5)))[:, None]
    labels = model.prepare(["7"])
    nats = model.nats(every, range(2), labels, torch.zeros(len(every), dtype=torch.int64))
    assert nats.sum(dim=1).exp().sum().item() == pytest.approx(1, abs=1e-6)
    assert len(set(nats.sum(dim=1).tolist())) > 200


def test_first_scales_alone_are_what_a_whole_pass_gives_and_cost_less():
    model = small_var()
    assert isinstance(model, PartModel)
    x = model.encode(pictures(3))
    labels, rows = model.prepare(["0", "999"]), torch.tensor([0, 1, 1])
    seen = []
    model.network.register_forward_pre_hook(lambda _, given: seen.append(len(given[2])))
    whole = model.nats(x, range(4), labels, rows)
    for start, stop in [(0, 1), (0, 2), (1, 3), (2, 4), (3, 4)]:
        part = model.nats(x, range(start, stop), labels, rows)
        np.testing.assert_allclose(part, whole[:, start:stop], atol=1e-5)
    assert seen == [30, 1, 5, 14, 30, 30]
    # What comes later changes nothing before.
    changed = x.clone()
    changed[:, :, 5:] = (x[:, :, 5:] + 1) % 16
    again = model.nats(changed, range(4), labels, rows)
    np.testing.assert_allclose(again[:, :2], whole[:, :2], atol=1e-5)
    assert (again[:, 2:] - whole[:, 2:]).abs().min() > 1e-3
    assert sum(model.cost) == pytest.approx(1)
    assert model.cost_of(range(2)) < 5 / 30 < model.cost_of(range(2, 4)) == pytest.approx(1)


def test_generation_scale_by_scale_gives_each_token_its_probability():
    """As images are made: scales 1 to k are computed from tokens of the scales before k alone."""
    model = small_var()
    network, tokenizer, edges = model.network, model.tokenizer, (0, 1, 5, 14, 30)
    tokens = model.encode(pictures(2))[:, 0]
    label = torch.tensor([3, 500])
    drawn, found = torch.zeros(2, 8, 4, 4), []
    known = torch.zeros(2, 0, 8)
    for scale, side in enumerate(SMALL_VAR.sides):
        levels = torch.arange(4).repeat_interleave(torch.tensor([1, 4, 9, 16]))[: edges[scale + 1]]
        logits = network.head(network(label, known, levels))[:, edges[scale] :]
        own = tokens[:, edges[scale] : edges[scale + 1]]
        found.append(logits.log_softmax(-1).gather(2, own[..., None])[..., 0].sum(1))
        vectors = tokenizer.codebook.weight[own].unflatten(1, (side, side)).permute(0, 3, 1, 2)
        if scale < 3:
            vectors = functional.interpolate(vectors, (4, 4), mode="bicubic")
            drawn = drawn + (vectors + tokenizer.maps[scale](vectors)) / 2
            following = functional.interpolate(
                drawn, (SMALL_VAR.sides[scale + 1],) * 2, mode="area"
            )
            known = torch.cat([known, following.flatten(2).transpose(1, 2)], dim=1)
    nats = model.nats(tokens[:, None], range(4), model.prepare(["3", "500"]), torch.arange(2))
    np.testing.assert_allclose(nats, torch.stack(found, dim=1), atol=1e-4)


def test_each_scale_codes_what_the_coarser_ones_left():
    model = small_var()
    tokenizer, images = model.tokenizer, pictures(2)
    features = tokenizer.features(images)
    tokens, edges = tokenizer.tokens(features), tokenizer.edges
    rest, book = features.clone(), tokenizer.codebook.weight
    errors = []
    for scale, side in enumerate(SMALL_VAR.sides):
        pooled = functional.adaptive_avg_pool2d(rest, side)
        apart = torch.cdist(pooled.flatten(2).transpose(1, 2), book.expand(2, -1, -1))
        own = tokens[:, edges[scale] : edges[scale + 1]]
        np.testing.assert_allclose(
            apart.gather(2, own[..., None])[..., 0], apart.min(dim=2).values, atol=1e-5
        )
        rest = rest - tokenizer.drawn(own, scale)
        errors.append(rest.square().mean().item())
    known = tokenizer.so_far(tokens, 4)[:, -16:].transpose(1, 2).unflatten(2, (4, 4))
    last = tokenizer.drawn(tokens[:, edges[3] :], 3)
    np.testing.assert_allclose(known + last + rest, features, atol=1e-5)


def test_candidates_are_pruned_by_scales_as_published():
    """All labels see two scales, three of them all scales; the rule counts and does not share."""
    model = small_var()
    shown, labels = stimuli(3), {name: [n] for n, name in enumerate("abcdefgh")}
    observer = GenerativeClassifier(
        model, labels=labels, rule="staged", stages=((2, 3), (4, 2)), batch_size=8
    )
    found = list(observer.respond(shown, list(labels)))
    nats = model.nats(
        model.encode(pictures_of(shown)).repeat_interleave(8, dim=0),
        range(4),
        model.prepare([str(n) for n in range(8)]),
        torch.arange(8).repeat(3),
    ).view(3, 8, 4)
    cost = [model.cost_of(range(2)), model.cost_of(range(2, 4))]
    for response in found:
        own = nats[int(response.stimulus.id[-1])]
        kept = own[:, :2].sum(1).argsort(descending=True)[:3]
        assert response.response == "abcdefgh"[kept[own[kept].sum(1).argmax()]]
        assert sorted(response.draws) == [2] * 5 + [4] * 3
        # The first scales of those that stay are computed again, and so counted again.
        assert response.evaluations == pytest.approx(8 * cost[0] + 3 * cost[1])
    rule = Staged(4, stages=((2, 3), (4, 2)))
    right, passes = agreement(model, rule, nats.transpose(1, 2).numpy())
    whole = ["abcdefgh"[own.sum(1).argmax()] for own in nats]
    answers = {response.stimulus.id: response.response for response in found}
    assert right == np.mean([answers[f"image {n}"] == whole[n] for n in range(3)])
    assert passes == pytest.approx(8 * cost[0] + 3 * cost[1])


def pictures_of(shown: list[Stimulus]) -> torch.Tensor:
    pixels = np.stack([np.asarray(stimulus.open()) for stimulus in shown])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_smoothing_averages_over_noisy_copies_that_the_stimulus_alone_decides():
    plain, smooth = small_var(), small_var(smoothing=3)
    images, rows = pictures(3), torch.arange(3)
    labels = plain.prepare(["1", "2", "3"])
    features = smooth.encode(images)
    x = smooth.jitter(features, KEYS)
    assert x.shape == (3, 3, 30)
    assert (x[:, 0] != x[:, 1]).any()
    assert (x[:, 1] != x[:, 2]).any()
    each = [plain.nats(x[:, [copy]], range(4), labels, rows) for copy in range(3)]
    nats = smooth.nats(x, range(12), labels, rows)
    np.testing.assert_allclose(nats.sum(1), torch.stack(each).sum(2).mean(0), atol=1e-5)
    np.testing.assert_allclose(nats[:, :4] * 3, each[0], atol=1e-5)
    assert smooth.cost_of(range(12)) == pytest.approx(3)
    assert smooth.cost_of(range(2, 12)) == pytest.approx(3)  # the first copy anew, and two more
    # Other company, the same copies; another stimulus, others.
    torch.testing.assert_close(smooth.jitter(features[2:], KEYS[2:]), x[2:])
    assert (smooth.jitter(features[2:], KEYS[:1]) != x[2:]).any()
    noise = draws.normal_noise(KEYS[:1], np.array([2]), features.shape[1:])
    own = plain.tokenizer.tokens(features[:1] + 0.1 * torch.from_numpy(noise))
    torch.testing.assert_close(x[:1, 2], own)


def test_smoothed_evidence_does_not_depend_on_batches_and_does_on_the_seed():
    labels = {name: [n] for n, name in enumerate("abc")}

    def evidence(batch_size: int, seed: int) -> np.ndarray:
        observer = GenerativeClassifier(
            small_var(smoothing=2), labels=labels, seed=seed, batch_size=batch_size
        )
        found = {r.stimulus.id: r for r in observer.respond(stimuli(3), list(labels))}
        assert all(each.evaluations == 6 for each in found.values())
        return np.stack([found[f"image {n}"].evidence for n in range(3)])

    np.testing.assert_allclose(evidence(1, 0), evidence(8, 0), atol=1e-4)
    assert np.abs(evidence(8, 0) - evidence(8, 1)).max() > 1e-3


def test_maps_add_up_to_the_evidence_and_place_each_token():
    model = small_var(smoothing=2)
    labels = {name: [n] for n, name in enumerate("abc")}
    observer = GenerativeClassifier(model, labels=labels, batch_size=4)
    (response,) = observer.respond(stimuli(1), list(labels))
    found = observer.evidence_map(response, list(labels))
    rival = np.sort(response.evidence)[-2]
    assert found.evidence == pytest.approx(-rival, abs=1e-5)
    assert found.nats.shape == (4, 4)
    assert found.nats.sum() == pytest.approx(-rival, abs=1e-5)
    plain, x, rows = small_var(), model.encode(pictures(1)), torch.zeros(1, dtype=torch.int64)
    tokens = plain.jitter(x, KEYS[:1])
    each = plain.token_nats(tokens[:, 0], model.prepare(["1"]), 1, 2)[0]
    second = plain.nat_maps(tokens, range(1, 2), model.prepare(["1"]), rows)[0]
    corners = [second[:2, :2], second[:2, 2:], second[2:, :2], second[2:, 2:]]
    np.testing.assert_allclose([float(corner.sum()) for corner in corners], each, atol=1e-9)


def test_mistakes_are_one_sentence():
    model = small_var(name="tiny")
    with pytest.raises(SynthesightError, match=r"tiny reads images of 3 × 8 × 8.*not of 3 × 8 × 6"):
        model.encode(torch.zeros(1, 3, 8, 6))
    with pytest.raises(SynthesightError, match="tiny knows labels from 0 to 999, and not 'cat'"):
        model.prepare(["cat"])
    with pytest.raises(SynthesightError, match="`smoothing=0` cannot be"):
        small_var(smoothing=0)
    x, labels = model.encode(pictures(1)), model.prepare(["1"])
    model.network.head.bias[3] = torch.nan
    with pytest.raises(SynthesightError, match="tiny gave image codes logits that are −inf or NaN"):
        model.nats(x, range(4), labels, torch.zeros(1, dtype=torch.int64))
    model.tokenizer.project.bias[0] = torch.nan
    with pytest.raises(SynthesightError, match="tokenizer of tiny gave features that are not fin"):
        model.encode(pictures(1))
