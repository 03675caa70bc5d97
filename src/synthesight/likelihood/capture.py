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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from synthesight.likelihood.rearrangement import NotCaptured

NETWORKS = ("transformer", "unet")
SECOND_NETWORKS = ("transformer_2", "unet_2", "unconditional_transformer")
DECODERS = ("vae", "vqvae", "movq")


class _Stop(BaseException):
    """Leaves a pipeline's call; no ``except Exception`` on the way holds it up."""

    def __init__(self, value: Any) -> None:
        self.value = value


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

    ``role`` says which of its networks, ``arguments`` is {"args": tuple, "kwargs": dict}, and
    ``step`` how often the scheduler had stepped before.
    """

    role: str
    arguments: dict[str, Any]
    step: int


class Watch:
    """Runs a pipeline's call and sees what passes.

    It knows the ``networks`` by the pipeline's names for them, and the name of its ``decoder``
    (None for a model of pixels). Of the last run it keeps the ``clock``, (timesteps, sigmas or
    None) that the scheduler would have used, and what the libraries ``said``: that a prompt was
    cut, among much else.
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
        """Call the pipeline, and return what :meth:`stop` was given.

        The scheduler hands out ``times``. ``network`` is given a call and the network's own
        forward, and returns the output; ``step`` the number of the step, the prediction and the
        sample, and returns the next sample; ``decode`` what the decoder is given. Each may leave
        the pipeline by :meth:`stop`.
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

    ``stepped`` returns the next sample of a prediction and a sample; ``read`` is given the
    timesteps and sigmas that the scheduler itself would use.
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
