"""Two doors to the network of any pipeline.

*The scheduler's*: run the pipeline's own call with a scheduler that hands out our time and our z,
and take what reaches its ``step``. Packing, position ids, masks, clock, sign and text encoding stay
the pipeline's own: this is the reference. One time and one prompt a call.

*The captured call*: learn once which of the network's arguments carry the sample, the clock and
the prompt, then call the network directly with any mix of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from synthesight.likelihood.capture import (
    PROBES,
    Call,
    LinearMap,
    NotCaptured,
    Watch,
    flatten,
    is_row_list,
    probes,
    rebuild,
    rows_of,
)

PROMPTS_AT_ONCE = 32
TOKEN_MULTIPLE = 8  # lengths that suit attention kernels

Path = tuple[Any, ...]
Arguments = Callable[[list[Any]], dict[str, Any]]
"""The arguments of the pipeline's call for some prompts."""


@dataclass(frozen=True, eq=False)
class Layout:
    """How the pipeline arranges x for its scheduler and its decoder.

    Attributes
    ----------
    to_sample, from_sample
        From x to what the scheduler sees, and back.
    dtype
        Of what the scheduler sees.
    latent
        From what the scheduler sees to what the decoder is given; None for a model of pixels.
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

    Attributes
    ----------
    role
        The network that is called.
    call
        A call's arguments, as a tree to put others in.
    sample, clocks, prompts
        Paths in the tree; all other leaves stay as they are. A clock is told rate · timestep +
        offset, in the type given.
    as_list
        Whether the sample is a list of one tensor an image.
    into, out_of
        From x to the network's sample, and from its output to the shape of x.
    """

    role: str
    call: dict[str, Any]
    sample: Path
    clocks: dict[Path, tuple[float, float]]
    prompts: tuple[Path, ...]
    as_list: bool
    into: LinearMap
    out_of: LinearMap


@dataclass(frozen=True, eq=False)
class FirstCall:
    """One step with the real network and one prompt.

    Attributes
    ----------
    calls
        The network's calls and outputs: more than one where there is guidance.
    sample
        What the scheduler saw.
    clock
        (timesteps, sigmas) of the pipeline's own schedule.
    """

    calls: list[tuple[Call, Any]]
    sample: Tensor
    clock: tuple[Tensor, Tensor | None]

    @property
    def rows(self) -> int:
        """Rows that the network was called with, in all."""
        return sum(rows_of(_answer(output)) or 0 for _, output in self.calls)


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
    return FirstCall(calls, sample, watch.clock)


