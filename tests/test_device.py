"""Where a network runs: what torch cannot use is told in one sentence."""

from __future__ import annotations

import pytest
import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.device import check_device, exact_float32


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
