"""Maps of evidence as pictures, and as a section of a report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from synthesight.observers.evidence_map import EvidenceMap
    from synthesight.observers.observer import Observer
    from synthesight.report.section import Section

TEXT = (
    "Where an image speaks for one class rather than another: log p(x given the one) − log p(x "
    "given the other), place by place. The places add up to the evidence. Regions are the same map "
    "smoothed, since single places are less certain than what they have in common."
)


def maps_section(maps: Sequence[EvidenceMap], observer: str) -> Section:
    """Return the maps of an observer's evidence as a section of a report."""
    import polars as pl

    from synthesight.probes.pictures import map_figure
    from synthesight.report.section import Section

    table = pl.DataFrame(
        {
            "observer": observer,
            "image": [each.stimulus.id for each in maps],
            "for": [each.of for each in maps],
            "against": [each.against for each in maps],
            "evidence": [each.evidence for each in maps],
            "standard_error": [each.evidence_error for each in maps],
            "unit": [each.unit for each in maps],
            "draws": [each.draws for each in maps],
        }
    )
    names = plain_names([each.stimulus.id for each in maps])
    figures = {f"map-{name}": map_figure(each) for name, each in zip(names, maps, strict=True)}
    return Section("maps", "Where the evidence is", TEXT, {"maps": table}, dict(figures))


def write_maps(maps: Sequence[EvidenceMap], observer: Observer, place: Path) -> None:
    """Write one map as a figure, where the place ends like one, or maps as a section's folder.

    Their numbers are in ``arrays/<image>.npz``: ``nats`` and ``standard_error`` by place.
    """
    from synthesight import files
    from synthesight.report.kept import keep_section
    from synthesight.report.saving import save_figure
    from synthesight.report.section import spec_of

    section = maps_section(maps, observer.name)
    if place.suffix[1:].isalpha():
        (figure,) = section.figures.values()
        save_figure(spec_of(figure), place)
        return
    with files.writing(place / "arrays", "folder"):
        (place / "arrays").mkdir(parents=True, exist_ok=True)
        for name, each in zip(plain_names([each.stimulus.id for each in maps]), maps, strict=True):
            path = place / "arrays" / f"{name}.npz"
            with files.whole(path) as unfinished, unfinished.open("wb") as file:
                np.savez_compressed(file, nats=each.nats, standard_error=each.standard_error)
    keep_section(section, place, observer.describe())


def plain_names(ids: Sequence[str]) -> list[str]:
    """Return a name of its own for the files of each image, in plain letters.

    Examples
    --------
    >>> plain_names(["a/cat 1.png", "b/cat 1.png", "?.png"])
    ['cat-1', 'cat-1-2', 'image']
    """
    names: list[str] = []
    for each in ids:
        stem = re.sub(r"\W+", "-", PurePath(each).stem).strip("-") or "image"
        name, again = stem, 1
        while name in names:
            again += 1
            name = f"{stem}-{again}"
        names.append(name)
    return names
