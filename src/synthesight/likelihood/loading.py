"""Open a generative model: a folder, or a name on the Hugging Face Hub, in diffusers' layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from synthesight.errors import SynthesightError
from synthesight.likelihood.components import TEXT_ROLES, ModelFolder
from synthesight.likelihood.denoiser import (
    PREDICTIONS,
    DenoiserModel,
    Parts,
    Prediction,
)
from synthesight.likelihood.device import DTYPES, default_dtype
from synthesight.likelihood.device import check_device as check_device
from synthesight.likelihood.families import choose_family
from synthesight.likelihood.hub import INDEX, PICKLE_SUFFIXES, download
from synthesight.likelihood.memory import is_out_of_memory
from synthesight.likelihood.schedule import Schedule


def load_model(
    name_or_folder: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    name: str | None = None,
    revision: str | None = None,
) -> DenoiserModel:
    """Open a diffusion or flow model as a likelihood model.

    Parameters
    ----------
    name_or_folder
        A folder in the layout of diffusers (with ``model_index.json``), or a name on the Hugging
        Face Hub such as ``"owner/model"``.
    device
        Where the network runs.
    dtype
        Precision of the network: float32, bfloat16 or float16. None is float32 on a CPU; on a
        GPU, bfloat16 where the hardware has it, else float16. The autoencoder and all but very
        large text encoders are in float32 in any case.
    name
        How messages and trials call the model; None for the folder's name or the name given.
    revision
        Branch, tag or commit on the Hub.

    Returns
    -------
    The model, of the family that the class of its network tells.

    Raises
    ------
    SynthesightError
        Where the model cannot be found, is incomplete, holds pickled weights only, is of a kind
        that is not supported, or does not fit in memory.
    """
    # Their bars for reading weights from disk would stand between our lines of output.
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    place = check_device(device)
    precision = default_dtype(place) if dtype is None else dtype
    if precision not in DTYPES:
        raise SynthesightError(
            f"The dtype {precision} is not supported: choose float32, bfloat16 or float16."
        )
    half = precision != torch.float32
    folder = ModelFolder(_find(name_or_folder, revision=revision, half=half), half)
    label = name or (
        folder.path.resolve().name if Path(name_or_folder).is_dir() else str(name_or_folder)
    )
    family = choose_family(folder.network_class, folder.network_config, label)
    schedule, prediction = read_schedule(folder.scheduler(), label)
    try:
        parts = Parts(
            network=folder.network(precision),
            schedule=schedule,
            prediction=prediction,
            autoencoder=folder.autoencoder(place),
            texts=tuple(map(folder.text_encoder, TEXT_ROLES[: family.text_encoders])),
            index=folder.index,
        )
        return family(parts, name=label, device=place, dtype=precision)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise SynthesightError(
            f"{label} does not fit in the memory of {place}: use --dtype bfloat16, a smaller "
            "model, or a device with more memory."
        ) from error


def read_schedule(scheduler: Any, name: str) -> tuple[Schedule, Prediction]:
    """The schedule that a network was trained on, and what it predicts, from its scheduler.

    Parameters
    ----------
    scheduler
        Any scheduler of diffusers; how it would sample does not matter.
    name
        How to call the model in messages.

    Raises
    ------
    SynthesightError
        If the prediction, or the kind of schedule, is not supported.
    """
    kind = type(scheduler).__name__
    flow = kind.startswith("FlowMatch")
    prediction = scheduler.config.get("prediction_type", "flow_prediction" if flow else "epsilon")
    if prediction not in PREDICTIONS:
        raise SynthesightError(
            f"{name} has the prediction_type {prediction!r}, which is not supported: choose a "
            f"model that predicts one of {', '.join(PREDICTIONS)}."
        )
    if flow or prediction == "flow_prediction":
        return Schedule.rectified_flow(), prediction
    bar = getattr(scheduler, "alphas_cumprod", None)
    if bar is None:
        raise SynthesightError(
            f"{name} has a scheduler of class {kind}, which has neither alphas_cumprod nor "
            "straight paths: choose a DDPM-like or a FlowMatch scheduler."
        )
    return Schedule.diffusion(torch.as_tensor(bar).double().numpy()), prediction


def _find(name_or_folder: str | Path, *, revision: str | None, half: bool) -> Path:
    path = Path(name_or_folder).expanduser()
    if path.is_file():
        what = "a pickle" if path.suffix in PICKLE_SUFFIXES else "a single file"
        raise SynthesightError(
            f"{path} is {what}, not a folder in the layout of diffusers: convert it with "
            "from_single_file and save_pretrained of its diffusers pipeline."
        )
    if not path.is_dir():
        if isinstance(name_or_folder, Path):
            raise SynthesightError(f"There is no folder {path}: check the path.")
        return download(name_or_folder, revision=revision, half=half)
    if not (path / INDEX).is_file():
        raise SynthesightError(
            f"The folder {path} has no {INDEX}: give one in the layout of diffusers, as "
            "save_pretrained of a pipeline writes it."
        )
    return path
