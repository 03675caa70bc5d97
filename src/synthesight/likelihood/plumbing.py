"""Learn how a pipeline's network is called, by watching one call of the pipeline.

Images whose elements tell their own places
(:func:`~synthesight.likelihood.rearrangement.probes`) are handed out by the scheduler, and answers
of the same kind by a network that does not run. Where they turn up says how latents are packed and
unpacked, in what order and with what sign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from synthesight.likelihood.capture import (
    Call,
    Watch,
    flatten,
    has_rows,
    of_length,
    rebuild,
    stacked,
)
from synthesight.likelihood.rearrangement import PROBES, LinearMap, NotCaptured, probes

Path = tuple[Any, ...]
"""Where in a tree of arguments a leaf is."""


@dataclass(frozen=True, eq=False)
class Layout:
    """How the pipeline arranges x for its scheduler and its decoder.

    ``to_sample`` and ``from_sample`` are the maps from x to what the scheduler sees, of type
    ``dtype``, and back; ``latent`` is that from there to what the decoder is given, None for a
    model of pixels.
    """

    to_sample: LinearMap
    from_sample: LinearMap
    dtype: torch.dtype
    latent: LinearMap | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of x: pixels, or latents as the decoder takes them."""
        return self.from_sample.shape


@dataclass(frozen=True, eq=False)
class Plumbing:
    """Where in the arguments of the network things are.

    ``call`` is a call's arguments, as a tree to put others in. ``sample``, ``clocks`` and
    ``prompts`` are paths in it; all other leaves stay as they are. A clock is told rate · timestep
    + offset. Prompts have their rows along the dimension that is given. ``lists`` are paths of
    lists that have a row for each image. ``into`` and ``out_of`` are the maps from x to the
    network's sample, and from its output to the shape of x.
    """

    role: str
    call: dict[str, Any]
    sample: Path
    clocks: dict[Path, tuple[float, float]]
    prompts: dict[Path, int]
    lists: frozenset[Path]
    into: LinearMap
    out_of: LinearMap

    def leaves(self, tree: dict[str, Any]) -> dict[Path, Any]:
        """Return the leaves of a call's arguments."""
        return dict(flatten(tree, lambda path, _: path in self.lists))


@dataclass(frozen=True, eq=False)
class FirstCall:
    """One step with the real network and one prompt.

    It has the network's calls and outputs, more than one where there is guidance; what the
    scheduler saw; which timestep it handed out, a float where time is continuous; and (timesteps,
    sigmas) of the pipeline's own schedule.
    """

    calls: list[tuple[Call, Any]]
    sample: Tensor
    timestep: Tensor
    clock: tuple[Tensor, Tensor | None]

    @property
    def rows(self) -> int:
        """Rows that the network was called with, in all."""
        return sum(len(answer_of(output)) for _, output in self.calls)


def first_call(watch: Watch, arguments: dict[str, Any], timestep: Tensor) -> FirstCall:
    """Run one step of the pipeline."""
    calls: list[tuple[Call, Any]] = []

    def network(call: Call, forward: Callable[..., Any]) -> Any:
        output = forward_rounded(watch.networks[call.role], call, forward)
        calls.append((call, output))
        return output

    def step(_: int, prediction: Tensor, sample: Tensor) -> Tensor:  # noqa: ARG001
        return watch.stop(sample)

    sample = watch.run(arguments, times=timestep.reshape(1), network=network, step=step)
    return FirstCall(calls, sample, timestep, watch.clock)


def learn(
    watch: Watch, arguments: dict[str, Any], first: FirstCall, times: Tensor
) -> tuple[Layout, Plumbing | str]:
    """Watch a call of ``PROBES`` rows in which no network runs.

    ``arguments`` have ``PROBES`` prompts of several lengths; the longest is that of the first call.
    At ``times`` the clock is read; the first is of a step that does not count. Raises NotCaptured
    if not even the layout is a fixed one. In place of the plumbing comes the reason why the
    network's arguments are no fixed function of sample, clock and prompt.
    """
    seen, output = first.calls[0]
    template = answer_of(output)
    device = first.sample.device
    given = probes(first.sample.shape[1:], device)
    # Networks that take lists are not asked to give one here.
    answer = probes(template[0].shape, device).to(template[0].dtype)
    calls: list[Call] = []
    predictions: list[Tensor] = []

    def network(call: Call, forward: Callable[..., Any]) -> Any:  # noqa: ARG001
        calls.append(call)
        leaves = {
            path: _rows_like(value, answer if value is template else answer[:, :0])
            for path, value in flatten(output, of_length(1))
            if has_rows(value)
        }
        return rebuild(output, leaves)

    def step(number: int, prediction: Tensor, _: Tensor) -> Tensor:
        predictions.append(prediction)
        if number + 1 == len(times) and watch.decoder is None:
            return watch.stop(None)
        return given

    latents = watch.run(
        arguments, times=times, network=network, step=step, decode=lambda z: watch.stop(z)
    )
    layout = _layout(first.sample, latents, given)
    try:
        if len(calls) != len(times) or {call.role for call in calls} != {seen.role}:
            raise NotCaptured("the network is not called once a step")
        trees = [dict(flatten(call.arguments, of_length(PROBES))) for call in calls[1:]]
        before = dict(flatten(seen.arguments, of_length(1)))
        if any(list(tree) != list(trees[0]) for tree in trees):
            raise NotCaptured("the network has other arguments at other times")
        sample, into, clocks, prompts = _roles(before, trees, times[1:], given)
        plumbing = Plumbing(
            role=seen.role,
            call=seen.arguments,
            sample=sample,
            clocks=clocks,
            prompts=prompts,
            lists=frozenset(path for path, value in trees[0].items() if isinstance(value, list)),
            into=into.after(layout.to_sample),
            out_of=layout.from_sample.after(LinearMap.learn(predictions[1], answer)),
        )
    except NotCaptured as reason:
        return layout, str(reason)
    return layout, plumbing


