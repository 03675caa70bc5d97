"""A device that is like Apple's GPU: it knows no float64, and mixes with no other device.

What is on it are CPU tensors of a class of their own. It refuses what torch's own backend refuses.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

MPS = torch.device("mps")


class OnApple(torch.Tensor):
    """A tensor that stands for one on the device mps."""


def placed(value: Any) -> Any:
    return value.as_subclass(OnApple) if isinstance(value, torch.Tensor) else value


def plain(value: torch.Tensor) -> torch.Tensor:
    return value.as_subclass(torch.Tensor)


def is_apple(value: Any) -> bool:
    return isinstance(value, OnApple)


def flat(values: Any) -> list[Any]:
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return [each for value in values for each in flat(value)]
    return [values]


class AppleGPU(TorchFunctionMode):
    """Let tensors live on a device mps that this machine need not have.

    A module's parameters stay what they are, and are known by having been sent there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0  # results on the device
        self.sent: dict[int, torch.Tensor] = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        owner = getattr(getattr(func, "__self__", None), "__name__", "")
        if (
            name == "__get__"
            and owner == "device"
            and (is_apple(args[0]) or id(args[0]) in self.sent)
        ):
            return MPS
        if func is torch.Tensor.to and args:
            wants = [torch.device(each) for each in (*args[1:], *kwargs.values())
                     if isinstance(each, str | torch.device)]  # fmt: skip
            if wants:
                rest = [each for each in args[1:] if isinstance(each, torch.dtype)]
                keep = ("dtype",)
                kwargs = {k: v for k, v in kwargs.items() if k in keep and v is not None}
                value = args[0]
                if wants[0].type != "mps":
                    value = plain(value)
                    return func(value, *rest, **kwargs) if rest or kwargs else value
                becomes = next(iter([*rest, *kwargs.values()]), value.dtype)
                if becomes == torch.float64:
                    raise TypeError("the MPS framework doesn't support float64")
                if isinstance(value, torch.nn.Parameter):
                    self.sent[id(value)] = value
                value = func(value, *rest, **kwargs) if rest or kwargs else value
                return placed(value)
        if func is torch.Tensor.cpu:
            return plain(args[0])
        if func is torch.Tensor.numpy and is_apple(args[0]):
            raise TypeError("can't convert mps:0 device type tensor to numpy")
        there = "device" in kwargs and kwargs["device"] is not None
        if there and torch.device(kwargs["device"]).type == "mps":
            kwargs["device"] = "cpu"
            return self.checked(placed(func(*args, **kwargs)))
        given = [each for each in flat([args, kwargs]) if isinstance(each, torch.Tensor)]
        others = [each for each in given if not is_apple(each) and each.ndim
                  and not isinstance(each, torch.nn.Parameter)]  # fmt: skip
        if any(map(is_apple, given)) and any(e.dtype == torch.float64 for e in others):
            raise RuntimeError("Expected all tensors to be on the same device: mps and cpu")
        return self.checked(func(*args, **kwargs))

    def checked(self, result: Any) -> Any:
        for each in flat(result):
            if is_apple(each):
                self.seen += 1
                if each.dtype == torch.float64:
                    raise TypeError("the MPS framework doesn't support float64")
        return result
