"""Read the options of a model: values, texts, and files of them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.files import read_json
from synthesight.observers.calibration import read_calibration
from synthesight.observers.class_files import read_classes, read_prompts
from synthesight.observers.options import ModelOptions
from synthesight.observers.prompts import check_classes

SETTINGS = "synthesight.json"  # beside a model's weights: its own classes, weighting and proposal


def read_given(options: ModelOptions) -> dict[str, Any]:
    """Return the options that were given, with what is read from files: they can be sent."""
    given = options.given()
    given |= read_wording(options)
    if options.resolution is not None:
        given["resolution"] = read_resolution(options.resolution)
    if isinstance(options.stages, str):
        given["stages"] = read_stages(options.stages)
    if isinstance(options.weighting, str | Path):
        given["weighting"], proposal = read_weighting(options.weighting)
        given |= {} if proposal is None else {"proposal": proposal}
    if options.calibration is not None:
        given["calibration"] = read_calibration(options.calibration)
    if isinstance(options.labels, str | Path):
        given["labels"] = _read_labels(Path(options.labels))
    return given


def read_wording(options: ModelOptions) -> dict[str, Any]:
    """Return ``classes``, ``prompt`` and ``names`` as observers take them, read if in files."""
    prompt, named = (None, None) if options.prompt is None else read_prompts(options.prompt)
    if options.classes is None:
        chosen = {} if named is None else {"classes": check_classes(named)}
        return chosen | ({} if prompt is None else {"prompt": prompt})
    classes = read_classes(options.classes)
    return {"classes": classes.names} | classes.wording(prompt)


def read_weighting(weighting: str | Path) -> tuple[str | list[float], list[float] | None]:
    """Return a weighting by name, or that of a JSON file and the proposal that goes with it."""
    if Path(weighting).suffix.lower() != ".json":
        return str(weighting), None
    own = own_settings(Path(weighting))
    return own["weighting"], own.get("proposal")


def own_settings(path: Path) -> dict[str, Any]:
    """Return what lies beside a model's weights: its classes, weighting and proposal."""
    own = read_json(path, advice="save the model again")

    def numbers(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(each, int | float) for each in value)

    weighting, proposal = own.get("weighting"), own.get("proposal")
    if not (isinstance(weighting, str) or numbers(weighting)) or not (
        proposal is None or numbers(proposal)
    ):
        raise SynthesightError(
            f"{path} holds no weighting or proposal that a run can use: save the model again."
        )
    if own.get("classes") is not None:
        own["classes"] = check_classes(own["classes"])
    return own


def read_resolution(resolution: Any) -> int | tuple[int, int]:
    """Return an image size: a side, or (height, width).

    Examples
    --------
    >>> read_resolution("512"), read_resolution("512x768"), read_resolution((512, 768))
    (512, (512, 768), (512, 768))
    """
    given = resolution.lower().split("x") if isinstance(resolution, str) else resolution
    sides: list[int] = []
    with suppress(TypeError, ValueError):
        sides = [int(side) for side in ([given] if isinstance(given, int) else given)]
    if not 1 <= len(sides) <= 2 or min(sides) < 1:
        raise SynthesightError(
            f"`resolution={resolution!r}` is no size of an image: give a side in pixels, or height "
            "and width, such as 512x768."
        )
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def read_stages(text: str) -> tuple[tuple[float, float], ...]:
    """Return the stages that a text names: pairs of numbers, or of shares.

    Examples
    --------
    >>> read_stages("6:10,10:3"), read_stages("0.1:0.5")
    (((6, 10), (10, 3)), ((0.1, 0.5),))
    """

    def number(text: str) -> float:
        return int(text) if text.strip().isdecimal() else float(text)

    try:
        pairs = [tuple(map(number, pair.split(":"))) for pair in text.split(",")]
        return tuple((draws, kept) for draws, kept in pairs)
    except ValueError as error:
        raise SynthesightError(
            f"`stages={text!r}` cannot be read: give draws and classes kept, such as 6:10,10:3."
        ) from error


def _read_labels(path: Path) -> dict[str, list[str]]:
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
        if any(isinstance(own, str) for own in labels.values()):
            raise ValueError("a text for a list")
        return {name: [str(label) for label in own] for name, own in labels.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise SynthesightError(
            f"`labels={str(path)!r}` cannot be read: give a JSON file such as "
            '{"cat": [281, 282]}.'
        ) from error
