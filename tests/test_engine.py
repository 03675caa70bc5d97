"""The batch engine: results do not depend on how the work was done."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from builders import encoded, noise_stimuli, picture
from gaussian_mixture import GaussianMixtures
from synthesight.errors import SynthesightError
from synthesight.likelihood import diffusion, draws
from synthesight.likelihood.draws import normal_noise, stimulus_key, uniforms
from synthesight.likelihood.engine import Engine
from synthesight.likelihood.memory import is_out_of_memory
from synthesight.likelihood.rules import Exhaustive, Sequential, Staged, replay
from synthesight.likelihood.tuning import best_batch_size
from synthesight.likelihood.weighting import TimeSampler
from synthesight.observers.generative import GenerativeClassifier
from synthesight.stimuli.stimulus import Stimulus

CLASSES = [str(k) for k in range(5)]


@pytest.fixture
def model() -> GaussianMixtures:
    rng = np.random.default_rng(2)
    return GaussianMixtures(rng.normal(scale=0.4, size=(5, 2, 12)))


@pytest.fixture
def stimuli() -> list[Stimulus]:
    rng = np.random.default_rng(3)
    return noise_stimuli(rng, 23)


def classifier(model, rule=None, **options) -> GenerativeClassifier:
    options = {"batch_size": 16, "classes": CLASSES, "weighting": "uniform"} | options
    return GenerativeClassifier(model, rule=rule or Sequential(60), **options)


def answers(observer, stimuli):
    return {response.stimulus.id: response for response in observer.respond(stimuli)}


@pytest.mark.parametrize("rule", [Exhaustive(40), Staged(40), Sequential(60)], ids=lambda r: r.name)
def test_results_do_not_depend_on_batches_order_or_shards(model, stimuli, rule):
    reference = answers(classifier(model, rule, batch_size=7), stimuli)
    assert len(reference) == len(stimuli)
    others = [
        answers(classifier(model, rule, batch_size=1), stimuli),
        answers(classifier(model, rule, batch_size=64), stimuli),
        answers(classifier(model, rule, batch_size=16), stimuli[::-1]),
        {
            k: v
            for i in range(3)
            for k, v in answers(classifier(model, rule), stimuli[i::3]).items()
        },
    ]
    for other in others:
        for key, response in reference.items():
            assert other[key].response == response.response
            np.testing.assert_array_equal(other[key].draws, response.draws)
            np.testing.assert_allclose(other[key].evidence, response.evidence, atol=1e-6)


@pytest.mark.parametrize("rule", [Exhaustive(40), Staged(40), Sequential(60)], ids=lambda r: r.name)
def test_the_engine_decides_as_the_rule_does_on_all_errors(model, stimuli, rule):
    """The engine against a plain evaluation of every triple, then the rule on top."""
    observer = classifier(model, rule)
    sampler = TimeSampler.create(model.schedule, "uniform")
    draws = np.arange(rule.max_draws)
    errors = np.empty((len(stimuli), rule.max_draws, 5))
    positions = np.empty((len(stimuli), rule.max_draws))
    for i, stimulus in enumerate(stimuli):
        keys = np.repeat(stimulus_key(0, stimulus.id)[None], len(draws), axis=0)
        positions[i] = uniforms(keys, draws)
        steps = torch.from_numpy(sampler.steps(positions[i]))
        noise = torch.from_numpy(normal_noise(keys, draws, (3, 2, 2)))
        pixels = np.asarray(stimulus.open()).transpose(2, 0, 1).copy()
        x = (torch.from_numpy(pixels).float() / 127.5 - 1).expand(len(draws), -1, -1, -1)
        for k in range(5):
            rows = torch.full((len(draws),), k)
            errors[i, :, k] = model.errors(x, noise, steps, torch.arange(5), rows)
    expected, evaluations = replay(rule, errors, positions)
    found = answers(observer, stimuli)
    assert [found[s.id].response for s in stimuli] == [CLASSES[k] for k in expected]
    assert [found[s.id].evaluations for s in stimuli] == evaluations.tolist()


def test_batches_are_full_until_work_runs_out(model, stimuli):
    model.batches.clear()
    observer = classifier(model, Sequential(60), batch_size=16)
    list(observer.respond(stimuli * 4))
    assert np.mean(np.array(model.batches) == 16) > 0.8
    assert sum(model.batches) == observer.usage_.evaluations


def test_the_seed_changes_the_draws_and_nothing_else_does(model, stimuli):
    first = answers(classifier(model, seed=0), stimuli)
    again = answers(classifier(model, seed=0), stimuli)
    other = answers(classifier(model, seed=1), stimuli)
    assert all(np.array_equal(first[k].evidence, again[k].evidence) for k in first)
    assert any(not np.array_equal(first[k].evidence, other[k].evidence) for k in first)


def test_draws_are_a_pure_function_of_seed_stimulus_and_index():
    key = stimulus_key(5, "edge/cat/cat1.png")
    whole = normal_noise(np.repeat(key[None], 9, axis=0), np.arange(9), (3, 4, 4))
    one = normal_noise(key[None], np.array([6]), (3, 4, 4))
    np.testing.assert_array_equal(whole[6], one[0])
    assert not np.allclose(whole[5], whole[6])
    many = normal_noise(np.repeat(key[None], 400, axis=0), np.arange(400), (3, 32, 32))
    assert abs(many.mean()) < 0.003
    assert abs(many.std() - 1) < 0.003
    assert np.abs(np.corrcoef(many.reshape(400, -1)) - np.eye(400)).max() < 0.15


def test_threads_draw_the_same_noise(monkeypatch):
    keys, index = np.repeat(stimulus_key(0, "a")[None], 9, axis=0), np.arange(9)
    plain = normal_noise(keys, index, (3, 4, 4))
    used = []
    pool = draws.ThreadPoolExecutor
    monkeypatch.setattr(draws, "A_THREAD", 100)
    monkeypatch.setattr(draws, "usable_cores", lambda: 3)
    monkeypatch.setattr(
        draws, "ThreadPoolExecutor", lambda n, **named: used.append(n) or pool(n, **named)
    )
    np.testing.assert_array_equal(normal_noise(keys, index, (3, 4, 4)), plain)
    assert used == [3]


def test_noise_is_made_while_the_network_computes(model, stimuli, monkeypatch):
    plain = answers(classifier(model), stimuli)
    made, make, errors = threading.Semaphore(0), diffusion.normal_noise, model.errors
    ahead = []

    def noise(*given):
        found = make(*given)
        made.release()
        return found

    def slow(*given):
        # The batch's own noise, and then that of the next.
        assert made.acquire(timeout=5)
        if len(ahead) < 5:
            ahead.append(made.acquire(timeout=5))
            made.release()
        return errors(*given)

    monkeypatch.setattr(diffusion, "normal_noise", noise)
    monkeypatch.setattr(model, "errors", slow)
    found = answers(classifier(model), stimuli)
    assert ahead == [True] * 5
    for key, response in plain.items():
        np.testing.assert_array_equal(found[key].evidence, response.evidence)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("draws")]


def test_times_cover_the_unit_interval_evenly():
    keys = np.repeat(stimulus_key(0, "x")[None], 89, axis=0)
    gaps = np.diff(np.sort(uniforms(keys, np.arange(89))))
    assert gaps.max() < 2.7 / 89  # the golden ratio's largest gap stays near φ / n


def test_out_of_memory_halves_the_batch_and_goes_on(model, stimuli):
    plain = answers(classifier(model, batch_size=4), stimuli)
    whole = model.errors

    def errors(x, *rest):
        if len(x) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(x, *rest)

    model.errors = errors
    observer = classifier(model, batch_size=64)
    found = answers(observer, stimuli)
    assert observer.usage_.batch_size <= 5
    assert observer.usage_.halvings >= 1
    assert {k: r.response for k, r in found.items()} == {k: r.response for k, r in plain.items()}
    assert best_batch_size(observer.likelihood, torch.arange(5))[0] <= 5


def test_memory_that_holds_not_even_one_says_so(model, stimuli):
    def errors(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model.errors = errors
    with pytest.raises(SynthesightError, match="not even one image fits in memory"):
        list(classifier(model).respond(stimuli))


def test_other_errors_are_not_swallowed(model, stimuli):
    def errors(*_):
        raise RuntimeError("a bug")

    model.errors = errors
    with pytest.raises(RuntimeError, match="a bug"):
        list(classifier(model).respond(stimuli))


def test_broken_images_are_answered_with_their_error(model, stimuli):
    broken = [Stimulus(id=f"b{i}.png", source=b"not an image") for i in range(3)]
    found = answers(classifier(model), [*broken, *stimuli])
    assert sum(r.error is not None for r in found.values()) == 3
    assert sum(r.error is None for r in found.values()) == len(stimuli)
    only = answers(classifier(model), broken)
    assert len(only) == 3


def test_images_are_read_as_they_are_needed(model):
    """Memory does not grow with the number of images: they are not all read at once."""
    opened = 0

    def endless():
        nonlocal opened
        while True:
            opened += 1
            yield Stimulus(id=f"{opened}", source=encoded(picture()))

    responses = classifier(model).respond(endless())
    for _ in range(50):
        next(responses)
    assert opened < 300
    responses.close()


def test_prompts_are_averaged_over_draws(model, stimuli):
    seen = set()
    whole = model.errors

    def errors(x, noise, steps, conditioning, rows):
        seen.update(rows.tolist())
        return whole(x, noise, steps, conditioning, rows)

    model.errors = errors
    observer = classifier(model, Exhaustive(8), prompt=["a {class}", "the {class}"])
    reference = answers(classifier(model, Exhaustive(8)), stimuli)
    found = answers(observer, stimuli)
    assert seen == set(range(10))  # five classes in two wordings
    assert all(r.evaluations == 40 for r in found.values())
    # The mixture takes both wordings for the same class, so nothing else may change.
    for key, response in reference.items():
        np.testing.assert_allclose(found[key].evidence, response.evidence)


@pytest.mark.parametrize("combine", ["logsumexp", "best"])
def test_labels_are_combined(model, stimuli, combine):
    labels = {"low": [0, 1, 2], "high": [3, 4]}
    single = answers(classifier(model, Exhaustive(30)), stimuli)
    observer = classifier(
        model, Exhaustive(30), classes=["low", "high"], labels=labels, combine=combine
    )
    for key, response in answers(observer, stimuli).items():
        evidence = single[key].evidence
        parts = [evidence[:3], evidence[3:]]
        if combine == "best":
            expected = np.array([part.max() for part in parts])
        else:
            expected = np.array([np.log(np.mean(np.exp(part))) for part in parts])
        np.testing.assert_allclose(response.evidence, expected - expected.max(), atol=1e-9)
        assert response.response == ["low", "high"][int(expected.argmax())]


@pytest.mark.parametrize("rule", [Sequential(60), Staged(60)], ids=lambda r: r.name)
def test_rules_weigh_classes_and_not_their_best_label(rule):
    """One label of many is the best of all, and yet its class is the worse one."""
    rng = np.random.default_rng(0)
    means = np.zeros((41, 1, 12))
    means[1:40] = 3.0
    means[40] = 0.1
    model = GaussianMixtures(means)
    stimuli = noise_stimuli(rng, 6, low=100, high=156)
    labels = {"many": list(range(40)), "one": [40]}
    options = {"classes": ["many", "one"], "labels": labels, "batch_size": 64}
    exhaustive = answers(classifier(model, Exhaustive(60), **options), stimuli)
    found = answers(classifier(model, rule, **options), stimuli)
    for key, response in found.items():
        assert exhaustive[key].response == response.response == "one"
        assert response.evidence.argmax() == 1
    cost = [sum(r.evaluations for r in each.values()) for each in (found, exhaustive)]
    assert cost[0] < cost[1]


def test_a_class_without_labels_is_named(model, stimuli):
    observer = classifier(model, classes=["low", "other"], labels={"low": [0]})
    with pytest.raises(SynthesightError, match="'other'"):
        list(observer.respond(stimuli))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_of_ones_own_that_gives_no_number_is_named(model, stimuli, value):
    whole = model.errors

    def errors(x, noise, steps, *rest):
        found = whole(x, noise, steps, *rest)
        found[-1] = value
        return found

    model.errors = errors
    with pytest.raises(SynthesightError, match=r"mixtures gave a non-finite error at time 0\.\d"):
        list(classifier(model).respond(stimuli))


def test_a_model_of_ones_own_that_gives_the_wrong_shape_is_named(model, stimuli):
    whole = model.errors
    model.errors = lambda *triples: whole(*triples)[:, None]
    with pytest.raises(SynthesightError, match=r"mixtures gave errors of shape \(16, 1\).*\(16,\)"):
        list(classifier(model).respond(stimuli))


def test_out_of_memory_of_a_filled_up_batch_halves_what_was_run(model, stimuli):
    """Filled up to 64, even a single triple may not fit; that says nothing about less."""
    whole = model.errors
    limit = 64

    def errors(x, *rest):
        if len(x) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(x, *rest)

    model.errors = errors
    observer = classifier(model, Exhaustive(1), classes=CLASSES[:3])
    engine = Engine(
        observer.likelihood, np.arange(3)[:, None], model.prepare(CLASSES[:3]), observer.rule,
        batch_size=64, one_shape=True,
    )  # fmt: skip
    limit = 32
    assert len(list(engine.run(stimuli[:1]))) == 1
    assert engine.usage.batch_size == 32


def test_images_that_do_not_fit_together_are_encoded_in_parts(model, stimuli):
    plain = answers(classifier(model, batch_size=64), stimuli)
    sizes = []

    def encode(images):
        if len(images) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        sizes.append(len(images))
        return images

    model.encode = encode
    found = answers(classifier(model, batch_size=64), stimuli)
    assert sizes == [1] * len(sizes)
    for key, response in plain.items():
        np.testing.assert_array_equal(found[key].evidence, response.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory",
        "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA driver error: out of memory",
        "The compiled graph failed: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "Triton Error [CUDA]: out of memory",
        "HIP error: out of memory",
        "[enforce fail at alloc_cpu.cpp:90] DefaultCPUAllocator: not enough memory: you tried",
    ],
)
def test_out_of_memory_has_many_names(text):
    assert is_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
        "CUDA error: an illegal memory access was encountered",
        "out of resource: shared memory, Required: 131072, Hardware limit: 101376",
        "Found no NVIDIA driver on your system.",
    ],
)
def test_other_failures_are_not_out_of_memory(text):
    assert not is_out_of_memory(RuntimeError(text))


def test_numpys_want_of_memory_halves_the_batch_too(model, stimuli, monkeypatch):
    """The noise is made by numpy, which raises no RuntimeError."""
    plain = answers(classifier(model, batch_size=64), stimuli)
    make = diffusion.normal_noise

    def limited(keys, draws, shape):
        if len(keys) > 4:
            raise MemoryError("Unable to allocate 2.00 GiB for an array")
        return make(keys, draws, shape)

    monkeypatch.setattr(diffusion, "normal_noise", limited)
    observer = classifier(model, batch_size=64)
    found = answers(observer, stimuli)
    assert observer.usage_.halvings > 0
    for key, response in plain.items():
        np.testing.assert_array_equal(found[key].evidence, response.evidence)


def test_the_labels_are_part_of_what_made_the_answers(model):
    labels = {"low": [0, 1], "high": [3, 4]}
    observer = classifier(model, classes=["low", "high"], labels=labels)
    assert observer.describe()["labels"] == {"low": ["0", "1"], "high": ["3", "4"]}
    assert classifier(model).describe()["labels"] is None


def test_no_images_give_empty_answers(model):
    found = classifier(model).classify([])
    assert found.labels == []
    assert found.score.shape == found.score_se.shape == found.evidence.shape == (0, 5)
    assert len(found.frame()) == 0


@pytest.mark.parametrize("missing", [0, 1, 2, 9])
def test_a_batch_is_filled_up_whatever_it_lacks(model, stimuli, missing):
    """Three draws of five classes are fifteen evaluations."""
    expected = answers(classifier(model, Exhaustive(3), batch_size=1), stimuli[:1])
    observer = classifier(model, Exhaustive(3))
    engine = Engine(
        observer.likelihood, np.arange(5)[:, None], model.prepare(CLASSES), Exhaustive(3),
        batch_size=15 + missing, one_shape=True,
    )  # fmt: skip
    model.batches.clear()
    (decision,) = engine.run(stimuli[:1])
    assert CLASSES[decision.unit] == expected[stimuli[0].id].response
    assert model.batches == [15 + missing]


def test_prompts_that_do_not_fit_in_memory_are_told(model, stimuli):
    def prepare(prompts):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model.prepare = prepare
    with pytest.raises(SynthesightError, match="5 prompts cannot be encoded"):
        list(classifier(model).respond(stimuli))
