"""The precision of a network, chosen by the error of the difference of two classes."""

from __future__ import annotations

import math

import pytest
import torch

from synthesight.likelihood import load_model, precision
from synthesight.likelihood.pipeline import PipelineDenoiser
from synthesight.likelihood.precision import DRAWS, choose_precision, difference, half_precisions
from tiny_models import stable_diffusion
from tiny_pipelines import PIPELINES

HALVES = [torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def _always_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_seconds", lambda *_: 0.0)


@pytest.fixture
def model() -> PipelineDenoiser:
    return PipelineDenoiser(PIPELINES["StableDiffusionPipeline"].build(), name="tiny")


def usable(model: PipelineDenoiser, dtype: torch.dtype) -> bool:
    """Whether the network is in a precision and gives errors in it."""
    found = difference(model)
    weights = {parameter.dtype for parameter in model.network.parameters()}
    return model.dtype == dtype and weights == {dtype} and bool(torch.isfinite(found).all())


def test_the_difference_is_that_of_two_prompts(model: PipelineDenoiser) -> None:
    found = difference(model)
    assert (found.shape, found.dtype) == ((DRAWS,), torch.float64)
    assert found.abs().min() > 0
    assert torch.equal(difference(model), found)


def test_what_disturbs_the_difference_least_is_chosen(
    model: PipelineDenoiser, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(precision, "LIMIT", 10.0)
    errors = choose_precision(model, HALVES)
    assert list(errors) == ["float16", "bfloat16"]
    assert 0 < errors["float16"] < errors["bfloat16"] < math.inf  # of 3 bits more
    assert usable(model, torch.float16)
    assert model.pipeline.unet.dtype == torch.float16
    assert capfd.readouterr() == ("", "")


def test_float32_is_kept_where_both_disturb_it_too_much(
    model: PipelineDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = difference(model)
    monkeypatch.setattr(precision, "LIMIT", 1e-9)
    errors = choose_precision(model, HALVES)
    assert min(errors.values()) > 1e-9
    assert usable(model, torch.float32)
    assert torch.equal(difference(model), before)


def test_a_precision_that_overflows_is_not_chosen(
    model: PipelineDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.no_grad():
        model.network.conv_out.weight.mul_(1e6)  # type: ignore[union-attr, operator]
    monkeypatch.setattr(precision, "LIMIT", 10.0)
    errors = choose_precision(model, HALVES)
    assert errors["float16"] is None
    assert errors["bfloat16"] < 10
    assert usable(model, torch.bfloat16)


def test_where_float32_does_not_fit_the_first_that_does_is_taken(
    model: PipelineDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def too_large(*_: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory.")

        patch.setattr(model, "errors", too_large)
        assert choose_precision(model, HALVES) == {}
    assert usable(model, torch.float16)


def test_other_errors_are_no_want_of_memory(
    model: PipelineDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("shapes do not go together")

    monkeypatch.setattr(model, "errors", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        choose_precision(model, HALVES)


def test_the_pipelines_own_call_is_measured_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its network too must be the one in half precision, or the error is 0."""
    model = PipelineDenoiser(PIPELINES["StableDiffusionPipeline"].build(), name="tiny")
    model.door = model.reference
    monkeypatch.setattr(precision, "LIMIT", 10.0)
    errors = choose_precision(model, HALVES)
    assert 0 < errors["float16"] < errors["bfloat16"]


def test_half_precisions_of_a_cpu_are_those_it_has_instructions_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {"bf16": torch.bfloat16, "fp16": torch.float16}
    for name in names:
        for has in (True, False):
            monkeypatch.setattr(
                torch.ops.mkldnn, f"_is_mkldnn_{name}_supported", lambda has=has: has
            )
            assert (names[name] in half_precisions(torch.device("cpu"))) is has


def test_a_cpu_takes_half_precision_only_if_asked_and_only_if_faster(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stable_diffusion(tmp_path / "sd")
    monkeypatch.setattr("synthesight.likelihood.loading.half_precisions", lambda _: HALVES)
    monkeypatch.setattr(precision, "LIMIT", 10.0)
    assert load_model(folder).dtype == torch.float32
    times = iter([1.0, 0.9, 0.5])  # in float32, float16 and bfloat16
    monkeypatch.setattr(precision, "_seconds", lambda *_: next(times))
    model = load_model(folder, dtype="auto")
    assert usable(model, torch.bfloat16)
    assert list(model.precision or ()) == ["float16", "bfloat16"]


def test_what_was_measured_is_recorded(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stable_diffusion(tmp_path / "sd")
    monkeypatch.setattr("synthesight.likelihood.loading.half_precisions", lambda _: HALVES)
    monkeypatch.setattr(precision, "LIMIT", 10.0)
    model = load_model(folder, dtype="auto")
    assert model.describe()["precision"] == model.precision
    assert list(model.precision or ()) == ["float16", "bfloat16"]
    assert usable(model, torch.float16)
    assert load_model(folder, dtype=torch.bfloat16).precision is None
    assert load_model(model.pipeline).precision is None  # which keeps its own
