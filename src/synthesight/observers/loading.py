"""``load``: from a model's name, or an object, to an observer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.files import read_json
from synthesight.likelihood.hub import NotFound, is_of_transformers
from synthesight.observers.class_files import names_only
from synthesight.observers.given import SETTINGS, own_settings, read_given
from synthesight.observers.observer import Observer
from synthesight.observers.options import ModelKeywords, ModelOptions, read_options, typed
from synthesight.observers.registry import LIBRARIES, PLUGIN, Entry, nearest, resolve
from synthesight.stimuli.categories import imagenet_to_16

# Options of opening weights.
OF_WEIGHTS = (
    "device", "dtype", "config", "lora", "without", "quantise", "resolution", "smoothing"
)  # fmt: skip
PUBLISHED = "published"  # the protocol of the benchmark of Geirhos et al. (2021)


@typed(ModelOptions)
def load(model: Any, **options: Unpack[ModelKeywords]) -> Observer:
    """Open a model as an observer.

    Parameters
    ----------
    model
        A name that ``synthesight models`` lists; a folder in diffusers' layout; a single
        ``.safetensors`` file or a folder of one network, with ``config``; a name on the Hugging
        Face Hub, ``owner/model`` or ``owner/model@revision``; a classifier of a library, such as
        ``timm:resnet50`` or ``transformers:owner/model``; a diffusers pipeline; or an object that
        meets a protocol of :mod:`synthesight.likelihood.protocol`. An observer is returned as it
        is.
    options
        As :class:`~synthesight.observers.options.ModelOptions` explains them. An option that a
        model has no use for is refused.

    Returns
    -------
    An observer with ``classify``, ``predict``, ``predict_proba`` and ``respond``.

    Raises
    ------
    SynthesightError
        If the model is unknown, cannot be got or read, or has no use for an option.

    Examples
    --------
    >>> import numpy as np, synthesight
    >>> observer = synthesight.load("natural-32-cnn", classes=["cat", "dog"], device="cpu")
    >>> observer.predict_proba(np.zeros((2, 32, 32, 3), dtype=np.uint8)).shape
    (2, 2)
    """
    return open_observer(model, read_options(ModelOptions, options))


def open_observer(model: Any, options: ModelOptions) -> Observer:
    """Open a model with options; see :func:`load`.

    What needs no model is checked before anything heavy is imported.
    """
    return open_given(model, read_given(options))


def open_given(model: Any, given: dict[str, Any]) -> Observer:
    """Open a model with what :func:`read_given` returned."""
    given = dict(given)
    if (calibration := given.pop("calibration", None)) is not None:
        observer = open_given(model, given)
        calibration.check(observer.describe())
        observer.calibration = calibration
        return observer
    if not isinstance(model, str | Path):
        return _from_object(model, given)
    place = Place(str(model), *resolve(str(model)))
    if (protocol := given.pop("protocol", None)) is not None:
        check_protocol(protocol, place)
        given |= {"protocol": protocol} if protocol == PUBLISHED else {}
    from synthesight.likelihood.device import best_device, check_device

    given["device"] = given.get("device") or best_device()
    check_device(given["device"])
    noise = given.pop("test_noise", None)
    kind, open_it = next((kind, opener) for fits, kind, opener in OPENERS if fits(place))
    taken = signature(open_it).parameters
    if not any(each.kind is Parameter.VAR_KEYWORD for each in taken.values()):
        # Networks leave nothing to chance, but one seed for all observers is no mistake.
        given.pop("seed", None)
        if "names" not in taken:
            given = names_only(given, f"{place.name} reads no text")
        _refuse_others(given, taken, f"{place.name} is {kind}")
    observer = open_it(place, **given)
    return observer if noise is None else _with_noise(observer, noise)


def _with_noise(observer: Observer, noise: str) -> Observer:
    from synthesight.observers.discriminative.network import Network
    from synthesight.observers.discriminative.noise import WithNoise, read_augmentation

    what = read_augmentation(noise)
    if not isinstance(observer, Network):
        raise SynthesightError(
            f"{observer.name} is {_kind(observer)}: leave out `test_noise`, which is for networks."
        )
    return observer if what is None else WithNoise(observer, what)


def check_protocol(protocol: str, place: Place) -> None:
    """Refuse a protocol that there is not, or that a model does not have."""
    if protocol not in ("own", PUBLISHED):
        raise SynthesightError(
            f"There is no `protocol={protocol!r}`: choose own (default) or {PUBLISHED}."
        )
    if protocol == PUBLISHED and (place.entry is None or place.entry.toolbox is None):
        raise SynthesightError(
            f"{place.name} is not one of the benchmark's 52 networks, which have a published "
            "protocol: leave out `protocol`. Of generative models, `rule='repeated-t'` is the "
            "published procedure."
        )


@dataclass(frozen=True)
class Place:
    """Where a model is: the name that was given, what it stands for, and what is known of it."""

    name: str
    location: str | Path
    entry: Entry | None

    @property
    def label(self) -> str | None:
        """How trials call a known model."""
        return self.entry.name if self.entry else None

    @property
    def folder(self) -> Path | None:
        """The folder that holds the model, if it is on this machine."""
        return self.location if isinstance(self.location, Path) else None


def _is_plugin(place: Place) -> bool:
    return str(place.location).startswith(PLUGIN)


def _open_plugin(place: Place, *, device: str, **given: Any) -> Observer:
    module, _, function = str(place.location).removeprefix(PLUGIN).partition(":")
    opened = getattr(import_module(module), function)(device=device)
    if not isinstance(opened, Observer):
        return _from_object(opened, given)
    opened.classes = given.pop("classes", opened.classes)
    _refuse_others(given, {"seed"}, f"{place.name} is {_kind(opened)}")
    return opened


def _is_library(place: Place) -> bool:
    if place.entry is not None and (place.entry.weights or place.entry.source == "package"):
        return True
    return str(place.location).startswith(LIBRARIES)


def _open_library(
    place: Place,
    *,
    device: str,
    classes: list[str] | None = None,
    prompt: Any = None,
    names: Any = None,
    protocol: str | None = None,
) -> Observer:
    from synthesight.observers.discriminative.loading import load_classifier

    return load_classifier(
        str(place.location),
        place.entry,
        classes=classes,
        prompt=prompt,
        names=names,
        protocol=protocol,
        device=device,
    )


def _is_to_be_converted(place: Place) -> bool:
    return place.entry is not None and bool(place.entry.files)


def _refuse_unconverted(place: Place, **given: Any) -> Observer:  # noqa: ARG001
    """Say how to get a model that is published as pickles, or in parts."""
    assert place.entry is not None
    names = " ".join(name.rpartition("/")[2] for name in place.entry.files)
    raise SynthesightError(
        f"{place.name} is published in parts: download {' and '.join(place.entry.files)} from "
        f"huggingface.co, run `synthesight convert {names} --out {place.name}`, and give "
        f"`model=./{place.name}`."
    )


def _is_small_tokens(place: Place) -> bool:
    config = place.folder / "config.json" if place.folder is not None else None
    if config is None or not config.is_file():
        return False
    return read_json(config, advice="get it anew").get("architecture") == "SmallTokenModel"


def _open_small_tokens(
    place: Place, *, device: str, weighting: Any = None, **given: Any
) -> Observer:
    """Open a model that ``synthesight train tokens`` wrote."""
    from synthesight.likelihood.tokens.small import SmallTokenModel
    from synthesight.observers.generative import GenerativeClassifier

    assert place.folder is not None
    settings = place.folder / SETTINGS
    own = own_settings(settings) if settings.is_file() else {"weighting": "elbo"}
    chosen = own["weighting"] if weighting is None else weighting
    if isinstance(chosen, str) and chosen != "elbo":
        raise SynthesightError(
            f"{place.name} has no `weighting={chosen!r}`: leave it out for the model's own, or "
            "give elbo, its exact likelihood, or a number for each token."
        )
    taken = set(signature(GenerativeClassifier).parameters) - {"proposal", "labels", "combine"}
    _refuse_others(given, taken, f"{place.name} is a small model of image tokens")
    model = SmallTokenModel.from_folder(
        place.folder,
        name=place.label,
        weighting=None if isinstance(chosen, str) else chosen,
        device=device,
    )
    options: dict[str, Any] = {"classes": own.get("classes")} | given
    observer = GenerativeClassifier(model, **options)
    observer.weighting = chosen
    return observer


def _is_small_network(place: Place) -> bool:
    config = place.folder / "config.json" if place.folder is not None else None
    if config is None or not config.is_file():
        return False
    settings = read_json(config, advice="get it anew")
    # A network of a diffusers pipeline, such as checkpoint-500/unet, has a config.json as well.
    return not {"_class_name", "family"} & set(settings) and not is_of_transformers(settings)


def _open_small_network(place: Place, *, device: str, classes: list[str] | None = None) -> Observer:
    from synthesight.observers.discriminative.trained import open_trained

    assert place.folder is not None
    return open_trained(place.folder, name=place.label, classes=classes, device=device)


def _open_generative(place: Place, **given: Any) -> Observer:
    if place.folder is not None and (place.folder / SETTINGS).is_file():
        own = own_settings(place.folder / SETTINGS)
        given = {"classes": own.get("classes"), "weighting": own["weighting"]} | given
        # The proposal was made for the model's own weighting.
        if np.array_equal(given["weighting"], own["weighting"]):
            given["proposal"] = own.get("proposal")
    try:
        return _open_weights(place.location, place.label, given)
    except NotFound as error:
        if place.entry is not None or not (near := nearest(place.name)):
            raise
        said = str(error).removesuffix(".")
        raise SynthesightError(f"{said}; did you mean {' or '.join(near)}?") from error


def _open_weights(source: Any, name: str | None, given: dict[str, Any]) -> Observer:
    """Open a diffusers pipeline, or what holds its weights, as a classifier."""
    from synthesight.likelihood.loading import load_model
    from synthesight.observers.generative import GenerativeClassifier

    how = {key: given.pop(key) for key in OF_WEIGHTS if key in given}
    model = load_model(source, name=name, **how)
    if model.takes_labels:
        given.setdefault("labels", imagenet_to_16())
    if "combine" in given and "labels" not in given:
        raise SynthesightError(
            f"{model.name} has one text a class and nothing to combine: leave out `combine`, or "
            "give `labels` the texts of each class."
        )
    return GenerativeClassifier(model, **given)


# What is opened how: the first that fits.
OPENERS: tuple[tuple[Callable[[Place], bool], str, Callable[..., Observer]], ...] = (
    (_is_plugin, "another package's", _open_plugin),
    (_is_library, "a discriminative network", _open_library),
    (_is_to_be_converted, "a generative model", _refuse_unconverted),
    (_is_small_tokens, "a generative model", _open_small_tokens),
    (_is_small_network, "a discriminative network", _open_small_network),
    (lambda place: True, "a generative model", _open_generative),
)


def _from_object(model: Any, given: dict[str, Any]) -> Observer:
    """Make an observer of an object that a caller holds."""
    if isinstance(model, Observer):
        _refuse_others(given, (), f"{model.name} is an observer already")
        return model
    from synthesight.observers.generative import GenerativeClassifier

    if not (hasattr(model, "prepare") and hasattr(model, "encode")):
        return _open_weights(model, None, given)
    takes = set(signature(GenerativeClassifier).parameters)
    _refuse_others(given, takes, f"{model.name} is open already")
    return GenerativeClassifier(model, **given)


def _refuse_others(given: Collection[str], known: Collection[str], what: str) -> None:
    """Refuse options that a model has no use for, rather than answer as if it had."""
    if useless := [name for name in given if name not in known]:
        raise SynthesightError(
            f"{what}: leave out {', '.join(f'`{name}`' for name in useless)}, which it has no use "
            "for."
        )


def _kind(observer: Observer) -> str:
    return f"a {observer.kind} " + ("model" if observer.kind == "generative" else "network")