def _layout(sample: Tensor, latents: Tensor | None, given: Tensor) -> Layout:
    shape = tuple(sample.shape[1:])
    if latents is None:
        same = LinearMap(None, 1.0, 0.0, shape)
        return Layout(same, same, sample.dtype, None)
    if not isinstance(latents, Tensor) or len(latents) != PROBES:
        raise NotCaptured("the decoder is not given all images at once")
    latent = LinearMap.learn(latents, given)
    return Layout(
        latent.order(shape), LinearMap(latent.index, 1.0, 0.0, latent.shape), sample.dtype, latent
    )


def answer_of(output: Any) -> Any:
    """Return what a network says, of all that it returns."""
    return next(value for _, value in flatten(output, lambda *_: True) if has_rows(value))


def _rows_like(value: Any, rows: Tensor) -> Any:
    return list(rows) if isinstance(value, list) else rows


def _roles(
    before: dict[Path, Any], trees: list[dict[Path, Any]], times: Tensor, given: Tensor
) -> tuple[Path, LinearMap, dict[Path, tuple[float, float]], dict[Path, int]]:
    """Return where the sample is, its map, the clocks with rate and offset, and the prompts."""
    samples, clocks, prompts = [], {}, {}
    for path in trees[0]:
        value, values = before.get(path), [tree[path] for tree in trees]
        if value is None and isinstance(values[0], Tensor) and len(values[0]) == PROBES:
            prompts[path] = 0  # a mask that only prompts of several lengths have
            continue
        if not has_rows(value) and not isinstance(value, int | float | Tensor):
            continue
        axis = _rows_axis(path, value, values[0])
        if any(not _same(values[0], other) for other in values[1:]):
            clocks[path] = _rate(values, times)
        elif axis is not None:
            try:
                samples.append((path, LinearMap.learn(stacked(values[0]), given)))
            except NotCaptured:
                prompts[path] = axis
    if len(samples) != 1 or not clocks:
        raise NotCaptured(f"{len(samples)} of its arguments are images and {len(clocks)} times")
    return *samples[0], clocks, prompts


def _rows_axis(path: Path, one: Any, many: Any) -> int | None:
    """Return the dimension along which a leaf has a row for each image; None if it has none."""
    if isinstance(one, list):
        return 0 if (len(one), len(many)) == (1, PROBES) else None
    if not isinstance(one, Tensor) or one.shape == many.shape:
        return None
    axes = [
        n for n, pair in enumerate(zip(one.shape, many.shape, strict=True)) if pair[0] != pair[1]
    ]
    if len(axes) != 1 or (one.shape[axes[0]], many.shape[axes[0]]) != (1, PROBES):
        raise NotCaptured(f"the shape of {path[-1]} depends on how many images there are")
    return axes[0]


def _rate(values: list[Any], times: Tensor) -> tuple[float, float]:
    """Return rate and offset of a clock, in as many digits as its type has.

    What was read is rounded, and embeddings of time are steep: 0.001 it is, not 0.00099998.
    """
    half = isinstance(values[0], Tensor) and values[0].dtype in (torch.float16, torch.bfloat16)
    digits, bound = (2, 1e-2) if half else (6, 1e-5)
    read, told = list(map(_number, values)), times.cpu().double().tolist()
    slope = (read[1] - read[0]) / (told[1] - told[0])
    rate = float(f"{slope:.{digits}g}")
    offset = float(f"{read[0] - slope * told[0]:.{digits}g}")
    span = max(map(abs, read)) or 1.0
    if any(abs(rate * t + offset - v) > bound * span for t, v in zip(told, read, strict=True)):
        raise NotCaptured("the clock of the network is not linear in the scheduler's")
    return rate, 0.0 if abs(offset) < 0.1 * bound * span else offset


def _number(value: Any) -> float:
    if not isinstance(value, Tensor):
        return float(value)
    if value.is_complex() or bool((value != value.reshape(-1)[0]).any()):
        raise NotCaptured("an argument that changes with time is no number")
    return float(value.reshape(-1)[0])


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Tensor):
        return one.shape == other.shape and bool((one == other).all())
    return bool(one == other)


def forward_rounded(network: nn.Module, call: Call, forward: Callable[..., Any]) -> Any:
    """Call a network with what has a row for each image in the network's precision."""
    dtype = dtype_of(network)
    everything = flatten(call.arguments, lambda *_: True)
    leaves = {path: rounded(value, dtype) for path, value in everything if has_rows(value)}
    arguments = rebuild(call.arguments, leaves)
    return forward(*arguments["args"], **arguments["kwargs"])


def dtype_of(network: nn.Module) -> torch.dtype:
    """Return the precision that most of a network's weights have."""
    count: Counter[torch.dtype] = Counter()
    for parameter in network.parameters():
        if parameter.is_floating_point():
            count[parameter.dtype] += parameter.numel()
    return count.most_common(1)[0][0] if count else torch.float32


def cast(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Put a network's weights in another precision, but for those that it needs in float32."""
    whole = set(getattr(network, "_keep_in_fp32_modules", None) or ())
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.is_floating_point():
            kept = not whole.isdisjoint(name.split("."))
            tensor.data = tensor.data.to(torch.float32 if kept else dtype)
    return network


def rounded(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, list):
        return [rounded(row, dtype) for row in value]
    if not isinstance(value, Tensor):
        return value
    # Times and numbers stay as they are: rounding them would change what they say.
    return value.to(dtype) if value.is_floating_point() and value.ndim >= 2 else value
