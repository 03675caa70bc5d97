"""Model folders from the Hugging Face Hub: only what a likelihood needs, and no pickles."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from synthesight import files
from synthesight.errors import SynthesightError, first_line

INDEX = "model_index.json"
CONFIG = "config.json"  # of a network of diffusers, or of a whole model of transformers
# What a pipeline lists but only needs to censor its images, mark them, or be shown others.
NOT_NEEDED = ("safety_checker", "feature_extractor", "image_encoder", "watermarker")

# Besides .json: vocabularies of tokenizers (.txt, .model) and templates of chats (.jinja).
SETTING_SUFFIXES = {".json", ".txt", ".model", ".jinja"}
PICKLE_SUFFIXES = {".bin", ".ckpt", ".pt", ".pth", ".pkl"}
HALF_VARIANTS = ("fp16", "bf16")
LORA_WEIGHTS = "pytorch_lora_weights.safetensors"
_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model)(?:\.(?P<variant>\w+))?(?:-\d+-of-\d+)?\.safetensors"
)
_REPOSITORY = re.compile(r"[\w.-]+(?:/[\w.-]+)?")


class NotFound(SynthesightError):
    """Report a name that is no path, and no model that the Hub has or that was fetched."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file of JSON of a model."""
    return files.read_json(path, advice="download or save the model again")


def is_of_transformers(settings: Mapping[str, Any]) -> bool:
    """Tell whether a ``config.json`` is one of transformers.

    Examples
    --------
    >>> is_of_transformers({"architectures": ["LlamaForCausalLM"], "model_type": "llama"})
    True
    >>> is_of_transformers({"_class_name": "UNet2DModel"})
    False
    """
    return isinstance(settings.get("model_type"), str) and "_class_name" not in settings


def check_settings(folder: Path) -> None:
    """Check what a folder tells a library about its model, before one opens it."""
    settings = read_json(folder / "config.json")
    # transformers would download a kernel of that name, and run it.
    asked = [str(settings.get(key)) for key in ("attn_implementation", "_attn_implementation")]
    if kernel := next((name for name in asked if "/" in name), None):
        raise SynthesightError(
            f"{folder / 'config.json'} asks for the code {kernel}, which is never run: take "
            "attn_implementation out of it, or choose another model."
        )
    for index in folder.glob("*.safetensors.index*.json"):
        named = read_json(index).get("weight_map")
        files_named = named.values() if isinstance(named, dict) else [named]
        for name in files_named:
            if not isinstance(name, str) or PurePosixPath(name).name != name:
                raise SynthesightError(
                    f"{index} names {name!r} as a file of weights, which is none in its folder: "
                    "download or save the model again."
                )


def weights_in(files: Iterable[Path]) -> tuple[int, int]:
    """Return the bytes of files of weights, and how many tensors they hold.

    A file that cannot be read holds none: whoever opens it says what is wrong with it.
    """
    from safetensors import SafetensorError, safe_open

    size = tensors = 0
    for path in files:
        with suppress(SafetensorError, OSError), safe_open(path, "pt") as opened:
            size += path.stat().st_size
            tensors += len(opened.keys())
    return size, tensors


