"""Models of parts and of draws that are no denoisers, through the one engine."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from PIL import Image

from gaussian_mixture import GaussianMixtures
from synthesight.errors import SynthesightError
from synthesight.likelihood.diffusion import as_likelihood
from synthesight.likelihood.protocol import Denoiser, DrawModel, PartModel
from synthesight.likelihood.rules import Exhaustive, RepeatedTTest, Sequential, Staged
from synthesight.observers.generative import GenerativeClassifier
from synthesight.stimuli.stimulus import Stimulus
from token_models import CountingModel, MaskedModel

CLASSES = [str(k) for k in range(6)]


def counting(horizon: int = 4, **more) -> CountingModel:
    counts = np.random.default_rng(1).integers(1, 40, size=(6, 4, 8)).astype(float)
    return CountingModel(counts, horizon, **more)


def masked() -> MaskedModel:
    joint = np.random.default_rng(2).gamma(0.7, size=(6, 2, 2, 2, 2)) + 0.01
    return MaskedModel(joint / joint.sum(axis=(1, 2, 3, 4), keepdims=True))


@pytest.fixture(scope="module")
def stimuli() -> list[Stimulus]:
    pixels = np.random.default_rng(3).integers(0, 256, size=(17, 2, 2, 1), dtype=np.uint8)
    pixels = np.repeat(pixels, 3, axis=3)
    return [Stimulus(id=f"s{i}.png", source=Image.fromarray(p)) for i, p in enumerate(pixels)]


def tokens(stimuli: list[Stimulus], levels: int) -> np.ndarray:
    return (
        np.stack([np.asarray(s.open())[:, :, 0].ravel().astype(int) for s in stimuli])
        * levels
        // 256
    )


def answers(observer, stimuli, classes=None):
    found = {response.stimulus.id: response for response in observer.respond(stimuli, classes)}
    return [found[stimulus.id] for stimulus in stimuli]


def test_objects_are_told_apart_by_what_they_offer():
    assert isinstance(counting(), PartModel)
    assert isinstance(masked(), DrawModel)
    assert not isinstance(masked(), PartModel)
    assert isinstance(GaussianMixtures(np.zeros((1, 1, 12))), Denoiser)


@pytest.mark.parametrize("horizon", [1, 2, 4])
@pytest.mark.parametrize("batch_size", [1, 16, None])
def test_an_exact_model_costs_one_pass_a_class(stimuli, horizon, batch_size):
    """Evidence is log p, nothing is left to chance, and no batch is evaluated for nothing."""
    model = counting(horizon)
    observer = GenerativeClassifier(model, classes=CLASSES, batch_size=batch_size)
    assert observer.rule == Exhaustive(horizon)
    model.passes.clear()
    found = answers(observer, stimuli)
    if batch_size:
        # Beside what was measured to choose a batch: each class once, all parts together.
        assert sum(count for count, _ in model.passes) == 6 * len(stimuli)
        assert {parts for _, parts in model.passes} == {range(horizon)}
    exact = model.log_likelihood(tokens(stimuli, 8))
    probability = np.exp(exact) / np.exp(exact).sum(axis=1, keepdims=True)
    for response, log_p, p in zip(found, exact, probability, strict=True):
        assert response.response == CLASSES[int(log_p.argmax())]
        np.testing.assert_allclose(response.evidence, log_p - log_p.max(), atol=1e-12)
        np.testing.assert_allclose(response.score, p, atol=1e-12)
        assert (response.score_se == 0).all()
        assert response.evaluations == 6
        assert (response.draws == horizon).all()
        assert response.stopped == "all parts seen"
    assert observer.usage_.evaluations == 6 * len(stimuli)


def test_stages_prune_by_parts_and_say_what_they_do_not_know(stimuli):
    model = counting(4, cost=(0.1, 0.2, 0.3, 0.4))
    rule = Staged(4, stages=[(0.25, 0.5), (0.5, 0.34)])
    observer = GenerativeClassifier(model, classes=CLASSES, rule=rule, batch_size=8)
    model.passes.clear()
    seen = tokens(stimuli, 8)
    each = model.log_p[:, np.arange(4), seen].swapaxes(0, 1)  # (B, K, 4)
    for response, parts in zip(answers(observer, stimuli), each, strict=True):
        kept = np.argsort(-parts[:, 0], kind="stable")[:3]
        kept = kept[np.argsort(-parts[kept, :2].sum(axis=1), kind="stable")[:2]]
        winner = kept[parts[kept].sum(axis=1).argmax()]
        assert response.response == CLASSES[winner]
        assert sorted(response.draws) == [1, 1, 1, 2, 4, 4]
        assert set(np.flatnonzero(response.draws == 4)) == set(kept)
        for k, n in enumerate(response.draws):
            shared = parts[k, :n].sum() - parts[winner, :n].sum()
            assert response.evidence[k] == pytest.approx(shared, abs=1e-12)
        assert response.evaluations == pytest.approx(3 * 0.1 + 0.3 + 2 * 1.0)
        assert (np.isnan(response.score_se) == (response.draws < 4)).all()
        assert (response.score_se[response.draws == 4] == 0).all()
    assert {parts for _, parts in model.passes} == {range(1), range(1, 2), range(2, 4)}
    assert max(count for count, _ in model.passes) == 8


@pytest.mark.parametrize("rule", [Exhaustive(3), Staged(4)], ids=lambda r: r.name)
def test_parts_do_not_depend_on_batches_or_order(stimuli, rule):
    reference = answers(GenerativeClassifier(counting(), rule=rule, batch_size=1), stimuli, CLASSES)
    for size, order in ((5, stimuli), (64, stimuli[::-1])):
        found = answers(
            GenerativeClassifier(counting(), rule=rule, batch_size=size), order, CLASSES
        )
        for response in found:
            other = reference[stimuli.index(response.stimulus)]
            np.testing.assert_array_equal(response.evidence, other.evidence)
            assert response.evaluations == other.evaluations


def test_fewer_parts_than_there_are_can_be_asked_for(stimuli):
    model = counting()
    observer = GenerativeClassifier(model, classes=CLASSES, rule=Exhaustive(3), batch_size=16)
    seen = tokens(stimuli, 8)
    partial = model.log_p[:, np.arange(4), seen][:, :, :3].sum(axis=2).T
    for response, log_p in zip(answers(observer, stimuli), partial, strict=True):
        np.testing.assert_allclose(response.evidence, log_p - log_p.max(), atol=1e-12)
        assert response.evaluations == pytest.approx(6 * 0.75)
        assert response.stopped == "draws used up"
    assert GenerativeClassifier(model, rule=Exhaustive(200)).rule == Exhaustive(4)
    assert GenerativeClassifier(model, rule="staged").rule == Staged(4)


@pytest.mark.parametrize("combine", ["logsumexp", "best"])
def test_labels_of_an_exact_model_are_combined(stimuli, combine):
    model = counting()
    labels = {"low": [0, 1, 2, 3], "high": [4, 5]}
    observer = GenerativeClassifier(
        model, classes=["low", "high"], labels=labels, combine=combine, batch_size=16
    )
    exact = np.exp(model.log_likelihood(tokens(stimuli, 8)))
    fold = np.max if combine == "best" else np.mean
    expected = np.log(np.stack([fold(exact[:, :4], axis=1), fold(exact[:, 4:], axis=1)], axis=1))
    for response, log_p in zip(answers(observer, stimuli), expected, strict=True):
        np.testing.assert_allclose(response.evidence, log_p - log_p.max(), atol=1e-9)
        assert response.response == ["low", "high"][int(log_p.argmax())]
        assert response.evaluations == 6
        assert (response.score_se == 0).all()


def test_likelihoods_of_several_prompts_average_in_an_exact_model(stimuli):
    """A class with two names: its likelihood is the mean of theirs, at a pass each."""
    model = counting()
    observer = GenerativeClassifier(
        model, classes=["a", "b"], prompt="{class}", names={"a": ["0", "1"], "b": ["2"]}
    )
    exact = np.exp(model.log_likelihood(tokens(stimuli, 8)))
    expected = np.log(np.stack([exact[:, :2].mean(axis=1), exact[:, 2]], axis=1))
    for response, log_p in zip(answers(observer, stimuli), expected, strict=True):
        np.testing.assert_allclose(response.evidence, log_p - log_p.max(), atol=1e-9)
        assert response.evaluations == 3


@pytest.mark.parametrize("rule", ["sequential", "repeated-t", Sequential(20), RepeatedTTest(20)])
def test_rules_for_draws_refuse_parts(rule):
    with pytest.raises(SynthesightError, match="sequence of 4 parts that ends: use `rule`"):
        GenerativeClassifier(counting(), rule=rule)


def test_the_chain_rule_of_the_masked_model_by_enumeration():
    model = masked()
    table = model.table.numpy()
    for value in range(16):
        bits = tuple(value >> i & 1 for i in range(4))
        expected = np.log(model.joint[(slice(None), *bits)])
        sizes = [bin(pattern).count("1") for pattern in range(16)]
        mean = sum(table[:, p, value] / (4 * comb(4, sizes[p])) for p in range(1, 16))
        np.testing.assert_allclose(mean, expected, atol=1e-12)


def test_draws_of_masks_are_unbiased_for_log_p(stimuli):
    """The engine's mean over draws against the exact log-likelihood, within its standard error."""
    model = masked()
    rule = Exhaustive(4000)
    observer = GenerativeClassifier(model, classes=CLASSES, rule=rule, batch_size=4096)
    bits = tokens(stimuli, 2)
    exact = np.log(model.joint[(slice(None), *bits.T)]).T
    for response, log_p in zip(answers(observer, stimuli[:6]), exact[:6], strict=True):
        best = CLASSES.index(response.response)
        difference = response.evidence - (log_p - log_p[best])
        assert np.abs(difference).max() < 0.25
        assert response.evaluations == 6 * 4000


