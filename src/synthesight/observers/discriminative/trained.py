"""Networks that ``synthesight train discriminative`` trains: built by name, written, and opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from synthesight import files
from synthesight.errors import SynthesightError, first_line
from synthesight.files import read_json
from synthesight.observers.discriminative.imagenet import OUTPUTS, ImageNetNetwork
from synthesight.observers.discriminative.network import DiscriminativeNetwork, Network
from synthesight.observers.discriminative.packages import data_only, package
from synthesight.observers.discriminative.resnet import ResNet50
from synthesight.observers.discriminative.small_cnn import SmallCNN
from synthesight.stimuli.synsets import synsets

SMALL = "SmallCNN"
RESNET = "ResNet50"
TIMM, TRANSFORMERS = "timm:", "transformers:"


def build(settings: dict[str, Any], *, pretrained: bool = False) -> torch.nn.Module:
    """Build a network, with random weights unless it is asked for those of its library.

    ``settings`` are what ``config.json`` of a trained network holds: ``architecture``, ``labels``,
    and what the architecture needs: ``widths`` and ``blocks``, or ``config`` (of transformers).
    Where it is ``pretrained``, its readout is new.
    """
    name, outputs = str(settings["architecture"]), len(settings["labels"])
    if pretrained and not name.startswith((TIMM, TRANSFORMERS)):
        raise SynthesightError(
            f"`architecture={name!r}` has no weights to start from: leave out `pretrained`, or "
            "choose an architecture of timm or transformers."
        )
    if name == SMALL:
        return SmallCNN(outputs, settings["widths"], settings["blocks"])
    if name == RESNET:
        return _initialised(ResNet50(classes=outputs))
    if name.startswith(TIMM) and ":" not in (place := name.removeprefix(TIMM)):
        timm = package("timm", "timm")
        return _asked(name, lambda: timm.create_model(place, pretrained, num_classes=outputs))
    if name.startswith(TRANSFORMERS):
        return _asked(name, lambda: _of_transformers(name, settings, outputs, pretrained))
    raise SynthesightError(
        f"There is no `architecture={name!r}`: choose {SMALL}, {RESNET}, timm:NAME, or "
        "transformers:NAME (a model type such as resnet or vit, a folder, or a name on the Hub)."
    )


def _asked(name: str, opener: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    try:
        with data_only():
            return opener()
    except SynthesightError:
        raise
    except Exception as error:  # the libraries, the Hub and HTTP each have their own
        raise SynthesightError(
            f"`architecture={name!r}` cannot be built ({first_line(error)}): check the name, and "
            "that it classifies images."
        ) from None


def _of_transformers(
    name: str, settings: dict[str, Any], outputs: int, pretrained: bool
) -> torch.nn.Module:
    from transformers import AutoConfig, AutoModelForImageClassification
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    place = name.removeprefix(TRANSFORMERS)
    if pretrained:
        return AutoModelForImageClassification.from_pretrained(
            place,
            num_labels=outputs,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    if "config" in settings:
        given = dict(settings["config"])
        config = AutoConfig.for_model(given.pop("model_type"), **given)
    elif place in CONFIG_MAPPING_NAMES:
        size = {"image_size": settings["resolution"]}
        config = AutoConfig.for_model(place)
        config.update({key: value for key, value in size.items() if hasattr(config, key)})
    else:
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
    config.num_labels = outputs
    return AutoModelForImageClassification.from_config(config, trust_remote_code=False)


def _initialised(network: torch.nn.Module) -> torch.nn.Module:
    """Draw the convolutions' weights as He et al. (2015) do, by the number of outputs."""
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight.device.type != "meta":
            torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def settings_of(network: torch.nn.Module, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings, with all that :func:`build` needs to build the same network again."""
    config = getattr(network, "config", None)
    if config is None:
        return settings
    plain = {key: value for key, value in config.to_dict().items() if "label" not in key}
    return settings | {"config": plain, "architecture": TRANSFORMERS + config.model_type}


def write(network: torch.nn.Module, settings: dict[str, Any], folder: Path) -> None:
    """Write a network as a folder: its settings, and its weights as safetensors.

    Weights of the small network are float16, which no answer has been seen to depend on; of others,
    whose running variances may be larger than that can hold, float32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_of(network, settings)
    half = settings["architecture"] == SMALL
    files.write(folder / "config.json", json.dumps(settings, indent=2) + "\n")
    weights = {
        key: (value.half() if half and value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    with files.whole(folder / "model.safetensors") as unfinished:
        save_file(weights, unfinished)


def open_trained(
    folder: Path,
    *,
    name: str | None = None,
    classes: Sequence[str] | None = None,
    device: str | torch.device = "cpu",
) -> Network:
    """Open a network that ``synthesight train discriminative`` wrote.

    One that was trained on ImageNet-1k's 1000 synsets answers with 16 categories, by the mean rule;
    one that was trained on others of its synsets calls them by their words.
    """
    for part in ("config.json", "model.safetensors"):
        if not (folder / part).is_file():
            raise SynthesightError(
                f"The folder {folder} has no {part}: give one that `synthesight train "
                "discriminative` wrote."
            )
    settings: Any = read_json(folder / "config.json", advice="get it anew")
    if not _is_ours(settings):
        raise SynthesightError(
            f"{folder / 'config.json'} is not one that `synthesight train discriminative` "
            f"wrote: a classifier of the library transformers is opened as "
            f"`model='transformers:{folder}'`."
        )
    network = _with_weights(settings, folder / "model.safetensors")
    labels, resolution = settings["labels"], settings["resolution"]
    mean, std = (settings.get(key, [0.5] * 3) for key in ("mean", "std"))
    name = name or folder.name
    if labels == list(synsets())[:OUTPUTS]:
        return ImageNetNetwork(
            network,
            name=name,
            resolution=resolution,
            mean=mean,
            std=std,
            classes=classes,
            device=device,
        )
    labels = [synsets().get(label, label) for label in labels]
    return DiscriminativeNetwork(
        network, labels, resolution, name=name, classes=classes, mean=mean, std=std, device=device
    )


def _with_weights(settings: dict[str, Any], path: Path) -> torch.nn.Module:
    try:
        weights = load_file(path)
        small = settings["architecture"] == SMALL
        if small and len(settings["widths"]) * settings["blocks"] > len(weights):
            raise ValueError("fewer tensors than layers")
        with torch.device("meta"):  # no memory for layers of any size before they are seen
            network = build(settings)
        if small or settings["architecture"] == RESNET:
            network.load_state_dict(weights, assign=True)
            return network.float()
        wanted = {key: value.shape for key, value in network.state_dict().items()}
        if wanted != {key: value.shape for key, value in weights.items()}:
            raise ValueError("other layers")
        # Other libraries' networks may have buffers that are not saved, and must be computed.
        network = build(settings)
        network.load_state_dict(weights)
        return network.float()
    except SynthesightError:
        raise
    except (RuntimeError, ValueError, OSError, SafetensorError) as error:
        raise SynthesightError(
            f"{path} is damaged or does not fit its config.json: get both anew."
        ) from error


def _is_ours(settings: Any) -> bool:
    labels, resolution = settings.get("labels"), settings.get("resolution")
    architecture = settings.get("architecture", SMALL)
    if not (
        isinstance(architecture, str) and _is_list(labels, str) and len(set(labels)) == len(labels)
        and _is_number(resolution, 4096)
        and all(_is_colour(settings[key]) for key in ("mean", "std") if key in settings)
        and isinstance(settings.get("config", {}), dict)
    ):  # fmt: skip
        return False
    settings["architecture"] = architecture
    if architecture == SMALL:
        return _is_list(settings.get("widths"), int) and _is_number(settings.get("blocks"), 1000)
    return architecture == RESNET or architecture.startswith((TIMM, TRANSFORMERS))


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(type(each) is kind for each in value)


def _is_colour(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(each, int | float) and -1e3 < each < 1e3 for each in value)
    )


def _is_number(value: Any, most: int) -> bool:
    return type(value) is int and 1 <= value <= most
