"""From a source to an opened pipeline of diffusers: a name, a folder, a file or the pipeline."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import file_digest
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.hub import INDEX, PICKLE_SUFFIXES, download, read_json
from synthesight.likelihood.lora import LoraLike, add_lora, is_lora, read_loras
from synthesight.likelihood.parts import (
    PipelineFolder,
    first_line,
    is_network,
    quantisation,
)

WEIGHTS = "diffusion_pytorch_model.safetensors"

# What a single file holds besides the network, by how its tensors' names begin.
HELD = {
    "first_stage_model.": "vae",
    "vae.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
    "text_encoders.clip_l.": "text_encoder",
    "text_encoders.clip_g.": "text_encoder_2",
    "text_encoders.t5xxl.": "text_encoder_3",
}
NETWORK_PREFIX = "model.diffusion_model."
SCALED = ("scale_weight", "weight_scale", "scaled_fp8")  # 8-bit weights that need their scales


@dataclass(frozen=True)
class Opened:
    """An opened pipeline.

    Attributes
    ----------
    pipeline
        A :class:`diffusers.DiffusionPipeline` on the CPU.
    name
        How messages and trials call it.
    source
        Where it came from, to be recorded: ``model``, and where they apply ``revision``,
        ``config``, ``sha256`` and ``loras``.
    """

    pipeline: Any
    name: str
    source: dict[str, Any] = field(default_factory=dict)


def open_pipeline(
    source: Any,
    *,
    config: str | Path | None = None,
    lora: LoraLike | Sequence[LoraLike] = (),
    revision: str | None = None,
    dtype: torch.dtype = torch.float32,
    without: str | Sequence[str] = (),
    quantise: str | None = None,
) -> Opened:
    """Open a pipeline of diffusers from whatever holds its weights.

    Only safetensors are opened, and only by classes that diffusers and transformers ship.

    Parameters
    ----------
    source
        One of

        - a name on the Hugging Face Hub, ``"owner/model"`` or ``"owner/model@revision"``;
        - a folder with ``model_index.json``;
        - a single ``.safetensors`` file, of the whole model or of its network alone;
        - a folder of one part, such as ``checkpoint-500/unet``, or a folder of such folders;
        - a :class:`diffusers.DiffusionPipeline`, which is used as it is.
    config
        The pipeline, as a folder or a name on the Hub, that a file or a part belongs to: it gives
        all that they lack. None for what diffusers knows of a file of this kind.
    lora
        One or several LoRAs that are added to the weights: each a ``.safetensors`` file, a folder
        or a name on the Hub, with its scale as ``"style.safetensors:0.8"`` or
        ``("style.safetensors", 0.8)``.
    revision
        Branch, tag or commit on the Hub.
    dtype
        Precision of the denoising network. The autoencoder is in float32, and so are the text
        encoders, but for those above 4 GiB, which are in bfloat16 where ``dtype`` is not float32.
    without
        Roles of text encoders to leave out, such as ``"text_encoder_3"`` of Stable Diffusion 3.
    quantise
        ``"nf4"`` (with bitsandbytes) or ``"int8"`` (with torchao) for text encoders above 4 GiB.

    Raises
    ------
    SynthesightError
        If the source cannot be found or is incomplete, holds pickles only, names classes that the
        libraries do not have, or does not fit to ``config`` or ``lora``.

    Examples
    --------
    >>> opened = open_pipeline("model.safetensors", config="base", lora="style.safetensors:0.8")
    ... # doctest: +SKIP
    """
    loras = read_loras(lora)
    if quantise is not None:
        quantisation(quantise)
    left_out = (without,) if isinstance(without, str) else tuple(without)
    with _quiet():
        if not isinstance(source, str | Path):
            given = {"config": config, "revision": revision, "without": left_out}
            opened = _given(source, given | {"quantise": quantise})
        else:
            template = PipelineFolder(Path(), dtype, left_out, quantise)
            opened = _open(source, template, config=config, revision=revision)
        added = [add_lora(opened.pipeline, each, name=opened.name) for each in loras]
    return replace(opened, source=opened.source | {"loras": added}) if added else opened


def _given(pipeline: Any, asked: dict[str, Any]) -> Opened:
    from diffusers import DiffusionPipeline

    if not isinstance(pipeline, DiffusionPipeline):
        raise SynthesightError(
            f"A {type(pipeline).__name__} is not a model: give a name, a path or a pipeline of "
            "diffusers."
        )
    for option, value in asked.items():
        if value:
            raise SynthesightError(
                f"The pipeline is open already: leave `{option}` out, or apply it when you open "
                "the pipeline."
            )
    where = pipeline.config.get("_name_or_path")
    kind = type(pipeline).__name__
    name = (Path(where).name if Path(where).is_dir() else where) if where else kind
    return Opened(pipeline, name, {"model": where, "pipeline": kind})


def _open(
    source: str | Path, template: PipelineFolder, *, config: str | Path | None, revision: str | None
) -> Opened:
    path = Path(source).expanduser()
    if path.is_file():
        return _open_file(path, template, config)
    if path.is_dir() and not (path / INDEX).is_file():
        return _open_checkpoint(path, template, config)
    if config is not None:
        raise SynthesightError(
            f"{source} is a whole pipeline: leave `config` out, which is for single files and "
            "checkpoint folders."
        )
    folder, facts = _find(source, template, revision=revision)
    name = path.resolve().name if path.is_dir() else str(source)
    return Opened(folder.pipeline(), name, {"model": str(source)} | facts)


def _find(
    source: str | Path,
    template: PipelineFolder,
    *,
    revision: str | None = None,
    weightless: Sequence[str] = (),
) -> tuple[PipelineFolder, dict[str, Any]]:
    """A whole pipeline's folder, here or from the Hub, and the commit that it is of."""
    path = Path(source).expanduser()
    if path.is_dir():
        if not (path / INDEX).is_file():
            raise SynthesightError(
                f"The folder {path} has no {INDEX}: give one that save_pretrained of a diffusers "
                "pipeline wrote."
            )
        return replace(template, path=path), {}
    if isinstance(source, Path) or path.is_absolute():
        raise SynthesightError(f"There is no file or folder {path}: check the path.")
    name, _, at = source.partition("@")
    folder = download(
        name,
        revision=revision or at or None,
        half=template.dtype != torch.float32,
        weightless=(*weightless, *template.without),
    )
    commit = folder.resolve().name  # as the cache of the Hub calls its folders
    return replace(template, path=folder), {"revision": commit} if len(commit) == 40 else {}


