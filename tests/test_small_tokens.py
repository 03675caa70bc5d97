"""Small models of image tokens: exact likelihoods, samples, weights, training and opening."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

import synthesight
from builders import done, encoded, picture, refused
from synthesight.errors import SynthesightError
from synthesight.experiments import tokens
from synthesight.experiments.crops import MILD, STRONG, Crops
from synthesight.experiments.images import LabelledImages
from synthesight.experiments.text import prompts_of, train_tokenizer
from synthesight.experiments.token_weighting import fit_weights
from synthesight.likelihood.rules import Exhaustive
from synthesight.likelihood.tokens.small import (
    NetworkSizes,
    SmallTokenModel,
    SmallTokenNetwork,
    TokenizerSizes,
    write,
)
from synthesight.likelihood.tokens.small.codes import FiniteScalars, NearestCodes
from synthesight.observers import registry
from synthesight.stimuli.find import find_stimuli, sample

CPU = torch.device("cpu")
SMALL = TokenizerSizes(
    stem=4, widths=(4, 8, 8), groups=2, levels=2, words=5, components=2, layout_words=6,
    layout_components=3, detail_levels=(3, 2), painter=8,
)  # fmt: skip
NETWORK = NetworkSizes(width=16, depth=2, heads=2, text=128)
OPTIONS = tokens.TokenOptions(
    steps=(4, 2, 4), batch_sizes=(8, 4, 8), views=2, held_out=8, save_every=2,
    tokenizer=SMALL, network=NETWORK,
)  # fmt: skip
CLASSES = ["day", "night"]
EDGES = (0, 1, 4, 20, 84)


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    """Forty pictures of 32 × 32 pixels: bright by day, dark by night."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    pixels = rng.integers(0, 90, (40, 3, 32, 32)) + np.where(labels, 0, 150)[:, None, None, None]
    return LabelledImages(
        torch.from_numpy(pixels.astype(np.uint8)), torch.from_numpy(labels), CLASSES
    )


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    """A model of random weights, whose code words are of real features."""
    torch.manual_seed(0)
    words = train_tokenizer([text for name in CLASSES for text in prompts_of(name)])
    network = SmallTokenNetwork(SMALL, NETWORK, len(words)).eval()
    for parameter in network.transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        whole, places = network.tokenizer.see(images.pixels.float() / 127.5 - 1)
    network.tokenizer.meaning.fit(whole)
    network.tokenizer.layout.fit(places.flatten(0, 1))
    path = tmp_path_factory.mktemp("model")
    write(network, words, EDGES, path)
    return path


@pytest.fixture(scope="module")
def model(folder) -> SmallTokenModel:
    return SmallTokenModel.from_folder(folder)


@pytest.fixture(scope="module")
def seen(model, images):
    """Codes of four images, and two prompts."""
    codes = model.encode(images.pixels[:4].float() / 127.5 - 1)
    return codes, model.prepare(["a photo of a day", "a photo of a night"])


def test_parts_add_up_and_do_not_depend_on_how_many_are_asked_for(model, seen):
    codes, prompts = seen
    rows = torch.tensor([0, 1, 0, 1])
    with torch.inference_mode():
        whole = model.nats(codes, range(model.horizon), prompts, rows)
        pieces = [model.nats(codes, range(p, p + 1), prompts, rows) for p in range(model.horizon)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=1e-5)
    each = model.token_nats(codes, prompts, rows)
    torch.testing.assert_close(each.sum(dim=1), whole.sum(dim=1))
    assert model.horizon == 4
    assert sum(model.cost) == pytest.approx(1)
    assert not torch.allclose(whole[0], model.nats(codes, range(4), prompts, 1 - rows)[0])


def test_places_add_up_to_the_parts(model, seen):
    codes, prompts = seen
    rows = torch.tensor([0, 1, 0, 1])
    with torch.inference_mode():
        nats = model.nats(codes, range(model.horizon), prompts, rows)
        for parts in (range(model.horizon), range(2)):
            maps = model.nat_maps(codes, parts, prompts, rows)
            assert maps.shape == (4, 8, 8)
            whole = nats[:, : parts.stop].sum(1)
            torch.testing.assert_close(maps.sum((1, 2)), whole, rtol=0, atol=1e-4)


