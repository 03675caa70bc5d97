"""aMUSEd: the real pipeline at tiny random size, against the chain rule and its own call."""

from __future__ import annotations

import copy
import functools
from itertools import combinations, permutations
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import synthesight
import tiny_tokens
from synthesight.errors import SynthesightError
from synthesight.likelihood import DrawModel, Located, Resampler, load_model, stimulus_key
from synthesight.likelihood.precision import choose_precision, nats_difference
from synthesight.likelihood.tokens import Amused
from synthesight.observers.generative import GenerativeClassifier
from tiny_tokens import CODES

PROMPTS = ["a cat", "a bad photo of an elephant beside a bicycle"]
BUILT = functools.cache(tiny_tokens.amused)


def opened(**options: Any) -> Amused:
    return Amused(copy.deepcopy(BUILT()), name="tiny", **{"resolution": 4} | options)


def test_draws_are_unbiased_by_the_chain_rule_over_all_orders() -> None:
    """Exactly, on 2 × 2 codes: 15 masks against 24 orders."""
    model = opened()
    assert isinstance(model, DrawModel)
    x = model.encode(torch.rand(1, 3, 4, 4) * 2 - 1)
    assert x.shape == (1, 2, 2)
    prepared, places = model.prepare(PROMPTS), range(4)
    hidden = [set(chosen) for m in range(1, 5) for chosen in combinations(places, m)]
    masks = torch.tensor([[place in chosen for place in places] for chosen in hidden])
    # Each number m of masked codes is as likely as any other, and so is each mask of m codes.
    chance = torch.tensor([1 / (4 * comb(4, len(chosen))) for chosen in hidden])
    assert chance.sum() == pytest.approx(1)
    count = len(hidden)
    row = torch.ones(count, dtype=torch.int64)
    nats = model.nats(x.expand(count, -1, -1), (masks.view(count, 2, 2),), prepared, row)

    # Of a set of codes that are hidden, and one of them: log p(it | all that are seen).
    @functools.cache
    def known(chosen: frozenset[int], place: int) -> float:
        mask = torch.tensor([[p in chosen for p in places]]).view(1, 2, 2)
        logits = model.pipeline.transformer(
            torch.where(mask, CODES, x),
            encoder_hidden_states=prepared.words[1:],
            pooled_text_emb=prepared.pooled[1:],
            micro_conds=torch.tensor([[4.0, 4.0, 0.0, 0.0, 6.0]]),
        )
        table = logits.flatten(2)[0, :, place].double().log_softmax(dim=0)
        return float(table[x.flatten()[place]])

    orders = [
        sum(known(frozenset(order[t:]), order[t]) for t in places) for order in permutations(places)
    ]
    assert np.std(orders) > 0.01  # orders differ, so that it is their mean
    assert float((chance * nats).sum()) == pytest.approx(np.mean(orders), abs=1e-4)


def test_places_add_up_and_masked_codes_are_drawn_anew() -> None:
    model, rows = opened(), torch.tensor([0, 1, 1])
    assert isinstance(model, Located)
    assert isinstance(model, Resampler)
    x, prepared = model.encode(torch.rand(3, 3, 4, 4) * 2 - 1), model.prepare(PROMPTS)
    keys = np.tile(stimulus_key(0, "a"), (3, 1))
    draws = model.draws(keys, np.arange(3), (2, 2))
    maps = model.nat_maps(x, draws, prepared, rows)
    torch.testing.assert_close(maps.flatten(1).sum(1), model.nats(x, draws, prepared, rows))
    assert (maps[~draws[0]] == 0).all()
    mask = torch.tensor([[True, False], [True, False]]).expand(3, 2, 2)
    made = model.resample(x, mask, prepared, rows, 5)
    assert (made[~mask] == x[~mask]).all()
    assert (made < CODES).all()
    torch.testing.assert_close(made, model.resample(x, mask, prepared, rows, 5))
    found = model.decode(x)
    assert found.shape == (3, 3, 4, 4)
    assert found.abs().max() <= 1


def test_every_number_of_masked_codes_and_every_code_is_as_likely() -> None:
    model = opened()
    keys = np.tile(stimulus_key(0, "a"), (4000, 1))
    (mask,) = model.draws(keys, np.arange(4000), (2, 2))
    assert (mask.dtype, mask.shape) == (torch.bool, (4000, 2, 2))
    numbers = np.bincount(mask.flatten(1).sum(dim=1).numpy(), minlength=5)
    assert numbers[0] == 0
    assert abs(numbers[1:] - 1000).max() <= 3  # they cover 1 to 4 evenly
    single = mask.flatten(1)[mask.flatten(1).sum(dim=1) == 1].float().mean(dim=0)
    assert abs(single - 0.25).max() < 0.05
    (again,) = model.draws(keys[[7, 3]], np.array([7, 3]), (2, 2))
    assert torch.equal(again, mask[[7, 3]])


