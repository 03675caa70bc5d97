"""Model folders from the Hugging Face Hub: only what a likelihood needs, and no pickles."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from synthesight.errors import SynthesightError

INDEX = "model_index.json"
NETWORK_ROLES = ("transformer", "unet")
TEXT_ROLES = tuple((f"tokenizer{n}", f"text_encoder{n}") for n in ("", "_2", "_3"))
ROLES = (*NETWORK_ROLES, "vae", "scheduler", *(role for pair in TEXT_ROLES for role in pair))

CONFIG_SUFFIXES = {".json", ".txt", ".model"}  # .txt and .model: vocabularies of tokenizers
PICKLE_SUFFIXES = {".bin", ".ckpt", ".pt", ".pth", ".pkl"}
HALF_VARIANTS = ("fp16", "bf16")
_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model)(?:\.(?P<variant>\w+))?(?:-\d+-of-\d+)?\.safetensors"
)
_REPOSITORY = re.compile(r"[\w.-]+(?:/[\w.-]+)?")


def pick_variant(files: Iterable[str], *, half: bool, where: str) -> str | None:
    """Which copy of a component's weights to open.

    Parameters
    ----------
    files
        Names of the files of the component's folder.
    half
        Whether a copy in half precision is preferred.
    where
        How to call the folder in messages.

    Returns
    -------
    ``"fp16"``, ``"bf16"``, or None for the plain copy.

    Raises
    ------
    SynthesightError
        Where there is none in the safetensors format.
    """
    files = list(files)
    matches = [match for match in map(_WEIGHTS.fullmatch, files) if match]
    found = {match["variant"] for match in matches}
    order = (*HALF_VARIANTS, None) if half else (None, *HALF_VARIANTS)
    for variant in order:
        if variant in found:
            return variant
    pickles = sorted(file for file in files if PurePosixPath(file).suffix in PICKLE_SUFFIXES)
    if pickles:
        raise SynthesightError(
            f"{where} holds only pickled weights ({pickles[0]}), which can run code when opened: "
            "convert them with safetensors, or choose a copy of the model that has .safetensors "
            "files."
        )
    raise SynthesightError(
        f"{where} holds no weights: expected diffusion_pytorch_model.safetensors or "
        "model.safetensors there; download or save the model again."
    )


def weight_files(files: Iterable[str], variant: str | None) -> list[str]:
    """The safetensors files, of those in a component's folder, that hold a copy of its weights."""
    matches = ((file, _WEIGHTS.fullmatch(file)) for file in files)
    return [file for file, match in matches if match and match["variant"] == variant]


def wanted_files(files: Iterable[str], *, half: bool, name: str) -> list[str]:
    """The files of a repository to download: settings, tokenizers and one copy of the weights.

    Parameters
    ----------
    files
        Paths in the repository.
    half, name
        See :func:`pick_variant`; the repository's name.
    """
    folders: dict[str, list[str]] = {}
    for file in map(PurePosixPath, files):
        if len(file.parts) == 2 and file.parts[0] in ROLES:
            folders.setdefault(file.parts[0], []).append(file.name)
    wanted = [INDEX]
    for role, names in folders.items():
        keep = [file for file in names if PurePosixPath(file).suffix in CONFIG_SUFFIXES]
        if role in NETWORK_ROLES or role == "vae" or role.startswith("text_encoder"):
            variant = pick_variant(names, half=half, where=f"The folder {role}/ of {name}")
            keep += weight_files(names, variant)
        wanted += [f"{role}/{file}" for file in keep]
    return wanted


def download(name: str, *, revision: str | None, half: bool) -> Path:
    """The local folder of a model on the Hub, fetched where it is not there yet.

    Without a network, what an earlier call has fetched is used.

    Raises
    ------
    SynthesightError
        Where the name is wrong, the model is gated, or there is no network and no copy.
    """
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
            f"There is no folder {name}: give a folder in the layout of diffusers or a name on "
            "the Hugging Face Hub, such as owner/model."
        )
    at = "" if revision is None else f" at revision {revision!r}"
    heard = hub_logging.get_verbosity()
    try:
        # It notes each of its retries, where our one sentence says what is wrong.
        hub_logging.set_verbosity_error()
        files = huggingface_hub.HfApi().list_repo_files(name, revision=revision)
    except GatedRepoError as error:
        raise SynthesightError(
            f"The model {name} is gated: accept its terms at https://huggingface.co/{name} and "
            "log in with `hf auth login`."
        ) from error
    except RevisionNotFoundError as error:
        raise SynthesightError(
            f"The model {name} has no revision {revision!r}: leave @{revision} out, or give one "
            f"listed at https://huggingface.co/{name}."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise SynthesightError(
            f"{name} is neither a folder here nor a model on the Hugging Face Hub: check the "
            "name, or log in with `hf auth login` if the model is private."
        ) from error
    except Exception as error:  # no network: each HTTP library has exceptions of its own
        try:
            return Path(
                huggingface_hub.snapshot_download(name, revision=revision, local_files_only=True)
            )
        except Exception:
            raise SynthesightError(
                f"The Hugging Face Hub cannot be reached and {name}{at} is not on this machine: "
                "go online once to fetch it, or give the path of a folder."
            ) from error
    finally:
        hub_logging.set_verbosity(heard)
    if INDEX not in files:
        raise SynthesightError(
            f"The model {name}{at} has no {INDEX}: choose a copy in the layout of diffusers."
        )
    wanted = wanted_files(files, half=half, name=name)
    try:
        return Path(
            huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=wanted)
        )
    except GatedRepoError as error:  # a gated repository may still list its files
        raise SynthesightError(
            f"The model {name} is gated: accept its terms at https://huggingface.co/{name} and "
            "log in with `hf auth login`."
        ) from error
    except Exception as error:
        raise SynthesightError(
            f"The download of {name}{at} broke off ({_first_line(error)}): run it again, and what "
            "has arrived is kept."
        ) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