def test_a_likelihood_is_the_probability_of_drawing_the_tokens(model, seen):
    """The first two tokens of 4,000 samples occur as often as their likelihood says."""
    _, prompts = seen
    count = 4000
    rows = torch.zeros(count, dtype=torch.int64)
    first = torch.zeros(count, model.tokens, dtype=torch.int64)
    mask = torch.zeros_like(first).bool()
    mask[:, :2] = True
    drawn = model.resample(first, mask, prompts, rows)
    assert (drawn[:, 2:] == 0).all()
    pairs = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    padded = torch.nn.functional.pad(pairs, (0, model.tokens - 2))
    nats = model.token_nats(padded, prompts, torch.zeros(25, dtype=torch.int64))[:, :2]
    expected = nats.sum(dim=1).exp()
    assert expected.sum() == pytest.approx(1, abs=1e-5)
    found = torch.bincount(drawn[:, 0] * 5 + drawn[:, 1], minlength=25) / count
    error = (expected * (1 - expected) / count).sqrt()
    assert ((found - expected).abs() < 4.5 * error + 1e-9).all()
    assert torch.equal(drawn, model.resample(first, mask, prompts, rows))
    assert not torch.equal(drawn, model.resample(first, mask, prompts, rows, seed=1))


def test_a_sample_can_be_seen_and_what_is_kept_stays(model, seen):
    codes, prompts = seen
    rows = torch.tensor([0, 1, 0, 1])
    mask = torch.zeros_like(codes).bool()
    mask[:, 20:] = True
    again = model.resample(codes, mask, prompts, rows)
    assert torch.equal(again[:, :20], codes[:, :20])
    assert not torch.equal(again[:, 20:], codes[:, 20:])
    drawn = model.sample(prompts, rows)
    pictures = model.decode(drawn)
    assert pictures.shape == (4, 3, 32, 32)
    assert pictures.abs().max() <= 1
    assert torch.isfinite(pictures).all()


def test_codes_of_an_image_do_not_depend_on_the_batch_or_on_being_mirrored(model, images):
    pixels = images.pixels[:4].float() / 127.5 - 1
    codes = model.encode(pixels)
    assert codes.shape == (4, 84)
    assert torch.equal(codes[2:3], model.encode(pixels[2:3]))
    assert torch.equal(codes[:, :4], model.encode(pixels.flip(-1))[:, :4])


def test_residual_codes_come_nearer_with_every_level():
    torch.manual_seed(0)
    vectors = torch.randn(500, 6) * torch.tensor([3.0, 2, 1, 1, 0.5, 0.5])
    error = []
    for levels in (1, 2, 4):
        quantiser = NearestCodes(6, 2, levels, 16, 3)
        quantiser.fit(vectors, whitening=0.0)
        codes = quantiser(vectors)
        assert codes.shape == (500, 2 * levels)
        components = (vectors - quantiser.centre) @ quantiser.basis
        words = quantiser.words_of(codes)
        torch.testing.assert_close(words.sum(dim=1), quantiser.vectors(codes))
        error.append(float((components - quantiser.vectors(codes)).square().mean()))
    assert error[0] > 2 * error[1] > 4 * error[2]


def test_finite_scalars_give_each_combination_one_code():
    scalars = FiniteScalars((3, 4, 2))
    codes = torch.arange(24)
    values = scalars.values(codes)
    assert len(set(map(tuple, values.tolist()))) == 24
    assert torch.equal(scalars.codes(values), codes)
    numbers = torch.randn(7, 3, requires_grad=True)
    rounded = scalars(numbers)
    torch.testing.assert_close(scalars.values(scalars.codes(rounded)), rounded.detach())
    rounded.sum().backward()
    assert (numbers.grad > 0).all()