def test_sequential_applies_to_masks_unchanged(stimuli):
    model = masked()
    observer = GenerativeClassifier(model, classes=CLASSES, batch_size=256)
    assert isinstance(observer.rule, Sequential)
    found = answers(observer, stimuli)
    full = answers(GenerativeClassifier(model, classes=CLASSES, rule="exhaustive"), stimuli)
    agree = np.mean([a.response == b.response for a, b in zip(found, full, strict=True)])
    assert agree >= 0.94
    cost = [sum(r.evaluations for r in each) for each in (found, full)]
    assert cost[0] < 0.7 * cost[1]


def test_a_model_that_gives_no_number_or_another_shape_is_named(stimuli):
    model = counting()
    whole = model.nats
    model.nats = lambda *given: whole(*given) * np.inf
    with pytest.raises(SynthesightError, match="counting gave nats that are not finite"):
        answers(GenerativeClassifier(model, classes=CLASSES, batch_size=8), stimuli)
    model.nats = lambda *given: whole(*given).sum(dim=1)
    with pytest.raises(SynthesightError, match=r"counting gave nats of shape \(8,\), not \(8, 4\)"):
        answers(GenerativeClassifier(model, classes=CLASSES, batch_size=8), stimuli)


def test_what_a_model_has_no_use_for_is_refused():
    with pytest.raises(SynthesightError, match=r"counting gives nats.*leave out `weighting`"):
        GenerativeClassifier(counting(), weighting="elbo")
    with pytest.raises(SynthesightError, match=r"masked gives nats.*leave out `proposal`"):
        GenerativeClassifier(masked(), proposal=[1.0, 2.0])
    with pytest.raises(SynthesightError, match="not 4 numbers adding up to 1"):
        as_likelihood(counting(cost=(0.5, 0.5)))
    with pytest.raises(SynthesightError, match="A dict is no likelihood model"):
        as_likelihood({})  # type: ignore[arg-type]