def needed_parts(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the (library, class) of each part that a likelihood needs, by its role.

    Parameters
    ----------
    index
        The content of ``model_index.json``. Parts given there as null are left out.
    """
    parts = {}
    for role, entry in index.items():
        match entry:
            case [str() as library, str() as kind] if role[:1] != "_" and role not in NOT_NEEDED:
                parts[role] = (library, kind)
    return parts


def pick_variant(files: Iterable[str], *, half: bool, where: str) -> str | None:
    """Return which copy of weights to open: ``"fp16"``, ``"bf16"``, or None for the plain one.

    ``files`` are those in the part's folder, which messages call ``where``; ``half`` prefers a copy
    in half precision.
    """
    files = list(files)
    matches = [match for match in map(_WEIGHTS.fullmatch, files) if match]
    found = {match["variant"] for match in matches}
    order = (*HALF_VARIANTS, None) if half else (None, *HALF_VARIANTS)
    for variant in order:
        if variant in found:
            return variant
    pickles = _pickles(files)
    if pickles:
        raise SynthesightError(
            f"{where} holds only pickled weights ({pickles[0]}), which can run code when opened: "
            "convert them to .safetensors, or choose a copy of the model that has them."
        )
    raise SynthesightError(
        f"{where} holds no weights, such as diffusion_pytorch_model.safetensors or "
        "model.safetensors: download or save the model again."
    )


def weight_files(files: Iterable[str], variant: str | None) -> list[str]:
    """Return those of a part's files that hold one copy of its weights."""
    matches = ((file, _WEIGHTS.fullmatch(file)) for file in files)
    return [file for file, match in matches if match and match["variant"] == variant]


def wanted_of_one_folder(files: Iterable[str], *, name: str) -> list[str]:
    """Return the files to download of a model of transformers: settings and its weights.

    ``files`` are paths in the repository of the ``name``.
    """
    top = [file for file in files if "/" not in file]
    variant = pick_variant(top, half=False, where=f"The model {name}")
    settings = [file for file in top if PurePosixPath(file).suffix in SETTING_SUFFIXES]
    return settings + weight_files(top, variant)


def wanted_files(
    files: Iterable[str],
    index: Mapping[str, Any],
    *,
    half: bool,
    name: str,
    weightless: Collection[str] = (),
) -> list[str]:
    """Return the files of a repository to download: settings and one copy of the weights.

    ``index`` is the content of its ``model_index.json``; ``weightless`` are roles of parts whose
    settings are enough.
    """
    folders: dict[str, list[str]] = {role: [] for role in needed_parts(index)}
    for file in map(PurePosixPath, files):
        if len(file.parts) == 2 and file.parts[0] in folders:
            folders[file.parts[0]].append(file.name)
    wanted = [INDEX]
    for role, names in folders.items():
        keep = [file for file in names if PurePosixPath(file).suffix in SETTING_SUFFIXES]
        has_weights = any(map(_WEIGHTS.fullmatch, names)) or _pickles(names)
        if has_weights and role not in weightless:
            variant = pick_variant(names, half=half, where=f"The folder {role}/ of {name}")
            keep += weight_files(names, variant)
        wanted += [f"{role}/{file}" for file in keep]
    return wanted


def download(
    name: str,
    *,
    revision: str | None,
    half: bool,
    weightless: Collection[str] = (),
    check: Callable[[Mapping[str, Any]], object] | None = None,
) -> Path:
    """Return the local folder of a pipeline on the Hub, fetched where it is not there yet.

    Without a network, what an earlier call has fetched is used. Where a model of transformers will
    do as well, ``check`` takes its settings, and refuses those that will not. For ``half`` and
    ``weightless`` see :func:`wanted_files`.
    """

    def choose(files: list[str], fetch: Callable[[list[str]], Path]) -> list[str]:
        if INDEX not in files and CONFIG in files and check is not None:
            settings = read_json(fetch([CONFIG]) / CONFIG)
            if is_of_transformers(settings):
                check(settings)
                return wanted_of_one_folder(files, name=name)
        if INDEX not in files:
            at = "" if revision is None else f" at revision {revision!r}"
            raise SynthesightError(
                f"The model {name}{at} has no {INDEX}: choose a copy in the layout of diffusers."
            )
        index = read_json(fetch([INDEX]) / INDEX)
        return wanted_files(files, index, half=half, name=name, weightless=weightless)

    return _download(name, revision, choose)


def download_lora(name: str, *, revision: str | None, file: str | None) -> Path:
    """Return the local file of a LoRA on the Hub, fetched where it is not there yet.

    ``file`` is None where the repository holds a single one, or one of the usual name.
    """
    folder = _download(name, revision, lambda files, _: [pick_lora(files, file, name)])
    held = [path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")]
    return folder / pick_lora(held, file, name)


def pick_lora(files: Iterable[str], file: str | None, where: str) -> str:
    """Return the file of LoRA weights among those of a folder or repository, called ``where``.

    ``file`` is the one asked for; None where there is a single one, or one of the usual name.
    """
    found = sorted(path for path in files if PurePosixPath(path).suffix == ".safetensors")
    if file in found:
        return file
    if file is None and LORA_WEIGHTS in found:
        return LORA_WEIGHTS
    if file is None and len(found) == 1:
        return found[0]
    if found:
        raise SynthesightError(
            f"{where} holds {len(found)} files of weights: name the LoRA's, such as "
            f"{where}/{found[0]}."
        )
    raise SynthesightError(f"{where} holds no .safetensors file: choose a LoRA that has one.")


def _download(
    name: str,
    revision: str | None,
    choose: Callable[[list[str], Callable[[list[str]], Path]], list[str]],
) -> Path:
    """Fetch the files that ``choose(files, fetch)`` picks among those of a repository."""
    import huggingface_hub
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import logging as hub_logging

    if not _REPOSITORY.fullmatch(name):
        raise SynthesightError(
            f"There is no file or folder {name}: give a path, or a name on the Hugging Face Hub "
            "such as owner/model."
        )
    at = "" if revision is None else f" at revision {revision!r}"
    gated = (
        f"The model {name} is gated: accept its terms at https://huggingface.co/{name} and log in "
        "with `hf auth login`."
    )
    heard = hub_logging.get_verbosity()
    try:
        # It notes each of its retries, where our one sentence says what is wrong.
        hub_logging.set_verbosity_error()
        files = huggingface_hub.HfApi().list_repo_files(name, revision=revision)
    except GatedRepoError as error:
        raise SynthesightError(gated) from error
    except RevisionNotFoundError as error:
        raise SynthesightError(
            f"The model {name} has no revision {revision!r}: leave @{revision} out, or give one "
            f"listed at https://huggingface.co/{name}."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise NotFound(
            f"{name} is neither a path here nor a model on the Hugging Face Hub: check the name, "
            "or log in with `hf auth login` if the model is private."
        ) from error
    except Exception as error:  # no network: each HTTP library has exceptions of its own
        try:
            return Path(
                huggingface_hub.snapshot_download(name, revision=revision, local_files_only=True)
            )
        except Exception:
            raise NotFound(
                f"The Hugging Face Hub cannot be reached and {name}{at} is not on this machine: "
                "go online once to fetch it, or give the path of a folder."
            ) from error
    finally:
        hub_logging.set_verbosity(heard)

    def fetch(wanted: list[str]) -> Path:
        try:
            return Path(
                huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=wanted)
            )
        except GatedRepoError as error:  # a gated repository may still list its files
            raise SynthesightError(gated) from error
        except Exception as error:
            raise SynthesightError(
                f"The download of {name}{at} broke off ({first_line(error)}): run it again, and "
                "what has arrived is kept."
            ) from error

    return fetch(choose(files, fetch))


def _pickles(files: Iterable[str]) -> list[str]:
    return sorted(file for file in files if PurePosixPath(file).suffix in PICKLE_SUFFIXES)
