"""Where a network runs: what torch cannot use is told in one sentence."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch

import synthesight
from apple import AppleGPU
from synthesight.errors import SynthesightError
from synthesight.likelihood.device import best_device, check_device, exact_float32


@pytest.mark.parametrize(
    "device",
    ["privateuseone", "privateuseone:1", "hpu", "xla", "vulkan", "cpu:3", "gpu", "", "cuda:x",
     "meta", "mps"],
)  # fmt: skip
def test_a_device_that_cannot_be_used_is_one_sentence(device):
    with pytest.raises(SynthesightError, match=r"(choose `device=cpu`|choose cpu)"):
        check_device(device)


def test_the_cpu_can_be_used():
    assert check_device("cpu") == torch.device("cpu")


def test_products_are_exact_inside_and_settings_stay():
    """Whether two ways to call a network agree must not hang on what a card's products round to."""
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = "tf32"
        with exact_float32():
            assert (matmul.fp32_precision, conv.fp32_precision) == ("ieee", "ieee")
        assert matmul.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = before


@pytest.mark.parametrize(
    ("model", "options"),
    [("natural-32-cnn", {}), ("natural-32-ar", {}),
     pytest.param("natural-32", {"rule": "exhaustive", "max_draws": 4, "dtype": "float32"},
                  marks=pytest.mark.stress)],
)  # fmt: skip
def test_apples_gpu_answers_as_the_cpu_does(model, options):
    """On a stand-in for it, which refuses float64 and float64 of other devices."""
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    given = {"classes": ["cat", "dog"], **options}
    expected = synthesight.load(model, device="cpu", **given).classify(images)
    with patch.object(torch.backends.mps, "is_available", return_value=True), AppleGPU() as gpu:
        assert best_device() == "mps"
        observer = synthesight.load(model, **given)
        assert observer.device_name == "mps"
        found = observer.classify(images)
    assert gpu.seen > 50
    np.testing.assert_allclose(found.evidence, expected.evidence, rtol=1e-9, atol=1e-9)


def test_the_stand_in_refuses_what_apples_gpu_refuses():
    with AppleGPU():
        there = torch.ones(3).to("mps")
        assert there.device.type == "mps"
        for wrong in (
            there.double, lambda: torch.zeros(2, dtype=torch.float64, device="mps"),
            lambda: torch.ones(3, dtype=torch.float64).to("mps"), there.numpy,
            lambda: there * torch.ones(3, dtype=torch.float64),
        ):  # fmt: skip
            with pytest.raises((TypeError, RuntimeError), match=r"float64|numpy|same device"):
                wrong()