def learn(
    watch: Watch, arguments: dict[str, Any], first: FirstCall, times: Tensor
) -> tuple[Layout, Plumbing | str]:
    """Watch a call of ``PROBES`` rows in which no network runs.

    Parameters
    ----------
    arguments
        Of the pipeline's call, with ``PROBES`` times one prompt.
    times
        Timesteps at which the clock is read; the first is of a step that does not count.

    Returns
    -------
    layout
        How x is arranged.
    plumbing
        Or the reason why the network's arguments are no fixed function of sample, clock and prompt.

    Raises
    ------
    NotCaptured
        If not even the layout is a fixed one.
    """
    seen, output = first.calls[0]
    template = _answer(output)
    device = first.sample.device
    given = probes(first.sample.shape[1:], device)
    # Networks that take lists are not asked to give one here.
    answer = probes(_one_row(template).shape, device).to(_one_row(template).dtype)
    calls: list[Call] = []
    predictions: list[Tensor] = []

    def network(call: Call, forward: Callable[..., Any]) -> Any:  # noqa: ARG001
        calls.append(call)
        leaves = {
            path: _rows_like(value, answer if value is template else answer[:, :0])
            for path, value in flatten(output)
            if _rows(value)
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
        trees = [dict(flatten(call.arguments)) for call in calls[1:]]
        before = dict(flatten(seen.arguments))
        if any(list(tree) != list(before) for tree in trees):
            raise NotCaptured("the network has other arguments at other times")
        sample, into, clocks, prompts = _roles(before, trees, times[1:], given)
        plumbing = Plumbing(
            role=seen.role,
            call=seen.arguments,
            sample=sample,
            clocks=clocks,
            prompts=prompts,
            as_list=is_row_list(before[sample]),
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


def _answer(output: Any) -> Any:
    """Return what a network says, of all that it returns."""
    return next(value for _, value in flatten(output) if _rows(value))


def _one_row(value: Any) -> Tensor:
    return value[0]


def _rows_like(value: Any, rows: Tensor) -> Any:
    return list(rows) if is_row_list(value) else rows


def _roles(
    before: dict[Path, Any], trees: list[dict[Path, Any]], times: Tensor, given: Tensor
) -> tuple[Path, LinearMap, dict[Path, tuple[float, float]], tuple[Path, ...]]:
    """Return where the sample is, its map, the clocks with rate and offset, and the prompts."""
    samples, clocks, prompts = [], {}, []
    for path, value in before.items():
        values = [tree[path] for tree in trees]
        if not _rows(value) and not isinstance(value, int | float | Tensor):
            continue
        if any(not _same(values[0], other) for other in values[1:]):
            clocks[path] = _rate([_number(each) for each in values], times)
        elif rows_of(value) == 1 and rows_of(values[0]) == PROBES:
            try:
                samples.append((path, LinearMap.learn(_stacked(values[0]), given)))
            except NotCaptured:
                prompts.append(path)
        elif isinstance(value, Tensor) and value.shape != values[0].shape:
            raise NotCaptured(f"the shape of {path[-1]} depends on how many images there are")
    if len(samples) != 1 or not clocks:
        raise NotCaptured(f"{len(samples)} of its arguments are images and {len(clocks)} times")
    return *samples[0], clocks, tuple(prompts)


def _rate(values: list[float], times: Tensor) -> tuple[float, float]:
    told = times.double().tolist()
    rate = (values[1] - values[0]) / (told[1] - told[0])
    offset = values[0] - rate * told[0]
    span = max(map(abs, values)) or 1.0
    for time, value in zip(told, values, strict=True):
        if abs(rate * time + offset - value) > 1e-5 * span:
            raise NotCaptured("the clock of the network is not linear in the scheduler's")
    return rate, 0.0 if abs(offset) < 1e-6 * span else offset


def _number(value: Any) -> float:
    if not isinstance(value, Tensor):
        return float(value)
    if value.is_complex() or bool((value != value.reshape(-1)[0]).any()):
        raise NotCaptured("an argument that changes with time is no number")
    return float(value.reshape(-1)[0])


def _same(one: Any, other: Any) -> bool:
    if is_row_list(one) and not _numbers(one):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Tensor):
        return one.shape == other.shape and bool((one == other).all())
    return bool(one == other)


def _rows(value: Any) -> bool:
    """Whether a leaf may have a row for each image."""
    return (isinstance(value, Tensor) and value.ndim > 0) or is_row_list(value)


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and not isinstance(value[0], Tensor)


def _stacked(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if len({v.shape for v in value}) != 1:
        raise NotCaptured("images of one batch have different shapes")
    return torch.stack(value)


def forward_rounded(network: nn.Module, call: Call, forward: Callable[..., Any]) -> Any:
    """Call a network with what has a row for each image in the network's precision."""
    dtype = dtype_of(network)
    leaves = {
        path: _rounded(value, dtype)
        for path, value in flatten(call.arguments)
        if isinstance(value, Tensor) or (is_row_list(value) and not _numbers(value))
    }
    arguments = rebuild(call.arguments, leaves)
    return forward(*arguments["args"], **arguments["kwargs"])


def dtype_of(network: nn.Module) -> torch.dtype:
    """Return the precision of a network's weights."""
    return next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)


def _rounded(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, list):
        return [_rounded(row, dtype) for row in value]
    # Times and numbers stay as they are: rounding them would change what they say.
    return value.to(dtype) if value.is_floating_point() and value.ndim >= 2 else value


@dataclass(frozen=True, eq=False)
class Prepared:
    """Prompts as the network takes them.

    Attributes
    ----------
    groups
        Trees of arguments; prompts whose arguments have one shape share a tree.
    leaves
        For each group, the leaves that have a row for each prompt.
    group, row
        int64, shape (K,): where each prompt is.
    """

    groups: list[dict[str, Any]]
    leaves: list[dict[Path, Any]]
    group: Tensor
    row: Tensor


class CapturedCall:
    """Calls the network directly.

    Parameters
    ----------
    watch, plumbing
        The pipeline, and what was learnt of it.
    arguments
        Of the pipeline's call, for some prompts.
    timestep
        At which prompts are captured.
    alone
        Whether each prompt is encoded in a call of its own, since others' company changes it.
    trimmed
        Whether padding that is masked for all prompts is cut off.
    """

    def __init__(
        self,
        watch: Watch,
        plumbing: Plumbing,
        arguments: Arguments,
        timestep: Tensor,
        *,
        alone: bool = False,
        trimmed: bool = True,
    ) -> None:
        self.watch = watch
        self.plumbing = plumbing
        self.network = watch.networks[plumbing.role]
        self.alone = alone
        self.trimmed = trimmed
        self._arguments = arguments
        self._timestep = timestep
        self._dtype = dtype_of(self.network)

    def __repr__(self) -> str:
        return "captured call" + (", prompts encoded one by one" if self.alone else "")

    @torch.no_grad()
    def prepare(self, prompts: list[Any]) -> Prepared:
        """Return the prompts as the pipeline hands them to its network."""
        size = 1 if self.alone else PROMPTS_AT_ONCE
        trees: list[dict[str, Any]] = []
        for start in range(0, len(prompts), size):
            trees.append(self._captured(prompts[start : start + size]))
        return self._grouped(trees)

    def variants(self) -> Iterator[CapturedCall]:
        """Yield ways to capture prompts, the cheapest first."""
        for alone in (False, True):
            for trimmed in (True, False):
                yield CapturedCall(
                    self.watch,
                    self.plumbing,
                    self._arguments,
                    self._timestep,
                    alone=alone,
                    trimmed=trimmed,
                )

    def _captured(self, prompts: list[Any]) -> dict[str, Any]:
        def network(call: Call, forward: Callable[..., Any]) -> Any:  # noqa: ARG001
            return self.watch.stop(call.arguments)

        def step(_: int, prediction: Tensor, sample: Tensor) -> Tensor:  # noqa: ARG001
            return sample

        return self.watch.run(
            self._arguments(prompts),
            times=self._timestep.reshape(1),
            network=network,
            step=step,
        )

    def _grouped(self, trees: list[dict[str, Any]]) -> Prepared:
        """Put prompts together whose arguments differ only in the values of their rows."""
        prompts = self.plumbing.prompts
        lengths = self._lengths(trees)
        places: dict[Any, int] = {}
        kept: list[dict[str, Any]] = []
        parts: list[list[dict[Path, Any]]] = []
        group: list[int] = []
        row: list[int] = []
        for tree in trees:
            leaves = dict(flatten(tree))
            rows = {path: self._trimmed(path, leaves[path], lengths) for path in prompts}
            moving = {*prompts, *self.plumbing.clocks, self.plumbing.sample}
            rest = (value for path, value in leaves.items() if path not in moving)
            key = (*(_shape(value) for value in rows.values()), *map(_content, rest))
            place = places.setdefault(key, len(places))
            if place == len(kept):
                kept.append(rebuild(tree, dict.fromkeys(moving)))
                parts.append([])
            count = rows_of(rows[prompts[0]]) or 0
            start = sum(rows_of(part[prompts[0]]) or 0 for part in parts[place])
            parts[place].append(rows)
            group += [place] * count
            row += range(start, start + count)
        joined = [
            {path: self._ready(_joined([part[path] for part in same])) for path in prompts}
            for same in parts
        ]
        return Prepared(kept, joined, torch.tensor(group), torch.tensor(row))

    def _lengths(self, trees: list[dict[str, Any]]) -> dict[int, int]:
        """For each length that prompts are padded to, how much of it some mask leaves visible."""
        seen: dict[int, int] = {}
        for tree in trees if self.trimmed else ():
            leaves = dict(flatten(tree))
            for path in self.plumbing.prompts:
                mask = leaves[path]
                if not _is_mask(path, mask):
                    continue
                visible = mask.ne(0).any(0).nonzero()
                used = int(visible.max()) + 1 if len(visible) else 1
                seen[mask.shape[1]] = max(seen.get(mask.shape[1], 1), used)
        return {
            length: min(length, -(-used // TOKEN_MULTIPLE) * TOKEN_MULTIPLE)
            for length, used in seen.items()
        }

    def _trimmed(self, path: Path, value: Any, lengths: dict[int, int]) -> Any:
        tokens = isinstance(value, Tensor) and value.ndim == 3 and value.shape[1] in lengths
        if tokens or _is_mask(path, value):
            return value[:, : lengths.get(value.shape[1])]
        return value

    def _ready(self, value: Any) -> Any:
        if isinstance(value, Tensor) or not _numbers(value):
            return _rounded(value, self._dtype)
        return value

    @torch.no_grad()
    def predict(self, z: Tensor, timesteps: Tensor, prepared: Prepared, rows: Tensor) -> Tensor:
        """See :class:`~synthesight.likelihood.denoiser.Door`."""
        if len(prepared.groups) == 1:
            return self._predict(z, timesteps, prepared, 0, rows)
        result = torch.empty_like(z)
        group, row = prepared.group.to(rows.device)[rows], prepared.row.to(rows.device)[rows]
        for place in group.unique().tolist():
            mine = (group == place).nonzero()[:, 0]
            result[mine] = self._predict(z[mine], timesteps[mine], prepared, place, row[mine])
        return result

    def _predict(
        self, z: Tensor, timesteps: Tensor, prepared: Prepared, place: int, rows: Tensor
    ) -> Tensor:
        plumbing = self.plumbing
        sample = plumbing.into(z).to(self._dtype)
        tree = prepared.groups[place]
        leaves: dict[Path, Any] = {
            path: _selected(value, rows) for path, value in prepared.leaves[place].items()
        }
        leaves[plumbing.sample] = list(sample) if plumbing.as_list else sample
        before = {p: _as_tensor(v) for p, v in flatten(plumbing.call) if p in plumbing.clocks}
        for path, (rate, offset) in plumbing.clocks.items():
            told = rate * timesteps + offset
            shape, dtype = before[path].shape[1:], before[path].dtype
            leaves[path] = told.reshape(-1, *(1,) * len(shape)).expand(-1, *shape).to(dtype)
        arguments = rebuild(tree, leaves)
        output = self.network(*arguments["args"], **arguments["kwargs"])
        return plumbing.out_of(_stacked(_answer(output)).float())


def _is_mask(path: Path, value: Any) -> bool:
    """Whether a leaf says which tokens of a prompt are padding."""
    return (
        "mask" in str(path[-1])
        and isinstance(value, Tensor)
        and value.ndim == 2
        and bool(((value == 0) | (value == 1)).all())
    )


def _as_tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float32)


def _shape(value: Any) -> Any:
    """What must be alike for the rows of leaves to be put together."""
    return tuple(value.shape[1:]) if isinstance(value, Tensor) else "list"


def _content(value: Any) -> Any:
    """What must be alike of leaves that have no row for each prompt."""
    if isinstance(value, Tensor):
        return tuple(value.shape), str(value.dtype), value.cpu().numpy().tobytes()
    if is_row_list(value):
        return tuple(map(_content, value))
    return value if isinstance(value, str | int | float | None) else type(value)


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], Tensor):
        return torch.cat(parts)
    return [row for part in parts for row in part]


