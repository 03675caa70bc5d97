"""How figures are made for a paper: their width, font size, colours and observers' names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from synthesight.errors import SynthesightError

# Width in mm and font size in points: columns of most journals, and a slide of 16 to 9.
WIDTHS = {"single": (85.0, 7.0), "double": (180.0, 7.0), "slide": (280.0, 14.0)}
NARROWEST, WIDEST = 40, 1000  # mm
SMALLEST, LARGEST = 4, 40  # points


@dataclass(frozen=True)
class Style:
    """How the files of figures look.

    Parameters
    ----------
    width
        Width of each figure: ``"single"`` (85 mm), ``"double"`` (180 mm), ``"slide"`` (280 mm), or
        a number of millimetres. Files have exactly this width.
    font_size
        Size of axis labels in points. None for 7, or 14 on a slide. Titles are larger by a tenth,
        and panels' names by three.
    dark
        Whether marks are light on a dark ground.
    names
        New names of observers, by their names in the trials. Those named come first in figures and
        tables, in this order.

    Raises
    ------
    SynthesightError
        If a size is none, or two observers would have one name.

    Examples
    --------
    >>> style = Style("single", names={"resnet50": "ResNet-50"})
    >>> style.width_mm, style.points
    (85.0, 7.0)
    """

    width: str | float = "double"
    font_size: float | None = None
    dark: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not NARROWEST <= self.width_mm <= WIDEST:
            raise SynthesightError(
                f"`width={self.width}` is no width of a figure: give {', '.join(WIDTHS)}, or "
                f"{NARROWEST} to {WIDEST} millimetres."
            )
        if not SMALLEST <= self.points <= LARGEST:
            raise SynthesightError(
                f"`font_size={self.points:g}` cannot be read: give {SMALLEST} to {LARGEST} points."
            )
        if not all(self.names.values()):
            raise SynthesightError("`names` gives an observer an empty name: write OLD=NEW.")
        twice = [name for name in self.names.values() if list(self.names.values()).count(name) > 1]
        if twice:
            raise SynthesightError(f"`names` calls two observers {twice[0]!r}: give each its own.")

    @property
    def width_mm(self) -> float:
        """Width of a figure in millimetres."""
        if self.width in WIDTHS:
            return WIDTHS[str(self.width)][0]
        try:
            return float(self.width)
        except ValueError:
            return math.nan  # which is no width

    @property
    def points(self) -> float:
        """Size of axis labels in points."""
        if self.font_size is not None:
            return float(self.font_size)
        return WIDTHS[str(self.width) if self.width in WIDTHS else "double"][1]
