"""``load``: from a model's name to an observer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.observers.observer import Observer
from synthesight.observers.registry import resolve
from synthesight.stimuli.categories import imagenet_to_16

SETTINGS = "synthesight.json"  # beside a model's weights: its own classes, weighting and proposal

# What the command line calls the options that only generative models have.
GENERATIVE = {
    "rule": "--rule, --delta and --max-draws",
    "templates": "--prompt",
    "weighting": "--weighting",
    "labels": "--labels",
    "combine": "--combine",
    "batch_size": "--batch-size",
    "dtype": "--dtype",
}


def load(
    name: str | Path,
    *,
    classes: Sequence[str] | None = None,
    device: str | None = None,
    dtype: str | None = None,
    **options: Any,
) -> Observer:
    """Open a model as an observer.

    Parameters
    ----------
    name
        A name that ``synthesight models`` lists, a folder in diffusers' layout, or a name on the
        Hugging Face Hub, ``owner/model`` or, for a branch, tag or commit,
        ``owner/model@revision``. For classifiers of other libraries, ``timm:<name>`` and so on,
        see :func:`~synthesight.observers.discriminative.loading.load_classifier`.
    classes
        Class names, when calls of the observer do not name them; None for those that the model
        says it knows.
    device
        Such as ``"cuda"``; None is the GPU where there is one.
    dtype
        ``"float32"``, ``"bfloat16"`` or ``"float16"``; None chooses by device.
    options
        For generative models: what
        :class:`~synthesight.observers.generative.GenerativeClassifier` takes. For
        networks of images and text: ``templates``. Any observer may be given ``seed``.

    Returns
    -------
    An observer with ``classify``, ``predict``, ``predict_proba`` and ``respond``.

    Raises
    ------
    SynthesightError
        If the model is unknown, cannot be got, or cannot be read, or has no use for an option.

    Examples
    --------
    >>> import numpy as np, synthesight
    >>> observer = synthesight.load("natural-32-cnn", classes=["cat", "dog"], device="cpu")
    >>> observer.predict_proba(np.zeros((2, 32, 32, 3), dtype=np.uint8)).shape
    (2, 2)
    """
    import torch

    from synthesight.likelihood.loading import check_device, load_model
    from synthesight.observers.discriminative.loading import is_classifier, load_classifier
    from synthesight.observers.generative import GenerativeClassifier
    from synthesight.observers.prompts import check_classes

    _check_known(
        options, ["device", "dtype", *list(signature(GenerativeClassifier).parameters)[1:]]
    )
    if classes is not None:
        classes = check_classes(classes)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    location, entry = resolve(str(name))
    # Networks leave nothing to chance, but one seed for all observers is no mistake.
    given = {key: value for key, value in options.items() if key != "seed"}
    asked = [*given, *(["dtype"] if dtype else [])]
    if isinstance(location, str) and is_classifier(location, entry):
        _check_asked(name, asked, allowed=("templates",))
        return load_classifier(location, entry, classes=classes, device=device, **given)
    label = entry.name if entry else None
    folder = location if isinstance(location, Path) else None
    if folder is not None and (folder / "config.json").is_file():
        from synthesight.observers.discriminative.network import DiscriminativeNetwork

        _check_asked(name, asked)
        return DiscriminativeNetwork.from_folder(folder, name=label, classes=classes, device=device)
    from synthesight.likelihood.families.dit import DiT

    if dtype is not None and dtype not in ("float32", "bfloat16", "float16"):
        raise SynthesightError(f"There is no --dtype {dtype}: choose float32, bfloat16 or float16.")
    precision = getattr(torch, dtype) if dtype else None
    revision = None
    if isinstance(location, str) and "@" in location:
        location, revision = location.split("@", 1)
        label = label or str(name)
    model = load_model(location, device=device, dtype=precision, name=label, revision=revision)
    if folder is not None and (folder / SETTINGS).is_file():
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        known = settings.pop("classes", None)
        classes = known if classes is None else classes
        # The proposal was made for the model's own weighting.
        if options.get("weighting", settings["weighting"]) == settings["weighting"]:
            options = settings | options
    if isinstance(model, DiT) and options.get("labels") is None:
        options |= {"labels": imagenet_to_16()}
    if "combine" in options and options.get("labels") is None:
        raise SynthesightError(
            f"{name} has one text a class and nothing to combine: leave out --combine, or give "
            "--labels the texts of each class."
        )
    return GenerativeClassifier(model, classes=classes, **options)


def _check_known(options: Iterable[str], known: Sequence[str]) -> None:
    """Refuse options that no observer has, such as misspelt ones."""
    for key in options:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}" if near else f"choose among {', '.join(known)}"
            raise SynthesightError(f"Observers have no option {key!r}: {hint}.")


def _check_asked(name: str | Path, asked: Sequence[str], allowed: Sequence[str] = ()) -> None:
    """Refuse what a discriminative network cannot do, rather than answer as if it had."""
    for key in asked:
        if key not in allowed:
            raise SynthesightError(
                f"{name} is a discriminative network: leave out {GENERATIVE.get(key, key)}, meant "
                "for generative models."
            )