def _selected(value: Any, rows: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value.index_select(0, rows)
    return [value[row] for row in rows.tolist()]


class SchedulerCall:
    """Runs the pipeline's own call: slow, and exact by construction.

    Parameters are those of :class:`CapturedCall`.
    """

    def __init__(
        self,
        watch: Watch,
        layout: Layout,
        arguments: Arguments,
        first: FirstCall,
    ) -> None:
        self.watch = watch
        self.layout = layout
        self.network = watch.networks[first.calls[0][0].role]
        self._arguments = arguments
        self._output = first.calls[0][1]

    def __repr__(self) -> str:
        return "the pipeline's own call"

    def prepare(self, prompts: list[Any]) -> list[Any]:
        """Return the prompts as they are: each call encodes its own."""
        return prompts

    @torch.no_grad()
    def predict(self, z: Tensor, timesteps: Tensor, prepared: list[Any], rows: Tensor) -> Tensor:
        """See :class:`~synthesight.likelihood.denoiser.Door`."""
        result = torch.empty_like(z)
        pairs = torch.stack([timesteps, rows.to(timesteps)], dim=1)
        for pair in pairs.unique(dim=0):
            mine = (pairs == pair).all(1).nonzero()[:, 0]
            result[mine] = self._predict(z[mine], pair[0], prepared[int(pair[1])])
        return result

    def _predict(self, z: Tensor, timestep: Tensor, prompt: Any) -> Tensor:
        sample = self.layout.to_sample(z).to(self.layout.dtype)

        def network(call: Call, forward: Callable[..., Any]) -> Any:
            if call.step:
                return forward_rounded(self.watch.networks[call.role], call, forward)
            # The first step only brings our sample in; what the network says does not matter.
            leaves = {
                path: _repeated(value, len(z)) for path, value in flatten(self._output) if _rows(value)
            }
            return rebuild(self._output, leaves)

        def step(number: int, prediction: Tensor, _: Tensor) -> Tensor:
            return self.watch.stop(prediction) if number else sample

        found = self.watch.run(
            self._arguments([prompt] * len(z)),
            times=timestep.repeat(2),
            network=network,
            step=step,
        )
        return self.layout.from_sample(found.float())


def _repeated(value: Any, count: int) -> Any:
    if isinstance(value, Tensor):
        return value[:1].expand(count, *value.shape[1:])
    return [value[0]] * count
