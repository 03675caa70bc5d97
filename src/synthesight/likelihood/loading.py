"""Open a generative model: from a name, folder, file or pipeline to what gives a likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.device import DTYPES, check_device
from synthesight.likelihood.lora import LoraLike
from synthesight.likelihood.memory import is_out_of_memory, opening
from synthesight.likelihood.opening import Opened, open_pipeline
from synthesight.likelihood.parts import LARGE_NETWORK
from synthesight.likelihood.pipeline import PipelineDenoiser
from synthesight.likelihood.precision import choose_precision, half_precisions
from synthesight.likelihood.tokens.converted import ConvertedParts
from synthesight.likelihood.tokens.masked import Amused
from synthesight.likelihood.tokens.opening import TokenParts
from synthesight.likelihood.tokens.randar import RandAR
from synthesight.likelihood.tokens.raster import RasterModel
from synthesight.likelihood.tokens.var import VAR

TokenModel = RasterModel | Amused | VAR | RandAR


def load_model(
    source: Any,
    *,
    config: str | Path | None = None,
    lora: LoraLike | Sequence[LoraLike] = (),
    without: str | Sequence[str] = (),
    quantise: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    resolution: int | tuple[int, int] | None = None,
    name: str | None = None,
    revision: str | None = None,
    smoothing: int | None = None,
) -> PipelineDenoiser | TokenModel:
    """Open a diffusion or flow model as a denoiser, or a model of image tokens.

    Parameters
    ----------
    source, config, lora, without, quantise, revision
        See :func:`~synthesight.likelihood.opening.open_pipeline`.
    device
        Where the network runs; None for the CPU, or where a given pipeline is.
    dtype
        Precision of the network: float32, bfloat16, float16 or ``"auto"``. The last is the half
        precision that changes the difference between two classes least, measured on a few draws,
        or float32 where that change is above a tenth, or a CPU is no faster by it. None is float32
        on a CPU, ``"auto"`` on a GPU, and of a pipeline that is given its own.
    resolution
        Height and width of the images in pixels, or one number for both; None for the model's own.
    name
        How messages and trials call the model; None for the folder's name or the name given.
    smoothing
        Of a VAR, see :class:`~synthesight.likelihood.tokens.VAR`.

    Raises
    ------
    SynthesightError
        If the model cannot be found, is incomplete, holds pickled weights only, gives no
        likelihood, or does not fit in memory.

    Examples
    --------
    >>> from synthesight.observers import registry
    >>> model = load_model(registry.resolve("natural-32")[0])
    >>> model.resolution
    32
    """
    given = not isinstance(source, str | Path)
    place = None if given and device is None else check_device(device or "cpu")
    automatic = dtype == "auto" or (dtype is None and place is not None and place.type != "cpu")
    if dtype is not None and (named := str(dtype).removeprefix("torch.")) not in DTYPES:
        raise SynthesightError(f"There is no `dtype={named!r}`: choose one of {', '.join(DTYPES)}.")
    dtype = None if dtype is None or dtype == "auto" else getattr(torch, named)
    candidates = half_precisions(place) if automatic and place is not None and not given else []
    wanted = dtype or (None if candidates else torch.float32)
    try:
        opened = open_pipeline(
            source,
            config=config,
            lora=lora,
            revision=revision,
            dtype=wanted,
            without=without,
            quantise=quantise,
        )
        # What a folder says of its schedule and sizes is tried here for the first time. On a GPU,
        # and at a size of the user's, it may take more memory than the weights.
        size = None if given or resolution or place != torch.device("cpu") else _size(opened)
        what = f"{name or source} cannot be used as a likelihood"
        own = given or resolution is not None
        if isinstance(opened.pipeline, TokenParts):
            own = False  # which checks its sizes itself
            if candidates and 4 * opened.pipeline.parameters > LARGE_NETWORK:
                dtype = candidates[-1]  # in float32 it might not fit, not even to be measured
        build = _builder(opened, smoothing)
        with nullcontext() if own else opening(what, "download or save it again", size=size):
            model = build(
                name=name or opened.name, device=place, dtype=dtype, resolution=resolution
            )
        model.source = opened.source
        if candidates and model.dtype == torch.float32:
            model.precision = choose_precision(model, candidates)
        return model
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            if resolution is None:
                raise
            raise SynthesightError(
                f"{name or source} makes no images of `resolution={resolution!r}`: give sides that "
                "its network can divide, such as multiples of 16."
            ) from error
        raise SynthesightError(
            f"{name or source} does not fit in the memory of {place}: use `dtype=bfloat16`, a "
            "smaller model, or a device with more memory."
        ) from error


def _builder(opened: Opened, smoothing: int | None) -> Callable[..., PipelineDenoiser | TokenModel]:
    """Return what makes a likelihood of what was opened."""
    pipeline = opened.pipeline
    if isinstance(pipeline, ConvertedParts):
        return partial(pipeline.likelihood, smoothing=smoothing)
    if smoothing is not None:
        raise SynthesightError(f"{opened.name} is no VAR: leave out `smoothing={smoothing}`.")
    if isinstance(pipeline, TokenParts):
        return pipeline.likelihood
    if type(pipeline).__name__ == "AmusedPipeline":
        return partial(Amused, pipeline)
    return partial(PipelineDenoiser, pipeline)


def _size(opened: Opened) -> int:
    """Return the bytes of a pipeline's weights."""
    parts = (part for part in opened.pipeline.components.values() if hasattr(part, "parameters"))
    return sum(each.nbytes for part in parts for each in part.parameters())
