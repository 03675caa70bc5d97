"""Two doors to the network of any pipeline.

*The scheduler's*: run the pipeline's own call with a scheduler that hands out our time and our z,
and take what reaches its ``step``. Packing, position ids, masks, clock, sign and text encoding stay
the pipeline's own: this is the reference. One time and one prompt a call.

*The captured call*: learn once which of the network's arguments carry the sample, the clock and
the prompt, then call the network directly with any mix of them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from synthesight.errors import SynthesightWarning
from synthesight.likelihood.capture import Call, Watch, has_rows, rebuild, stacked
from synthesight.likelihood.plumbing import (
    FirstCall,
    Layout,
    Path,
    Plumbing,
    answer_of,
    dtype_of,
    forward_rounded,
    rounded,
)

PROMPTS_AT_ONCE = 32
TOKEN_MULTIPLE = 8  # lengths that suit attention kernels
SPECIAL_TOKENS = re.compile(r"<[^<>\s]*>")  # such as <|endoftext|>, of which padding is made

Arguments = Callable[[list[Any]], dict[str, Any]]
"""The arguments of the pipeline's call for some prompts."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Prompts as the network takes them.

    Prompts whose arguments have one shape share a tree in ``groups``, whose leaves with a row for
    each prompt are in ``leaves``. ``group`` and ``row``, int64 (K,), say where each prompt is.
    """

    groups: list[dict[str, Any]]
    leaves: list[dict[Path, Any]]
    group: Tensor
    row: Tensor


class CapturedCall:
    """Calls the network directly, by what was learnt of the pipeline: its ``plumbing``.

    ``arguments`` gives those of the pipeline's call for some prompts, which are captured at
    ``timestep``. ``alone``, each prompt is encoded in a call of its own, since others' company
    changes it; ``trimmed``, padding that is masked for all prompts is cut off.
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

    @property
    def network(self) -> nn.Module:
        """The module that is called."""
        return self._network

    @network.setter
    def network(self, network: nn.Module) -> None:
        self._network, self._dtype = network, dtype_of(network)

    def __repr__(self) -> str:
        how = ["captured call"]
        how += ["prompts encoded one by one"] if self.alone else []
        how += ["padding kept"] if not self.trimmed else []
        return ", ".join(how)

    @torch.no_grad()
    def prepare(self, prompts: list[Any]) -> Prepared:
        """Return the prompts as the pipeline hands them to its network."""
        size = 1 if self.alone else PROMPTS_AT_ONCE
        trees: list[dict[str, Any]] = []
        for start in range(0, len(prompts), size):
            trees.append(self._captured(prompts[start : start + size]))
            warn_of_cuts(self.watch.said)
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
            leaves = self.plumbing.leaves(tree)
            rows = {
                path: self._trimmed(path, leaves[path], lengths)
                for path in prompts
                if has_rows(leaves.get(path))
            }
            moving = {*rows, *self.plumbing.clocks, self.plumbing.sample}
            rest = (value for path, value in leaves.items() if path not in moving)
            shapes = ((path, self._shape(value, prompts[path])) for path, value in rows.items())
            key = (*shapes, *map(_content, rest))
            place = places.setdefault(key, len(places))
            if place == len(kept):
                kept.append(rebuild(tree, dict.fromkeys(moving)))
                parts.append([])
            count = self._count(rows)
            start = sum(map(self._count, parts[place]))
            parts[place].append(rows)
            group += [place] * count
            row += range(start, start + count)
        joined = [
            {
                path: rounded(_joined([part[path] for part in same], prompts[path]), self._dtype)
                for path in same[0]
            }
            for same in parts
        ]
        return Prepared(kept, joined, torch.tensor(group), torch.tensor(row))

    def _shape(self, value: Any, axis: int) -> Any:
        """What must be alike for the rows of leaves to be put together."""
        if isinstance(value, Tensor):
            return *value.shape[:axis], *value.shape[axis + 1 :]
        # A network that takes lists pads their rows itself, so that company may change them.
        return tuple(getattr(row, "shape", None) for row in value) if self.alone else "list"

    def _count(self, rows: dict[Path, Any]) -> int:
        """How many prompts some leaves are of."""
        path, value = next(iter(rows.items()))
        axis = self.plumbing.prompts[path]
        return value.shape[axis] if isinstance(value, Tensor) else len(value)

    def _lengths(self, trees: list[dict[str, Any]]) -> dict[int, int]:
        """For each length that prompts are padded to, how much of it some mask leaves visible."""
        seen: dict[int, int] = {}
        for tree in trees if self.trimmed else ():
            leaves = self.plumbing.leaves(tree)
            for path in self.plumbing.prompts:
                mask: Any = leaves.get(path)
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
            path: _selected(value, plumbing.prompts[path], rows)
            for path, value in prepared.leaves[place].items()
        }
        leaves[plumbing.sample] = list(sample) if plumbing.sample in plumbing.lists else sample
        before = plumbing.leaves(plumbing.call)
        before = {path: _as_tensor(before[path]) for path in plumbing.clocks}
        for path, (rate, offset) in plumbing.clocks.items():
            told = rate * timesteps + offset
            shape, dtype = before[path].shape[1:], before[path].dtype
            leaves[path] = told.reshape(-1, *(1,) * len(shape)).expand(-1, *shape).to(dtype)
        arguments = rebuild(tree, leaves)
        output = self.network(*arguments["args"], **arguments["kwargs"])
        return plumbing.out_of(stacked(answer_of(output)).float())


def warn_of_cuts(said: list[str]) -> None:
    """Warn if a pipeline noted that it cut a prompt."""
    for note in said:
        cut = SPECIAL_TOKENS.sub("", note.partition("[")[2]).strip("]', \"")[:40]
        if "truncated" in note and any(map(str.isalnum, cut)):
            warnings.warn(
                f"A prompt is too long for the text encoder, which does not read {cut!r}: shorten "
                "the `prompt` or the names of the classes.",
                SynthesightWarning,
                stacklevel=2,
            )
            return


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


def _content(value: Any) -> Any:
    """What must be alike of leaves that have no row for each prompt."""
    if isinstance(value, Tensor):
        # As bytes, since numpy has no bfloat16.
        values = value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return tuple(value.shape), str(value.dtype), values.tobytes()
    if isinstance(value, list):
        return tuple(map(_content, value))
    return value if isinstance(value, str | int | float | None) else type(value)


def _joined(parts: list[Any], axis: int) -> Any:
    if isinstance(parts[0], Tensor):
        return torch.cat(parts, axis)
    return [row for part in parts for row in part]


def _selected(value: Any, axis: int, rows: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value.index_select(axis, rows)
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
        self._type = first.timestep.dtype
        self._arguments = arguments

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

        # The first step only brings our sample in. It too runs the network, which may keep what it
        # needs in later ones.
        def network(call: Call, forward: Callable[..., Any]) -> Any:
            return forward_rounded(self.watch.networks[call.role], call, forward)

        def step(number: int, prediction: Tensor, _: Tensor) -> Tensor:
            return self.watch.stop(prediction) if number else sample

        found = self.watch.run(
            self._arguments([prompt] * len(z)),
            times=timestep.to(self._type).repeat(2),
            network=network,
            step=step,
        )
        return self.layout.from_sample(found.float())
