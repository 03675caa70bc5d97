"""The design of an experiment: its texts, times, classes and what is to be decided of it.

The procedure is that of Geirhos et al. (2018, 2019): a fixation square for 300 ms, the image for
200 ms at 3 degrees of visual angle, a mask of 1/f noise for 200 ms, then a screen of 16 categories
for 1500 ms, in which the last click counts; a break every 128 or 256 trials; practice with
feedback. Times, layout and mask are those of the code with which those experiments were run
(github.com/rgeirhos/texture-vs-shape, ``lab-experiment``).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, get_type_hints

from synthesight.errors import SynthesightError, first_line, suggestion
from synthesight.stimuli.categories import SIXTEEN, canonical, in_order
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.stimulus import Stimulus

SETTINGS = "study.toml"
MOST_CLASSES = 40  # keys in four rows of ten

# The published response screen, row by row.
PUBLISHED_LAYOUT = (
    "knife", "bicycle", "bear", "truck",
    "airplane", "clock", "boat", "car",
    "keyboard", "oven", "cat", "bird",
    "elephant", "chair", "bottle", "dog",
)  # fmt: skip


@dataclass(frozen=True)
class Timing:
    """Hold the durations of a trial's parts, in milliseconds."""

    fixation: float = 300
    image: float = 200
    mask: float = 200
    response: float = 1500
    feedback: float = 300


@dataclass(frozen=True)
class Screen:
    """Hold how large images are (degrees), how far people sit (cm), and the least window."""

    degrees: float = 3.0
    blind_spot: int = 5
    distance: float = 57
    min_width: int = 700
    min_height: int = 600
    background: int = -1


@dataclass(frozen=True)
class Design:
    """Hold how many trials are practice, lie between breaks, and come to one attention check."""

    practice: int = 10
    block: int = 128
    attention: int = 40


@dataclass(frozen=True)
class Study:
    """Describe the texts, times and design of an experiment, as ``study.toml`` has them.

    Examples
    --------
    >>> Study().timing.image
    200
    """

    title: str = ""
    contact: str = ""
    consent: str = ""
    instructions: str = ""
    debrief: str = ""
    completion_url: str = ""
    timing: Timing = field(default_factory=Timing)
    screen: Screen = field(default_factory=Screen)
    design: Design = field(default_factory=Design)

    def __post_init__(self) -> None:
        url = self.completion_url
        _check(
            not url or url.startswith("https://"),
            "completion_url",
            url,
            "an address that begins with https://",
        )
        for name, value in vars(self.timing).items():
            _check(0 <= value <= 60_000, name, value, "0 to 60000 ms")
        image = self.timing.image
        _check(image > 0, "image", image, "more than 0 ms")
        screen, design = self.screen, self.design
        _check(0.1 <= screen.degrees <= 30, "degrees", screen.degrees, "0.1 to 30")
        _check(0 <= screen.blind_spot <= 20, "blind_spot", screen.blind_spot, "0 to 20")
        _check(10 <= screen.distance <= 1000, "distance", screen.distance, "10 to 1000 cm")
        _check(-1 <= screen.background <= 255, "background", screen.background, "-1 to 255")
        for name in ("min_width", "min_height"):
            value = getattr(screen, name)
            _check(0 <= value <= 10_000, name, value, "0 to 10000 pixels")
        _check(design.block >= 1, "block", design.block, "1 or more")
        for name in ("practice", "attention"):
            _check(getattr(design, name) >= 0, name, getattr(design, name), "0 or more")


def template() -> str:
    """Return the text of a ``study.toml`` with all settings, to be filled in."""
    return (resources("synthesight.people") / "page" / SETTINGS).read_text(encoding="utf-8")


def read_study(path: str | Path) -> Study:
    """Return the study that a ``study.toml`` describes; what it leaves out is as published.

    Raises
    ------
    SynthesightError
        If the file cannot be read, or has a setting that is not known or cannot be.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise SynthesightError(f"{path} cannot be read ({reason}): check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SynthesightError(f"{path} is no TOML ({first_line(error)}): correct it.") from None
    try:
        return Study(**_settings(Study, table))
    except SynthesightError as error:
        raise SynthesightError(f"{path}: {error}") from None


def classes_of(stimuli: Iterable[Stimulus]) -> list[str]:
    """Return what participants choose among, in the order of the response screen.

    The categories of named datasets, such as the 16 published ones in their published layout; in
    others, those of the stimuli.

    Examples
    --------
    >>> classes_of([Stimulus("a", b"", category="dog"), Stimulus("b", b"", category="cat")])
    ['cat', 'dog']
    """
    found: dict[str, str] = {}
    for stimulus in stimuli:
        if stimulus.category is None:
            raise SynthesightError(
                f"The stimulus {stimulus.id} has no category, which an experiment needs: put "
                "images into <category>/ folders, or give a table with labels."
            )
        known = datasets().get(stimulus.dataset)
        for name in (*(known.categories if known else ()), stimulus.category):
            found.setdefault(canonical(name), name)
    if not 2 <= len(found) <= MOST_CLASSES:
        raise SynthesightError(
            f"The stimuli have {len(found)} categories, and a response screen shows 2 to "
            f"{MOST_CLASSES}: choose stimuli of other categories."
        )
    return list(PUBLISHED_LAYOUT) if set(found) == set(SIXTEEN) else in_order(list(found.values()))


def columns_of(classes: Sequence[str]) -> int:
    """Return in how many columns the classes stand: four rows at most, as keyboards have them.

    Examples
    --------
    >>> [columns_of("x" * n) for n in (2, 4, 10, 16, 40)]
    [2, 4, 4, 4, 10]
    """
    count = len(classes)
    return count if count <= 4 else max(math.ceil(math.sqrt(count)), math.ceil(count / 4))


def _settings(kind: type, table: Mapping[str, Any], of: str = "") -> dict[str, Any]:
    """Return the values of a table, checked against the fields of a dataclass."""
    hints = get_type_hints(kind)
    known = [each.name for each in fields(kind)]
    values = {}
    for name, value in table.items():
        if name not in known:
            raise SynthesightError(f"there is no setting `{of}{name}`: {suggestion(name, known)}.")
        wanted = hints[name]
        if isinstance(value, dict) and wanted in (Timing, Screen, Design):
            values[name] = wanted(**_settings(wanted, value, f"{name}."))
            continue
        accepted = {str: str, int: int, float: int | float}.get(wanted, dict)
        fits = isinstance(value, accepted) and not isinstance(value, bool | dict)
        _check(fits, of + name, value, _NAMES.get(wanted, "a table"))
        values[name] = value
    return values


_NAMES = {str: "a text", int: "a whole number", float: "a number"}


def _check(right: bool, name: str, value: Any, rule: str) -> None:
    if not right:
        raise SynthesightError(f"`{name}` must be {rule}, not {value!r}: correct it.")