def _open_checkpoint(path: Path, template: PipelineFolder, config: str | Path | None) -> Opened:
    """Open the parts that a folder of training holds on top of their pipeline."""
    single = (path / "config.json").is_file()
    held = {} if single else {sub.parent.name: sub.parent for sub in path.glob("*/config.json")}
    if not single and not held:
        raise SynthesightError(
            f"The folder {path} has no {INDEX}, and no part such as unet/config.json: give a "
            "folder that diffusers saved."
        )
    if config is None:
        raise SynthesightError(
            f"{path} holds only parts of a pipeline: name the pipeline that they belong to with "
            "`config`, as a folder or owner/model."
        )
    weightless = [role for role in held if is_network(role)]
    base, facts = _find(config, template, weightless=weightless)
    if single:
        kind = read_json(path / "config.json").get("_class_name")
        fitting = [role for role, found in base.classes.items() if found.__name__ == kind]
        role = path.name if path.name in fitting else next(iter(fitting), None)
        if role is None:
            raise SynthesightError(
                f"{path} holds a {kind}, of which {config} has none: name the pipeline that it "
                "belongs to with `config`."
            )
        held = {role: path}
    parts = {role: base.open_from(at, role) for role, at in held.items() if role in base.classes}
    if not parts:
        raise SynthesightError(
            f"{path} holds {', '.join(sorted(held))}, of which {config} has none: name the "
            "pipeline that they belong to with `config`."
        )
    full = path.resolve()
    name = full.parent.name if full.name in base.classes else full.name
    return Opened(base.pipeline(**parts), name, {"model": str(path), "config": str(config)} | facts)


def _open_file(path: Path, template: PipelineFolder, config: str | Path | None) -> Opened:
    """Open a single file, with all that it lacks from the pipeline that it belongs to."""
    tensors = _read_file(path)
    held = {role for key in tensors for begin, role in HELD.items() if key.startswith(begin)}
    base_name = config or _known_pipeline(path, tensors)
    base, facts = _find(base_name, template, weightless=["unet", "transformer", *held])
    held &= set(base.classes)
    parts = {base.network_role: _network(path, tensors, base)}
    pipeline = _whole(path, base, parts, held) if held else base.pipeline(**parts)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    source = {"model": str(path), "config": str(base_name), "sha256": digest}
    return Opened(pipeline, path.stem, source | facts)


