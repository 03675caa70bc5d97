"""From a source to an opened pipeline or model: a name, a folder, a file or the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.files import hash_of
from synthesight.likelihood.hub import CONFIG, INDEX, download, is_of_transformers, read_json
from synthesight.likelihood.lora import LoraLike, add_lora, read_loras
from synthesight.likelihood.parts import PipelineFolder, is_network, quantisation
from synthesight.likelihood.single_file import SingleFile
from synthesight.likelihood.tokens.converted import ConvertedParts, is_converted, open_converted
from synthesight.likelihood.tokens.opening import TokenParts, check_family, open_parts


@dataclass(frozen=True)
class Opened:
    """An opened pipeline, on the CPU, or :class:`~synthesight.likelihood.tokens.TokenParts`.

    ``name`` is what messages and trials call it. ``source`` is recorded: ``model``, and where they
    apply ``revision``, ``config``, ``sha256`` and ``loras``.
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
    dtype: torch.dtype | None = torch.float32,
    without: str | Sequence[str] = (),
    quantise: str | None = None,
) -> Opened:
    """Open a pipeline of diffusers, or a model of image tokens, from whatever holds its weights.

    Only safetensors are opened, and only by classes that diffusers and transformers ship.

    Parameters
    ----------
    source
        One of

        - a name on the Hugging Face Hub, ``"owner/model"`` or ``"owner/model@revision"``;
        - a folder with ``model_index.json``;
        - a single ``.safetensors`` file, of the whole model or of its network alone;
        - a folder of one part, such as ``checkpoint-500/unet``, or a folder of such folders;
        - a folder of transformers, or a name, of a model that makes images as tokens;
        - a folder that ``synthesight convert`` wrote;
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
        None opens the network in float32, or one above 16 GiB in bfloat16.
    without
        Roles of text encoders to leave out, such as ``"text_encoder_3"`` of Stable Diffusion 3.
    quantise
        ``"nf4"`` (with bitsandbytes) or ``"int8"`` (with torchao) for text encoders above 4 GiB.

    Examples
    --------
    >>> from importlib.resources import files
    >>> opened = open_pipeline(str(files("synthesight") / "zoo" / "natural-32"))
    >>> opened.name, type(opened.pipeline).__name__
    ('natural-32', 'PixArtSigmaPipeline')
    """
    loras = read_loras(lora)
    if quantise is not None:
        quantisation(quantise)
    left_out = (without,) if isinstance(without, str) else tuple(without)
    with quiet():
        if not isinstance(source, str | Path):
            given = {"config": config, "revision": revision, "without": left_out}
            opened = _given(source, given | {"quantise": quantise})
        else:
            template = PipelineFolder(Path(), dtype, left_out, quantise)
            opened = _open(source, template, config=config, revision=revision)
            if isinstance(opened.pipeline, TokenParts | ConvertedParts):
                asked = {"lora": loras, "without": left_out, "quantise": quantise}
                _refuse(asked, f"{opened.name} is a model of image tokens")
        added = [add_lora(opened.pipeline, each, name=opened.name) for each in loras]
    return replace(opened, source=opened.source | {"loras": added}) if added else opened


def _refuse(options: Mapping[str, Any], what: str) -> None:
    """Refuse options that were given to what has no use for them."""
    for option, value in options.items():
        if value:
            raise SynthesightError(f"{what}: leave out `{option}`, which it has no use for.")


def _given(pipeline: Any, asked: dict[str, Any]) -> Opened:
    from diffusers import DiffusionPipeline

    if not isinstance(pipeline, DiffusionPipeline):
        raise SynthesightError(
            f"An object of the type {type(pipeline).__name__} is no model: give a name, a path, a "
            "pipeline of diffusers, or what meets a protocol of synthesight.likelihood.protocol."
        )
    for option, value in asked.items():
        if value:
            raise SynthesightError(
                f"The pipeline is open already: leave `{option}` out, or apply it when you open "
                "the pipeline."
            )
    given = pipeline.config.get("_name_or_path")
    where = str(given) if given else None  # it may be a Path
    kind = type(pipeline).__name__
    name = (Path(where).name if Path(where).is_dir() else where) if where else kind
    return Opened(pipeline, name, {"model": where, "pipeline": kind})


def _open(
    source: str | Path, template: PipelineFolder, *, config: str | Path | None, revision: str | None
) -> Opened:
    path = Path(source).expanduser()
    if path.is_file():
        return _open_file(path, template, config)
    if is_converted(path):
        _refuse({"config": config, "revision": revision}, f"{path} is a converted model")
        return Opened(open_converted(path), path.resolve().name, {"model": str(source)})
    whole = (path / INDEX).is_file() or _is_of_transformers(path)
    if path.is_dir() and not whole:
        return _open_checkpoint(path, template, config)
    if config is not None:
        raise SynthesightError(
            f"{source} is a whole pipeline: leave `config` out, which is for single files and "
            "checkpoint folders."
        )
    folder, facts = _find(source, template, revision=revision, tokens=True)
    name = path.resolve().name if path.is_dir() else str(source)
    source_facts = {"model": str(source)} | facts
    if _is_of_transformers(folder.path):
        return Opened(open_parts(folder.path, where=str(source)), name, source_facts)
    return Opened(folder.pipeline(), name, source_facts)


def _is_of_transformers(folder: Path) -> bool:
    path = folder / CONFIG
    if (folder / INDEX).is_file() or not path.is_file():
        return False
    return is_of_transformers(read_json(path))


def _find(
    source: str | Path,
    template: PipelineFolder,
    *,
    revision: str | None = None,
    weightless: Sequence[str] = (),
    tokens: bool = False,
) -> tuple[PipelineFolder, dict[str, Any]]:
    """A whole pipeline's folder, here or from the Hub, and the commit that it is of.

    With ``tokens``, that of a model of image tokens will do as well.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        if not (path / INDEX).is_file() and not (tokens and _is_of_transformers(path)):
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
        half=template.dtype not in (None, torch.float32),
        weightless=(*weightless, *template.without),
        check=partial(check_family, where=name) if tokens else None,
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
    single = SingleFile.read(path)
    belongs = config or single.usual_pipeline()
    base, facts = _find(belongs, template, weightless=["unet", "transformer", *single.held])
    pipeline = single.open(base)
    source = {"model": str(path), "config": str(belongs), "sha256": hash_of(path)}
    return Opened(pipeline, path.stem, source | facts)


@contextmanager
def quiet() -> Iterator[None]:
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