def test_weights_count_the_tokens_that_tell_classes_apart():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (1500,), generator=generator)
    nats = torch.randn(1500, 3, 8, generator=generator, dtype=torch.float64)
    right = torch.nn.functional.one_hot(labels, 3).double()
    nats[:, :, :4] = nats[:, :, :4] * 0.5 + 0.6 * right[:, :, None]
    weight = fit_weights(nats, labels, (4, 4))
    assert weight[:4].min() > 5 * weight[4:].max()
    assert (fit_weights(nats, labels, (4,))[4:] == 0).all()
    # The fit includes how large evidence is, so its softmax is right as often as it says.
    score = (nats @ weight).softmax(dim=1)
    hit = (score.argmax(dim=1) == labels).double().mean()
    assert float(score.max(dim=1).values.mean()) == pytest.approx(float(hit), abs=0.03)


def test_weights_beside_a_model_are_used_recorded_and_can_be_left_out(folder, images, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    for file in folder.iterdir():
        (own / file.name).symlink_to(file)
    weighting = [2.0] * 4 + [1.0] * 16 + [0.0] * 64
    settings = {"classes": CLASSES, "weighting": weighting}
    (own / "synthesight.json").write_text(json.dumps(settings))
    shown = [image.permute(1, 2, 0).numpy() for image in images.pixels[:3]]
    weighted = synthesight.load(own, device="cpu")
    assert weighted.model.edges == (0, 1, 4, 20)
    assert weighted.describe()["weighting"] == weighting
    exact = synthesight.load(own, device="cpu", weighting="elbo")
    assert exact.model.edges == EDGES
    assert exact.describe()["weighting"] == "elbo"
    found = exact.classify(shown)
    assert exact.usage_.evaluations == 6  # three images, two classes, one pass each
    prompts = exact.model.prepare([f"A bad photo of a {name}" for name in CLASSES])
    codes = exact.model.encode(images.pixels[:3].float() / 127.5 - 1)
    each = torch.stack(
        [exact.model.token_nats(codes, prompts, torch.full((3,), row)) for row in range(2)], dim=1
    )
    apart = (each[:, 0] - each[:, 1]).sum(dim=1).numpy()
    np.testing.assert_allclose(found.evidence[:, 0] - found.evidence[:, 1], apart, atol=1e-4)
    apart = (each[:, 0] - each[:, 1]).numpy() @ np.array(weighting)
    evidence = weighted.classify(shown).evidence
    np.testing.assert_allclose(evidence[:, 0] - evidence[:, 1], apart, atol=1e-4)
    for wrong, match in (("jaini", "weighting='jaini'"), ([1.0] * 3, "84 tokens")):
        with pytest.raises(SynthesightError, match=match):
            synthesight.load(own, device="cpu", weighting=wrong)


def test_what_cannot_be_opened_or_read_is_said(folder, model, tmp_path):
    with pytest.raises(SynthesightError, match="reads 24 tokens of a prompt"):
        model.prepare(["day", "day " * 60])
    for name in ("config.json", "model.safetensors"):
        broken = tmp_path / name.split(".")[0]
        broken.mkdir()
        for file in folder.iterdir():
            (broken / file.name).symlink_to(file)
        (broken / name).unlink()
        if name == "config.json":
            settings = json.loads((folder / name).read_text())
            settings["network"]["width"] = 32
            (broken / name).write_text(json.dumps(settings))
        else:
            weights = load_file(folder / name)
            weights.pop("transformer.place")
            save_file(weights, broken / name)
        with pytest.raises(SynthesightError, match="damaged: get it anew"):
            synthesight.load(broken, device="cpu")
    with pytest.raises(SynthesightError, match="`lora`"):
        synthesight.load(folder, device="cpu", lora="x")


def test_a_token_training_resumes_exactly(images, tmp_path):
    steps = []
    whole = tokens.train(
        images, tmp_path / "whole", OPTIONS, device=CPU, report=lambda n, loss: steps.append(n)
    )
    assert steps[-1] == tokens.steps_of(images, OPTIONS) == 18
    expected = load_file(whole / "model.safetensors")

    def stop(step: int, loss: float) -> None:
        if step == 9:  # in the third stage, whose last checkpoint is of its second step
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tokens.train(images, tmp_path / "parts", OPTIONS, device=CPU, report=stop)
    steps.clear()
    parts = tokens.train(
        images, tmp_path / "parts", OPTIONS, device=CPU, report=lambda n, loss: steps.append(n)
    )
    assert steps[0] == 9
    found = load_file(parts / "model.safetensors")
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value)
    with pytest.raises(SynthesightError, match="temperature"):
        tokens.train(images, tmp_path / "whole", replace(OPTIONS, temperature=0.5), device=CPU)
    other = LabelledImages(images.pixels[:, :, :16, :16], images.labels, CLASSES)
    with pytest.raises(SynthesightError, match="scale them"):
        tokens.train(other, tmp_path / "other", OPTIONS, device=CPU)