@pytest.mark.parametrize("resolution", [None, (4, 8)])
def test_a_draw_is_what_the_pipelines_own_call_would_say(resolution: Any) -> None:
    """Its logits with guidance off, for an image of which some codes are masked."""
    model, pipeline = opened(resolution=resolution), copy.deepcopy(BUILT())
    height, width = (8, 8) if resolution is None else resolution
    x = model.encode(torch.rand(1, 3, height, width) * 2 - 1)
    (mask,) = model.draws(stimulus_key(0, "a")[None], np.array([1]), x.shape[1:])
    prepared = model.prepare(PROMPTS)
    said: list[torch.Tensor] = []
    pipeline.transformer.register_forward_hook(lambda _, given, made: said.append(made))
    pipeline.set_progress_bar_config(disable=True)
    for row, prompt in enumerate(PROMPTS):
        pipeline(
            prompt,
            height=height,
            width=width,
            latents=torch.where(mask, CODES, x),
            guidance_scale=1.0,
            num_inference_steps=1,
            output_type="latent",
        )
        table = said.pop()[0].double().log_softmax(dim=0).gather(0, x)[0]
        expected = float(table[mask[0]].mean()) * x.numel()
        found = model.nats(x, (mask,), prepared, torch.tensor([row]))
        assert found.dtype == torch.float64
        assert float(found[0]) == pytest.approx(expected, abs=1e-4)


def test_codes_are_the_nearest_of_pixels_from_0_to_1() -> None:
    model, pipeline = opened(resolution=None), BUILT()
    images = torch.rand(3, 3, 8, 8) * 2 - 1
    found = model.encode(images)
    vectors = pipeline.vqvae.encode((images + 1) / 2).latents.permute(0, 2, 3, 1)
    book = pipeline.vqvae.quantize.embedding.weight
    distance = (vectors[:, :, :, None] - book).norm(dim=4)
    assert torch.equal(found, distance.argmin(dim=3))
    assert len(found.unique()) > 4


def test_the_sequential_rule_decides_as_all_draws_do() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(2)]
    found = {}
    for rule in ("sequential", "exhaustive"):
        observer = GenerativeClassifier(
            opened(resolution=None), classes=["cat", "dog"], rule=rule, max_draws=60, batch_size=64
        )
        found[rule] = observer.classify(images)
    sequential, exhaustive = found["sequential"], found["exhaustive"]
    assert sequential.labels == exhaustive.labels
    assert sequential.evaluations < exhaustive.evaluations == 2 * 2 * 60
    assert GenerativeClassifier(opened(), classes=["cat", "dog"]).rule.name == "sequential"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("amused") / "tiny-amused"
    BUILT().save_pretrained(where)
    return where


def test_it_is_opened_as_any_pipeline_is(folder: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    observer = synthesight.load(
        folder,
        classes=["cat", "dog"],
        device="cpu",
        dtype="bfloat16",
        resolution=16,
        max_draws=20,
        batch_size=8,
    )
    assert isinstance(observer.model, Amused)
    assert (observer.name, observer.model.resolution) == ("tiny-amused", 16)
    weights = {weight.dtype for weight in observer.model.network.parameters()}
    assert weights == {torch.bfloat16}
    assert observer.classify(image).labels[0] in ("cat", "dog")
    described = observer.describe()
    assert described["pipeline"]["pipeline"] == "AmusedPipeline"
    assert described["pipeline"]["source"] == {"model": str(folder)}
    assert described["pipeline"]["micro_conditioning"] == [16, 16, 0, 0, 6]
    assert described["rule"]["name"] == "sequential"
    table = synthesight.score(folder, image, ["a cat", "a dog"], draws=3, batch_size=8)
    assert (table.shape, table["time"].null_count()) == ((6, 5), 6)
    given = load_model(copy.deepcopy(BUILT()))
    assert isinstance(given, Amused)


@pytest.mark.parametrize("kind", ["amused", "Janus"])
def test_precision_is_chosen_by_the_difference_of_two_prompts(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthesight.likelihood import precision
    from test_raster import opened as raster

    model = opened(resolution=None) if kind == "amused" else raster(kind)
    exact = nats_difference(model)
    assert exact.dtype == torch.float64
    assert exact.abs().min() > 0
    assert choose_precision(model, []) == {}
    monkeypatch.setattr(precision, "LIMIT", 10.0)
    monkeypatch.setattr(precision, "FASTER", 0.0)  # whatever it is on this processor
    errors = choose_precision(model, [torch.bfloat16, torch.float16])
    assert 0 < errors["float16"] < errors["bfloat16"]
    assert model.dtype == torch.float16
    monkeypatch.setattr(precision, "LIMIT", 1e-9)
    again = raster(kind) if kind != "amused" else opened(resolution=None)
    choose_precision(again, [torch.bfloat16])
    assert again.dtype == torch.float32
    assert torch.equal(nats_difference(again), exact)


def test_refuse_what_it_cannot_take() -> None:
    model = opened()
    with pytest.raises(SynthesightError, match=r"reads 77 tokens of a prompt, and 'a cat a cat.*"):
        model.prepare(["a dog", "a cat " * 40])
    with pytest.raises(SynthesightError, match=r"makes no images of 5 × 4 pixels: give a `resol"):
        opened(resolution=(5, 4))
    with pytest.raises(SynthesightError, match="tiny gives nats, not errors at times: leave out"):
        GenerativeClassifier(model, classes=["cat", "dog"], weighting="elbo")
    pipeline = copy.deepcopy(BUILT())
    pipeline.vqvae.quantize.embedding.weight = torch.nn.Parameter(torch.ones(CODES + 1, 8))
    with pytest.raises(SynthesightError, match="has 25 vectors, and its network knows 24 codes"):
        Amused(pipeline, name="tiny")
    for weight in model.network.mlm_layer.parameters():
        weight.fill_(float("nan"))
    with pytest.raises(SynthesightError, match="tiny gave image codes logits that are −inf or NaN"):
        GenerativeClassifier(model, classes=["cat", "dog"], batch_size=2).classify(
            np.zeros((8, 8, 3), dtype=np.uint8)
        )
