"""``classify --map``: draw where the evidence is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synthesight.errors import SynthesightError
from synthesight.observers.observer import Observer, Response

if TYPE_CHECKING:
    from synthesight.observers.evidence_map import EvidenceMap

FORMATS = (".png", ".svg", ".pdf")


class Maps:
    """Gathers the maps of a command's images, and writes them; does nothing without a place.

    Parameters
    ----------
    place
        A figure's file, or a folder.
    of, against
        Classes; None for the class chosen, and its strongest rival.
    images
        How many images there are.

    Raises
    ------
    SynthesightError
        If one file is to hold the maps of several images, or classes are named without a map.
    """

    def __init__(
        self, place: Path | None, of: str | None, against: str | None, images: int
    ) -> None:
        if place is None and (of, against) != (None, None):
            raise SynthesightError("`of` and `against` are the classes of a `map`: say where.")
        self.single = place is not None and place.suffix.lower() in FORMATS
        if self.single and images > 1:
            raise SynthesightError(
                f"`map={str(place)!r}` is one file for {images} images: give a folder."
            )
        self.place, self.of, self.against = place, of, against
        self.maps: list[EvidenceMap] = []

    def add(self, observer: Observer, response: Response, classes: Sequence[str]) -> None:
        """Make the map of a response."""
        if self.place is not None and response.error is None:
            self.maps.append(
                observer.evidence_map(response, classes, of=self.of, against=self.against)
            )

    def write(self, observer: Observer) -> None:
        """Write the maps: a figure, or the folder of a section with its numbers."""
        if self.place is None or not self.maps:
            return
        from synthesight.probes.maps import maps_section, save_maps
        from synthesight.report.kept import keep_section
        from synthesight.report.saving import save_figure
        from synthesight.report.section import spec_of

        section = maps_section(self.maps, observer.name)
        if self.single:
            (figure,) = section.figures.values()
            save_figure(spec_of(figure), self.place)
            return
        save_maps(self.maps, self.place / "arrays")
        keep_section(section, self.place, observer.describe())
