"""The captured call of a pipeline's network: prompts, batches and the network's replacement."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from synthesight.errors import SynthesightWarning
from synthesight.likelihood.doors import CapturedCall
from synthesight.likelihood.pipeline import PipelineDenoiser
from synthesight.likelihood.protocol import Denoiser
from tiny_pipelines import PIPELINES

KEYS = ["StableDiffusionPipeline", "PixArtSigmaPipeline", "FluxPipeline", "DiTPipeline"]


def fresh(key: str) -> PipelineDenoiser:
    tiny = PIPELINES[key]
    return PipelineDenoiser(tiny.build(), name=key, resolution=tiny.resolution)


opened = functools.cache(fresh)


def prompts_of(model: PipelineDenoiser) -> list[str]:
    return list(map(str, PIPELINES[model.name].prompts[:3]))


def triples(model: PipelineDenoiser, count: int = 6) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, noise, steps and rows of as many random triples."""
    generator = torch.Generator().manual_seed(3)
    x = model.encode(torch.rand(count, 3, *model.size, generator=generator) * 2 - 1)
    noise = torch.randn(x.shape, generator=generator)
    steps = torch.randint(20, 900, (count,), generator=generator)
    return x, noise, steps, torch.arange(count) % 3


@pytest.mark.parametrize("key", KEYS)
def test_errors_depend_on_the_prompt_and_not_on_the_batch(key: str) -> None:
    model = opened(key)
    assert isinstance(model, Denoiser)
    x, noise, steps, rows = triples(model)
    prepared = model.prepare(prompts_of(model))
    errors = model.errors(x, noise, steps, prepared, rows)
    assert (errors.shape, errors.dtype) == ((6,), torch.float64)
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    shuffled = model.errors(x[order], noise[order], steps[order], prepared, rows[order])
    torch.testing.assert_close(shuffled, errors[order], rtol=1e-5, atol=1e-6)
    others = model.errors(x, noise, steps, prepared, (rows + 1) % 3)
    assert ((others - errors).abs() > 1e-7 * errors).all()


class Wrapped(nn.Module):
    """A network in a module of its own, as ``torch.compile`` returns it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.calls = 0

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self.network(*args, **kwargs)


def test_the_network_can_be_replaced() -> None:
    model = fresh("StableDiffusionPipeline")
    x, noise, steps, rows = triples(model)
    prepared = model.prepare(prompts_of(model))
    before = model.errors(x, noise, steps, prepared, rows)
    model.network = Wrapped(model.network.to(memory_format=torch.channels_last))
    after = model.errors(x, noise, steps, prepared, rows)
    assert model.network.calls == 1
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def test_padding_that_is_masked_is_left_out() -> None:
    model = fresh("PixArtSigmaPipeline")
    x, noise, steps, rows = triples(model)
    assert isinstance(model.door, CapturedCall)
    cut, kept = list(model.door.variants())[:2]
    assert (cut.trimmed, kept.trimmed) == (True, False)
    found, lengths = [], []
    for door in (cut, kept):
        model.door = door
        prepared = door.prepare(prompts_of(model))
        (tokens,) = (
            value
            for path, value in prepared.leaves[0].items()
            if path[-1] == "encoder_hidden_states"
        )
        lengths.append(tokens.shape[1])
        found.append(model.errors(x, noise, steps, prepared, rows))
    assert lengths[0] < lengths[1] == 300
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("key", ["DiTPipeline", "IFPipeline", "PixArtSigmaPipeline"])
def test_predicted_variance_is_dropped(key: str) -> None:
    model = fresh(key)
    x, noise, steps, rows = triples(model)
    prepared = model.prepare(prompts_of(model))
    outputs: list[Tensor] = []
    model.network.register_forward_hook(lambda _m, _i, output: outputs.append(output[0]))
    errors = model.errors(x, noise, steps, prepared, rows)
    channels = x.shape[1]
    assert outputs[0].shape[1] == 2 * channels
    snr = torch.as_tensor(model.schedule.snr)[steps].view(-1, 1, 1, 1)
    estimate = x - (outputs[0][:, :channels] - noise).double() / snr.sqrt()
    if key == "IFPipeline":  # whose x̂ is cut off at the range of pixels
        estimate = estimate.clamp(-1, 1)
    expected = (x - estimate).square().sum((1, 2, 3))
    torch.testing.assert_close(errors, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("key", ["StableDiffusionPipeline", "PixArtSigmaPipeline"])
def test_prompts_that_are_cut_are_announced(key: str) -> None:
    model = opened(key)
    with pytest.warns(SynthesightWarning, match="too long for the text encoder, which does not"):
        model.prepare(["a cat", "cat " * 400])
    with warnings.catch_warnings():
        warnings.simplefilter("error", SynthesightWarning)
        model.prepare(["a cat", "A bad photo of an elephant beside a bicycle"])
