"""Keep the weights of linear layers in the order in which a processor multiplies them.

oneDNN reorders a matrix for the processor that it runs on, once, where PyTorch's default hands a
product to a library that takes it as it comes. Processors differ: in float32 it was 0.9 to 0.95
times as fast on the two that docs/explanation/performance.md names, and more than twice as fast on
another. So it is tried, and kept where it pays (:mod:`~synthesight.likelihood.tuning`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SMALL = 2**12  # weights of a layer that is left as it is
LARGE = 2**28  # weights of a network, of which there is to be no second copy


def pack(network: nn.Module) -> int:
    """Let linear layers multiply by packed copies of their weights, which they keep.

    Returns
    -------
    How many layers do. The first call raises ``RuntimeError`` if this build of torch lacks oneDNN.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    layers = [layer for layer in layers if _can_be_packed(layer)]
    if sum(layer.weight.numel() for layer in layers) > LARGE:
        return 0
    for layer in layers:
        layer.forward = _Packed(layer)  # type: ignore[method-assign]
    return len(layers)


def unpack(network: nn.Module) -> bool:
    """Undo :func:`pack`; return whether there was anything to undo."""
    packed = [each for each in network.modules() if isinstance(vars(each).get("forward"), _Packed)]
    for layer in packed:
        del layer.forward
    return bool(packed)


def _can_be_packed(layer: nn.Linear) -> bool:
    # Exactly a linear layer, called as torch calls it: what others made of it is their business.
    if type(layer) is not nn.Linear or "forward" in vars(layer):
        return False
    return layer.weight.numel() >= SMALL and not layer.weight.is_inference()


class _Packed:
    """The product of a layer, with weights that are packed when they are first needed."""

    def __init__(self, layer: nn.Linear) -> None:
        self.layer = layer
        self.weight: Tensor | None = None
        self.state: tuple[int, int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Packed weights can be neither copied nor sent; whoever gets the layer packs its own.
        return {"layer": self.layer, "weight": None, "state": None}

    def __call__(self, input: Tensor) -> Tensor:
        weight, ops = self.layer.weight, torch.ops.mkldnn
        # What changes when the weights do, as by training or loading others.
        state = weight.data_ptr(), weight._version  # noqa: SLF001
        if state != self.state:
            self.weight = ops._reorder_linear_weight(weight.detach(), None)  # noqa: SLF001
            self.state = state
        return ops._linear_pointwise(  # noqa: SLF001
            input, self.weight, self.layer.bias, "none", [], ""
        )
