"""Watch a pipeline at work: what reaches its network, its scheduler and its decoder.

A pipeline's own ``__call__`` knows how its latents are packed, which clock its network is told
and how its prompts are encoded. It is run here with a scheduler that hands out *our* times and
*our* noised images, and whatever it passes on is recorded.
"""

from __future__ import annotations

import copy
import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

BASE = 64  # digits of indices: exact in every floating-point format, bfloat16 included
DIGITS = 4  # up to 64⁴ elements an image
PROBES = 3 + DIGITS  # zeros, ones, the digits, and random numbers to check with

NETWORKS = ("transformer", "unet")
SECOND_NETWORKS = ("transformer_2", "unet_2", "unconditional_transformer")
DECODERS = ("vae", "vqvae", "movq")


class NotCaptured(Exception):
    """What a pipeline does with its inputs is not a fixed rearrangement that could be learnt."""


class _Stop(BaseException):
    """Leaves a pipeline's call; no ``except Exception`` on the way holds it up."""

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True, eq=False)
class LinearMap:
    """Where each element of an output comes from: ``out[j] = scale[j] · x[index[j]] + offset[j]``.

    Attributes
    ----------
    index
        int64, shape (M,), into the flattened input; None where the order stays.
    scale, offset
        float32, shape (M,), or one number for all elements.
    shape
        Of one output, without the batch.
    """

    index: Tensor | None
    scale: Tensor | float
    offset: Tensor | float
    shape: tuple[int, ...]

    @classmethod
    def learn(cls, outputs: Tensor, inputs: Tensor) -> LinearMap:
        """Return the map from probes to what became of them.

        Parameters
        ----------
        outputs
            shape (``PROBES``, ...).
        inputs
            From :func:`probes`.

        Raises
        ------
        NotCaptured
            If it is no such map.
        """
        if len(outputs) != len(inputs):
            raise NotCaptured("an output does not have a row for each image")
        flat = outputs.reshape(len(outputs), -1).float()
        offset, scale = flat[0], flat[1] - flat[0]
        moved = scale != 0
        safe = torch.where(moved, scale, 1.0)
        digits = ((flat[2:-1] - offset) / safe).round().long().clamp(0, BASE - 1)
        powers = BASE ** torch.arange(DIGITS, device=flat.device)
        index = (digits * powers[:, None]).sum(0) * moved
        count = inputs[0].numel()
        if not bool(moved.any()) or int(index.max()) >= count:
            raise NotCaptured("an output does not come from the image alone")
        expected = scale * inputs[-1].reshape(-1)[index].to(flat) + offset
        bound = 1e-2 if outputs.dtype in (torch.float16, torch.bfloat16) else 1e-4
        if not torch.allclose(flat[-1], expected, rtol=bound, atol=bound):
            raise NotCaptured("an output is no rearrangement of the image")
        in_order = index.numel() == count and bool(
            (index == torch.arange(count, device=index.device)).all()
        )
        return cls(
            None if in_order else index,
            _one_number(scale),
            _one_number(offset),
            tuple(outputs.shape[1:]),
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the map to a batch, shape (B, ...)."""
        flat = x.reshape(len(x), -1)
        if self.index is not None:
            flat = flat.index_select(1, self.index)
        if not (isinstance(self.scale, float) and self.scale == 1.0):
            flat = flat * self.scale
        if not (isinstance(self.offset, float) and self.offset == 0.0):
            flat = flat + self.offset
        return flat.reshape(len(x), *self.shape)

    def after(self, first: LinearMap) -> LinearMap:
        """Return the map that applies ``first`` and then this one."""
        index, offset, scale = self.index, first.offset, first.scale
        if index is None:
            index = first.index
        else:
            offset = offset[index] if isinstance(offset, Tensor) else offset
            scale = scale[index] if isinstance(scale, Tensor) else scale
            index = index if first.index is None else first.index[index]
        return LinearMap(index, self.scale * scale, self.scale * offset + self.offset, self.shape)

    def order(self, shape: Sequence[int]) -> LinearMap:
        """Return the rearrangement alone, and the inverse of it.

        Parameters
        ----------
        shape
            Of what this map takes.

        Raises
        ------
        NotCaptured
            If an element is used twice or not at all.
        """
        count = int(np.prod(shape))
        if self.index is None:
            return LinearMap(None, 1.0, 0.0, tuple(shape))
        inverse = torch.argsort(self.index)
        if len(self.index) != count or not bool(
            (self.index[inverse] == torch.arange(count, device=inverse.device)).all()
        ):
            raise NotCaptured("an element of the image is used twice or not at all")
        return LinearMap(inverse, 1.0, 0.0, tuple(shape))


def probes(shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Return images that tell where each of their elements goes: float32, (``PROBES``, *shape)."""
    count = int(np.prod(shape))
    place = torch.arange(count, device=device)
    rows = [torch.zeros(count), torch.ones(count)]
    rows += [(place // BASE**digit % BASE).float() for digit in range(DIGITS)]
    rows += [torch.arange(count) * 7919 % 61 / 4.0]
    return torch.stack([row.to(device) for row in rows]).reshape(PROBES, *shape)


def _one_number(values: Tensor) -> Tensor | float:
    return float(values[0]) if bool((values == values[0]).all()) else values


# Trees of arguments ------------------------------------------------------------------------------


IsLeaf = Callable[[tuple[Any, ...], list[Any]], bool]
"""Whether the list at a path has a row for each image; other lists are branches."""


def flatten(
    tree: Any, is_leaf: IsLeaf, path: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield (path, leaf) of dictionaries, tuples and lists."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from flatten(value, is_leaf, (*path, key))
    elif isinstance(tree, tuple) or (isinstance(tree, list) and not is_leaf(path, tree)):
        for number, value in enumerate(tree):
            yield from flatten(value, is_leaf, (*path, number))
    else:
        yield path, tree


def rebuild(tree: Any, leaves: dict[tuple[Any, ...], Any], path: tuple[Any, ...] = ()) -> Any:
    """Return the tree with other leaves."""
    if path in leaves:
        return leaves[path]
    if isinstance(tree, dict):
        made = {key: rebuild(value, leaves, (*path, key)) for key, value in tree.items()}
        return made if type(tree) is dict else type(tree)(**made)  # an output of diffusers
    if isinstance(tree, tuple | list):
        return type(tree)(rebuild(value, leaves, (*path, n)) for n, value in enumerate(tree))
    return tree


def of_length(rows: int) -> IsLeaf:
    """Return the rule that a list of so many elements has a row for each image."""
    return lambda path, values: len(values) == rows


def has_rows(value: Any) -> bool:
    """Whether a leaf may have a row for each image."""
    return (isinstance(value, Tensor) and value.ndim > 0) or (
        isinstance(value, list) and len(value) > 0
    )


def stacked(value: Any) -> Tensor:
    """Return a leaf as one tensor.

    Raises
    ------
    NotCaptured
        If it is a list of other things, or of tensors of several shapes.
    """
    if isinstance(value, Tensor):
        return value
    if not all(isinstance(row, Tensor) for row in value):
        raise NotCaptured("its images are no tensors")
    if len({row.shape for row in value}) != 1:
        raise NotCaptured("images of one batch have different shapes")
    return torch.stack(value)


# Watching ----------------------------------------------------------------------------------------


@dataclass(eq=False)
class Call:
    """One call of the network by the pipeline.

    Attributes
    ----------
    role
        Which of the pipeline's networks was called.
    arguments
        {"args": tuple, "kwargs": dict}.
    step
        How often the scheduler had stepped before.
    """

    role: str
    arguments: dict[str, Any]
    step: int


class Watch:
    """Runs a pipeline's call and sees what passes.

    Parameters
    ----------
    pipeline
        A ``diffusers.DiffusionPipeline``.

    Attributes
    ----------
    networks
        By the names that the pipeline has for them.
    decoder
        The name of its autoencoder; None for a model of pixels.
    clock
        (timesteps, sigmas) that the scheduler would have used in the last run; sigmas may be None.
    said
        What the libraries logged in the last run: that a prompt was cut, among much else.
    """

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.parameters = inspect.signature(type(pipeline).__call__).parameters
        self.networks: dict[str, nn.Module] = {
            role: found
            for role in (*NETWORKS, *SECOND_NETWORKS)
            if isinstance(found := getattr(pipeline, role, None), nn.Module)
        }
        self.decoder = next((r for r in DECODERS if getattr(pipeline, r, None) is not None), None)
        self.clock: tuple[Tensor, Tensor | None] = (torch.empty(0), None)
        self.said: list[str] = []

    def run(
        self,
        arguments: dict[str, Any],
        *,
        times: Tensor,
        network: Callable[[Call, Callable[..., Any]], Any],
        step: Callable[[int, Tensor, Tensor], Tensor],
        decode: Callable[[Tensor], Any] | None = None,
    ) -> Any:
        """Call the pipeline.

        Parameters
        ----------
        arguments
            Of the pipeline's call.
        times
            Timesteps that the scheduler hands out.
        network
            Given a call and the network's own forward, returns the output.
        step
            Given the number of the step, the prediction and the sample, returns the next sample.
            It, like the others, may leave the pipeline by :meth:`stop`.
        decode
            Given what the decoder is given.

        Returns
        -------
        What :meth:`stop` was given.
        """
        counter = SimpleNamespace(step=0)

        def stepped(prediction: Tensor, sample: Tensor) -> Tensor:
            if prediction.ndim > 1 and prediction.shape[1] == 2 * sample.shape[1]:
                prediction = prediction[:, : sample.shape[1]]  # the rest is a predicted variance
            counter.step += 1
            return step(counter.step - 1, prediction, sample)

        def read(timesteps: Tensor, sigmas: Tensor | None) -> None:
            self.clock = (timesteps, sigmas)

        recording = recording_scheduler(self.pipeline.scheduler, times, stepped, read)
        with self._patched(recording, counter, network, decode):
            try:
                # A pipeline may draw without the generator that it is given.
                with torch.random.fork_rng(devices=[]), _listening() as self.said:
                    self.pipeline(**arguments)
            except _Stop as stopped:
                return stopped.value
        raise NotCaptured("the pipeline came to its end without a step of its scheduler")

    @staticmethod
    def stop(value: Any) -> Any:
        """Leave the pipeline's call with a result."""
        raise _Stop(value)

    @contextmanager
    def _patched(
        self,
        scheduler: Any,
        counter: SimpleNamespace,
        network: Callable[[Call, Callable[..., Any]], Any],
        decode: Callable[[Tensor], Any] | None,
    ) -> Iterator[None]:
        # Set without the pipeline's own __setattr__, which would write a new configuration.
        attributes = self.pipeline.__dict__
        patches: list[tuple[dict[str, Any], str, Any]] = [(attributes, "scheduler", scheduler)]
        for role, module in self.networks.items():
            own = module.forward

            def forward(*args: Any, _own: Any = own, _role: str = role, **kwargs: Any) -> Any:
                call = Call(_role, {"args": args, "kwargs": kwargs}, counter.step)
                return network(call, _own)

            # A pipeline may ask which arguments its network takes.
            patches.append((module.__dict__, "forward", functools.wraps(own)(forward)))
        if self.decoder and decode is not None:
            module = getattr(self.pipeline, self.decoder)
            patches.append((module.__dict__, "decode", lambda z, *_, **__: decode(z)))
        guiders = [g for g in (getattr(self.pipeline, n, None) for n in GUIDERS) if g is not None]
        enabled = [guider for guider in guiders if getattr(guider, "_enabled", False)]
        missing = object()
        before = [(place, name, place.get(name, missing)) for place, name, _ in patches]
        try:
            for place, name, value in patches:
                place[name] = value
            for guider in enabled:
                guider.disable()
            yield
        finally:
            for guider in enabled:
                guider.enable()
            for place, name, value in before:
                if value is missing:
                    place.pop(name, None)
                else:
                    place[name] = value


GUIDERS = ("guider", "ocr_guider")


def recording_scheduler(
    scheduler: Any,
    times: Tensor,
    stepped: Callable[[Tensor, Tensor], Tensor],
    read: Callable[[Tensor, Tensor | None], None],
) -> Any:
    """Return a scheduler of the same class and settings that hands out our times.

    Parameters
    ----------
    scheduler
        The pipeline's own.
    times
        Timesteps, shape (T,).
    stepped
        Given prediction and sample, returns the next sample.
    read
        Is given the timesteps and sigmas that the scheduler itself would use.
    """
    kind = type(scheduler)
    signature = inspect.signature(kind.step)

    @functools.wraps(kind.set_timesteps)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> None:
        kind.set_timesteps(self, *args, **kwargs)
        read(self.timesteps, getattr(self, "sigmas", None))
        device = getattr(self.timesteps, "device", "cpu")
        self.timesteps = times.to(device)
        self.num_inference_steps = len(times)

    @functools.wraps(kind.step)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(self, *args, **kwargs).arguments
        following = stepped(given["model_output"], given["sample"])
        return _Stepped(following)

    def scale_model_input(self: Any, sample: Tensor, *_: Any, **__: Any) -> Tensor:  # noqa: ARG001
        return sample

    recording = type(
        f"Recording{kind.__name__}",
        (kind,),
        {
            "set_timesteps": set_timesteps,
            "step": step,
            "scale_model_input": scale_model_input,
            "init_noise_sigma": 1.0,
            "order": 1,
        },
    )
    copied = copy.copy(scheduler)
    copied.__dict__.pop("init_noise_sigma", None)
    copied.__class__ = recording
    return copied


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Keep what diffusers and transformers log from the terminal, and return it."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    before = [(logger, logger.handlers, logger.propagate) for logger in loggers]
    try:
        for logger in loggers:
            logger.handlers, logger.propagate = [handler], False
        yield said
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate


class _Stepped(tuple):
    """What a scheduler's step returns, as a tuple and by name."""

    prev_sample: Tensor
    pred_original_sample: Tensor

    def __new__(cls, sample: Tensor) -> _Stepped:
        made = super().__new__(cls, (sample, sample))
        made.prev_sample = made.pred_original_sample = sample
        return made
