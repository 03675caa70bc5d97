"""Maps of evidence: they add up to it, whatever the rule, the prompts and the kind of model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import synthesight
from builders import noise
from coloured_noise import CLASSES, Blind, Colours
from synthesight.errors import SynthesightError
from synthesight.likelihood.differences import draw_terms
from synthesight.likelihood.evaluator import Evaluator
from synthesight.observers import EvidenceMap, GenerativeClassifier
from synthesight.stimuli.stimulus import Stimulus
from token_models import CountingModel


def picture(seed: int = 0, size: int = 8) -> Image.Image:
    return noise(np.random.default_rng(seed), size)


def between(response, classes, of, against) -> float:
    return response.evidence[classes.index(of)] - response.evidence[classes.index(against)]


@pytest.mark.parametrize("prompt", ["a {class} thing", ["a {class} thing", "a dark {class} thing"]])
@pytest.mark.parametrize("rule", ["exhaustive", "sequential", "staged"])
@pytest.mark.parametrize("weighting", ["jaini", "elbo"])
def test_the_places_add_up_to_the_evidence_between_any_two_classes(prompt, rule, weighting):
    observer = GenerativeClassifier(
        Colours(), classes=CLASSES, prompt=prompt, rule=rule, weighting=weighting, max_draws=24
    )
    found = observer.classify([picture(n) for n in range(3)])
    for of in CLASSES[:2]:
        for against in CLASSES[2:]:
            for each, response in zip(found.maps(of, against), found, strict=True):
                expected = between(response, CLASSES, of, against)
                scale = max(1.0, abs(expected))
                assert each.nats.shape == (8, 8)
                assert abs(each.nats.sum() - expected) < 1e-6 * scale
                assert abs(each.evidence - each.nats.sum()) < 1e-9 * scale
                assert abs(each.upsampled().sum() - expected) < 1e-6 * scale
                assert each.unit == ("nats" if weighting == "elbo" else "score")


def test_by_default_it_is_the_class_chosen_against_its_strongest_rival():
    observer = GenerativeClassifier(Colours(), classes=CLASSES, rule="exhaustive", max_draws=8)
    found = observer.classify(Image.new("RGB", (8, 8), (250, 60, 60)))
    (each,) = found.maps()
    rival = CLASSES[int(np.argsort(found.evidence[0])[-2])]
    assert (each.of, each.against) == ("red", rival)
    assert each.evidence > 0
    assert f": red against {rival}, 8 × 8, +" in repr(each)
    for of, against, pair in ((None, "red", (rival, "red")), (rival, None, (rival, "red"))):
        (each,) = found.maps(of, against)
        assert (each.of, each.against) == pair
        assert each.evidence < 0


def test_the_evidence_is_where_the_colour_is():
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[:, :4] = (255, 0, 0)
    pixels[:, 4:] = (0, 255, 0)
    observer = GenerativeClassifier(Colours(), classes=CLASSES, rule="exhaustive", max_draws=16)
    (each,) = observer.classify(pixels).maps("red", "green")
    assert (each.nats[:, :4] > 0).all()
    assert (each.nats[:, 4:] < 0).all()
    assert (np.abs(each.nats) > 2 * each.standard_error).all()
    np.testing.assert_array_equal(each.image, pixels)


def test_latents_are_upsampled_to_the_image():
    observer = GenerativeClassifier(
        Colours(block=2), classes=CLASSES, rule="exhaustive", max_draws=8
    )
    found = observer.classify(picture())
    (each,) = found.maps("red", "blue")
    assert each.nats.shape == (4, 4)
    large = each.upsampled()
    assert large.shape == (8, 8)
    np.testing.assert_allclose(large, np.kron(each.nats, np.ones((2, 2))) / 4)


def test_upsampling_keeps_the_sum_at_any_size():
    nats = np.random.default_rng(0).normal(size=(5, 3))
    each = EvidenceMap(None, "a", "b", nats, nats, nats.sum(), 0.0, "nats", 1, np.zeros((12, 8, 3)))
    assert each.upsampled().shape == (12, 8)
    assert each.upsampled().sum() == pytest.approx(nats.sum())


def test_parts_of_tokens_are_exact():
    counts = np.random.default_rng(0).integers(1, 9, (3, 4, 5)).astype(float)

    class Placed(CountingModel):
        def nat_maps(self, x, parts, conditioning, rows):
            each = conditioning[rows].gather(2, x[:, :, None])[:, :, 0]
            stop = parts.stop * 4 // self.horizon
            return torch.where(torch.arange(4) < stop, each, 0.0).reshape(-1, 2, 2)

    classes = ["0", "1", "2"]
    for rule, draws in (("exhaustive", None), ("staged", None), ("exhaustive", 2)):
        observer = GenerativeClassifier(
            Placed(counts), classes=classes, prompt="class {class}", rule=rule, max_draws=draws
        )
        found = observer.classify([picture(n, 2) for n in range(4)])
        for of, against in (("0", "1"), ("2", "0")):
            for each, response in zip(found.maps(of, against), found, strict=True):
                expected = between(response, classes, of, against)
                assert each.nats.sum() == pytest.approx(expected, abs=1e-6)
                assert (each.standard_error == 0).all()
                assert each.unit == "nats"


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(1, 7), st.integers(0, 9))
def test_the_standard_error_is_that_of_a_mean(draws, batch, seed):
    values = np.random.default_rng(seed).normal(size=(draws, 2, 3, 2))

    class Table:
        name, resolution, device = "table", 1, torch.device("cpu")

        def draws(self, keys, index, shape):
            return (torch.from_numpy(index),)

    def ask(x, made, conditioning, rows):
        return torch.from_numpy(values[made[0].numpy(), rows.numpy()])

    evaluator = Evaluator(Table(), None, batch_size=batch, ask=ask)
    coefficients = np.array([np.full(draws, 1 / draws), np.full(draws, -1 / draws)])
    key = np.zeros(2, dtype=np.uint64)
    terms = draw_terms(evaluator, torch.zeros(1, 1), key, np.array([[0], [1]]), coefficients)
    difference = values[:, 0] - values[:, 1]
    np.testing.assert_allclose(terms.values, difference.mean(0), atol=1e-12)
    error = difference.std(0, ddof=1) / draws**0.5
    np.testing.assert_allclose(terms.standard_error, error, atol=1e-9)
    total = difference.sum((1, 2)).std(ddof=1) / draws**0.5
    assert terms.evidence_error == pytest.approx(total, abs=1e-9)


def test_a_class_of_several_labels_is_its_best_one():
    image = Image.new("RGB", (8, 8), (250, 20, 20))
    how = {"rule": "exhaustive", "max_draws": 8}
    labels = {"warm": ["red", "dark red"], "cold": ["blue", "green"]}
    observer = GenerativeClassifier(Colours(), classes=["warm", "cold"], labels=labels, **how)
    (each,) = observer.classify(image).maps("warm", "cold")
    single = GenerativeClassifier(
        Colours(), classes=["red", "dark red", "blue", "green"], prompt="{class}", **how
    ).classify(image)
    evidence = dict(zip(single.classes, single.evidence[0], strict=True))
    cold = max(evidence["blue"], evidence["green"])
    assert each.evidence == pytest.approx(evidence["red"] - cold, abs=1e-6)


def test_captions_are_compared_as_whole_prompts():
    observer = GenerativeClassifier(Colours(), rule="exhaustive", max_draws=8)
    captions = ("something red", "something blue")
    stimulus = Stimulus("a.png", picture(), captions=captions)
    (response,) = observer.respond([stimulus], [])
    each = observer.evidence_map(response, captions, of=captions[0])
    expected = between(response, list(captions), *captions)
    assert each.evidence == pytest.approx(expected, abs=1e-6)


def test_what_cannot_be_mapped_says_why():
    network = synthesight.load("natural-32-cnn", device="cpu", classes=["cat", "dog"])
    with pytest.raises(SynthesightError, match="natural-32-cnn is discriminative: only a"):
        network.classify(picture(size=32)).maps()

    observer = GenerativeClassifier(Blind(), classes=CLASSES, rule="exhaustive", max_draws=2)
    found = observer.classify(picture())
    with pytest.raises(SynthesightError, match="blind tells errors, and not where they are"):
        found.maps()

    found = GenerativeClassifier(Colours(), classes=CLASSES, max_draws=4).classify(picture())
    with pytest.raises(SynthesightError, match=r"`of=rde` is no class: did you mean red"):
        found.maps(of="rde")
    with pytest.raises(SynthesightError, match="`of` and `against` are both 'red'"):
        found.maps("red", "red")
    counting = CountingModel(np.ones((2, 4, 3)))
    observer = GenerativeClassifier(counting, classes=["0", "1"])
    with pytest.raises(SynthesightError, match="counting does not tell where its evidence is"):
        observer.classify(picture(size=2)).maps()