def test_a_training_by_the_clock_ends_in_time_and_resumes(images, tmp_path):
    long = replace(OPTIONS, steps=(10_000,) * 3)
    steps = []

    def stop(step: int, loss: float) -> None:
        steps.append(step)
        if step > 10_000:  # in the second stage
            raise KeyboardInterrupt

    for most in (200, 1):  # the second call finds the time of the first stage spent
        steps.clear()
        with pytest.raises(KeyboardInterrupt):
            tokens.train(images, tmp_path, long, device=CPU, seconds=0.4, report=stop)
        assert len(steps) <= most


def test_crops_are_of_the_image_and_a_function_of_the_generator():
    ramp = torch.linspace(-1, 1, 32).expand(6, 3, 32, 32).contiguous()
    for crops in (STRONG, MILD):
        one, two = (crops(ramp, torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(one, two)
        assert one.shape == ramp.shape
        assert one.abs().max() <= 1 + 1e-5
    plain = Crops(area=0.25, most=0.25, stretch=1.0)(ramp, torch.Generator().manual_seed(0))
    slope = (plain[:, 0, 0, -2] - plain[:, 0, 0, 1]).abs()
    half = float(ramp[0, 0, 0, -2] - ramp[0, 0, 0, 1]) / 2
    assert slope.numpy() == pytest.approx(half, rel=1e-3)
    grey = Crops(area=1.0, stretch=1.0, grey=1.0)(
        torch.rand(2, 3, 32, 32) * 2 - 1, torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(grey[:, 0], grey[:, 2])


@pytest.mark.stress
def test_the_command_trains_and_what_it_wrote_can_be_evaluated(tmp_path):
    rows = [
        {"image": encoded(picture(32, "white" if i % 2 else "black")), "label": CLASSES[i % 2]}
        for i in range(20)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "data.parquet")
    out = tmp_path / "run"
    given = ["train", "tokens", "--data", tmp_path / "data.parquet", "--out", out]
    sizes = ["--feature-steps", 2, "--token-steps", 2, "--steps", 2, "--batch-size", 4]
    printed = done(*given, *sizes, "--device", "cpu")
    assert "Right on held-out images" in printed
    assert f"The model is in {out / 'model'}" in printed
    evaluated = done(
        "evaluate", "--model", out / "model", "--stimuli", tmp_path / "data.parquet",
        "--out", tmp_path / "trials", "--limit", 4, "--device", "cpu",
    )  # fmt: skip
    assert "day" in evaluated or "4" in evaluated
    assert "--minutes" in refused(*given, "--minutes", "-1")


def test_the_model_that_ships_tells_photographs(data_folder):
    """Half of the photographs by the first third of their tokens: 3.3 passes for ten classes."""
    shown = sample(find_stimuli(data_folder / "cifar10" / "test.parquet"), limit=60)
    observer = synthesight.load("natural-32-ar", device="cpu", rule=Exhaustive(4), batch_size=100)
    found = list(observer.respond(shown))
    assert np.mean([r.response == r.stimulus.category for r in found]) > 0.5
    assert found[0].evaluations == pytest.approx(10 / 3)
    record = observer.describe()
    assert len(record["weighting"]) == 96
    assert not record["pipeline"]["exact"]
    parameters = sum(p.numel() for p in observer.model.network.parameters()) / 1e6
    assert registry.entries()["natural-32-ar"].parameters == pytest.approx(parameters, abs=0.06)