def _read_file(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        what = "a pickle, which can run code" if path.suffix in PICKLE_SUFFIXES else "of no use"
        raise SynthesightError(f"{path} is {what} when opened: give a .safetensors file.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise SynthesightError(
            f"{path} could not be read ({first_line(error)}): download or save it again."
        ) from error
    if is_lora(list(tensors)):
        raise SynthesightError(
            f"{path} is a LoRA: give the model that it was trained for, and the file as `lora`."
        )
    if any(key.endswith(SCALED) for key in tensors):
        raise SynthesightError(
            f"{path} holds scaled 8-bit weights, which diffusers cannot open: choose a copy in "
            "16 bits."
        )
    return tensors


def _known_pipeline(path: Path, tensors: dict[str, Any]) -> str:
    """The pipeline on the Hub that diffusers knows files of this kind to belong to."""
    from diffusers.loaders import single_file_utils

    kind = single_file_utils.infer_diffusers_model_type(tensors)
    # It takes all that it does not recognise for Stable Diffusion 1.
    if kind == "v1" and not any(key.startswith(NETWORK_PREFIX) for key in tensors):
        raise SynthesightError(
            f"{path} does not tell which pipeline it belongs to: name it with `config`, as a "
            "folder or owner/model."
        )
    return str(single_file_utils.fetch_diffusers_config(tensors)["pretrained_model_name_or_path"])


def _network(path: Path, tensors: dict[str, Any], base: PipelineFolder) -> Any:
    from accelerate import init_empty_weights

    role = base.network_role
    kind = base.classes[role]
    settings = read_json(base.path / role / "config.json")
    with init_empty_weights():
        names = kind.from_config(settings).state_dict().keys()
    if 2 * len(names & tensors.keys()) > len(names):  # saved by diffusers
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "config.json").write_text(json.dumps(settings))
            (folder / WEIGHTS).symlink_to(path.resolve())
            return base.open_from(folder, role, where=str(path))
    if not hasattr(kind, "from_single_file"):
        raise SynthesightError(
            f"{path} is not a {kind.__name__} as diffusers saves it: check `config`, or convert "
            "the file."
        )
    network = _from_single_file(kind, path, base, subfolder=role, torch_dtype=base.dtype)
    return _check_whole(network, path)


def _whole(path: Path, base: PipelineFolder, parts: dict[str, Any], held: set[str]) -> Any:
    """The pipeline of a file that holds more than the network."""
    given = {role: base.open(role) for role in base.classes if role not in held | parts.keys()}
    options = base.settings | parts | given
    pipeline = _from_single_file(
        base.pipeline_class, path, base, torch_dtype=torch.float32, **options
    )
    for role in held:
        _check_whole(getattr(pipeline, role), path)
    return pipeline


def _from_single_file(kind: Any, path: Path, base: PipelineFolder, **options: Any) -> Any:
    try:
        return kind.from_single_file(
            str(path), config=str(base.path), local_files_only=True, **options
        )
    except Exception as error:  # the libraries raise all sorts for files that do not fit
        # They build an empty model, and stumble over what the file did not fill.
        why = "some of its tensors are missing" if "meta tensor" in str(error) else ""
        raise SynthesightError(
            f"{path} could not be opened as a {kind.__name__} ({why or first_line(error)}): check "
            "`config`, or download the file again."
        ) from error


def _check_whole(module: Any, path: Path) -> Any:
    """Refuse a module with tensors that the file did not fill."""
    missing = sorted(key for key, value in module.state_dict().items() if value.is_meta)
    if missing:
        raise SynthesightError(
            f"{path} lacks {len(missing)} of the tensors of a {type(module).__name__}, such as "
            f"{missing[0]}: check `config`, or download the file again."
        )
    return module


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' bars and notes from standing between our lines of output."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    heard = [(log, log.get_verbosity()) for log in (diffusers_logging, transformers_logging)]
    for log, _ in heard:
        log.disable_progress_bar()
        log.set_verbosity_error()
    try:
        yield
    finally:
        for log, level in heard:
            log.set_verbosity(level)
