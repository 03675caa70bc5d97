"""Open weights that were published as a file on the web.

What the file holds and which architecture it fits is data: ``weights`` of the zoo's entries.

=================  ==============================================================================
``architecture``   a name of ``ARCHITECTURES``, with ``options``
``inside``         the key under which the checkpoint holds the network's weights, if there is one
``keep``           keep the keys that begin with this, and take it off
``head``           a file of its own for the readout: ``source``, ``inside``
``sha256``         the first digits, or all, of the hash
``mean``, ``std``  for pixels in [0, 1]; ImageNet's, where they are not given
=================  ==============================================================================

The files are pickles; they are opened with ``weights_only``, which runs nothing that is in them.
"""

from __future__ import annotations

import argparse
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import torch

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.observers.discriminative.packages import package
from synthesight.observers.discriminative.resnet import BagNet, ResNet50
from synthesight.observers.discriminative.toolbox import IMAGENET_MEAN, IMAGENET_STD
from synthesight.observers.registry import Entry

PARALLEL = "module."  # what torch.nn.DataParallel puts before every key
HEAD = "fc."
RENAMED = (
    # DenseNets of torchvision before 0.3, when names could have dots.
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)"), r"\1\2"),
)


def open_published(entry: Entry) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Open the network of an entry whose source is a URL, and say how it takes its images."""
    facts = dict(entry.weights or {})
    network = ARCHITECTURES[facts["architecture"]](**facts.get("options", {}))
    path = fetch_weights(entry.source, facts.get("sha256"))
    weights = read_weights(path, inside=facts.get("inside"), keep=facts.get("keep", ""))
    if head := facts.get("head"):
        readout = read_weights(fetch_weights(head["source"]), inside=head.get("inside"))
        weights |= {HEAD + key: value for key, value in readout.items()}
    weights = ADAPTED.get(facts["architecture"], lambda same: same)(weights)
    fit_weights(network, weights, path)
    return network, {
        "resolution": entry.resolution,
        "mean": facts.get("mean", IMAGENET_MEAN),
        "std": facts.get("std", IMAGENET_STD),
    }


def fetch_weights(url: str, sha256: str | None = None) -> Path:
    """Return the local file of published weights, downloaded if it is not there yet.

    Files lie in the user's cache, in ``synthesight/weights``. Each is checked whenever it is opened
    against the hash of its first use, and what is published of it.
    """
    folder = files.cache_folder() / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PurePosixPath(urlsplit(url).path).name
    return files.fetch(
        url, path, sha256=sha256, otherwise=f"put the file there as {path}", check=_read
    )


def read_weights(
    path: Path, *, inside: str | None = None, keep: str = ""
) -> OrderedDict[str, torch.Tensor]:
    """Read the weights of a network from a file that ``torch.save`` wrote; nothing in it is run.

    ``inside`` and ``keep`` are as in the table above. The prefix of DataParallel is taken off
    first.
    """
    checkpoint = _read(path)
    state = checkpoint.get(inside) if inside and isinstance(checkpoint, Mapping) else checkpoint
    if not isinstance(state, Mapping):
        raise SynthesightError(f"{path} holds no weights: delete it, and it is fetched anew.")
    parallel = PARALLEL if all(key.startswith(PARALLEL) for key in state) else ""
    prefix = parallel + keep
    weights = OrderedDict(
        (_renamed(key.removeprefix(prefix)), value)
        for key, value in state.items()
        if key.startswith(prefix)
    )
    if not prefix and hasattr(state, "_metadata"):  # versions of layers, which torch keeps there
        weights._metadata = state._metadata  # type: ignore[attr-defined]  # noqa: SLF001
    return weights


def _read(path: Path) -> Any:
    """Read a checkpoint of plain data; nothing in the file is run."""
    try:
        # Some checkpoints hold the options of their training, which are data alone.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        foreign = re.search(r"global: GLOBAL ([\w.]+)", str(error))
        reason = (
            f"it holds {foreign[1]}, which is not data"
            if foreign
            else "it is damaged, or was not saved by torch"
        )
        raise SynthesightError(
            f"{path} cannot be opened as weights ({reason}): delete it, and it is fetched anew."
        ) from None


def _renamed(key: str) -> str:
    for pattern, replacement in RENAMED:
        key = pattern.sub(replacement, key)
    return key


def hash_in_name(url: str) -> str | None:
    """Return the digits of a file's SHA-256 that PyTorch's convention puts in its name."""
    found = re.search(r"-([0-9a-f]{8,})\.[a-z.]+$", urlsplit(url).path)
    return found[1] if found else None


def fit_weights(network: torch.nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Give a network its weights: all of them, and no others."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip().rstrip(".")
        raise SynthesightError(
            f"{path} does not fit the architecture {type(network).__name__} ({reason}): delete "
            "it, and it is fetched anew."
        ) from None


def _timm(name: str) -> torch.nn.Module:
    return package("timm", "timm").create_model(name, pretrained=False)


def _vit_small() -> torch.nn.Module:
    """Build the ViT-S that timm had until June 2021: 8 layers of 768 channels (timm 0.4.9)."""
    return package("timm", "timm").create_model(
        "vit_small_patch16_224",
        pretrained=False,
        embed_dim=768,
        depth=8,
        num_heads=8,
        mlp_ratio=3.0,
        qkv_bias=False,
        norm_layer=torch.nn.LayerNorm,
    )


def _adapt_vit_small(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Fit its weights to today's layers: patches, and the attention's scale 768 ** -0.5."""
    adapted = dict(weights)
    for key, value in weights.items():
        if key == "patch_embed.proj.weight":
            adapted[key] = value.reshape(-1, 3, 16, 16)
        if key.endswith("attn.qkv.weight"):
            query, rest = value.split([768, 2 * 768])
            adapted[key] = torch.cat([query * (96 / 768) ** 0.5, rest])
    return adapted


ARCHITECTURES: Mapping[str, Callable[..., torch.nn.Module]] = {
    "resnet50": ResNet50,
    "bagnet": BagNet,
    "vit-small": _vit_small,
    "timm": _timm,
}
ADAPTED: Mapping[str, Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]] = {
    "vit-small": _adapt_vit_small,
}
