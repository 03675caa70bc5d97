"""``synthesight classify``: images, and what a model takes them for."""

from __future__ import annotations

import json as encoding
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthesight.cli.options import Model, end, with_options, written_to
from synthesight.cli.tables import FIGURES, check_kind, write_table
from synthesight.errors import SynthesightError
from synthesight.observers.options import ModelOptions
from synthesight.stimuli.datasets import datasets

if TYPE_CHECKING:
    from synthesight.observers.response import Response


@with_options(ModelOptions)
def classify(
    images: Annotated[
        list[str], typer.Argument(help="Images, folders of them, or patterns such as '*.jpg'.")
    ],
    options: ModelOptions,
    model: Model = "natural-32",
    out: Annotated[
        Path | None, written_to("File of the results: a .csv, .jsonl, .json or .parquet.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    range: Annotated[
        str | None,
        typer.Option(
            help="Black and white in deep images: LOW,HIGH, or percentiles such as 1%,99%."
        ),
    ] = None,
    map: Annotated[
        Path | None,
        typer.Option(
            help="Draw where the evidence is: a .png, .svg or .pdf of one image, or a folder."
        ),
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="Class that a map is for. Default: the class chosen.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Class that it is against. Default: the strongest rival.")
    ] = None,
) -> None:
    """Classify images: print the class, the evidence for each class, and the cost."""
    from rich.console import Console

    from synthesight.cli.output import response_table
    from synthesight.observers.loading import open_observer
    from synthesight.observers.registry import resolve
    from synthesight.probes.maps import write_maps
    from synthesight.progress import Progress
    from synthesight.stimuli.find import find_stimuli

    check_kind("out", out)
    if map is None and (of or against):
        raise SynthesightError("`of` and `against` are the classes of a `map`: say where.")
    single = map is not None and map.suffix[1:].isalpha()  # maps-1.5 is a folder
    if single:
        check_kind("map", map, FIGURES)
    resolve(model)
    _check_words(images)
    stimuli = find_stimuli(images, range=range)
    if single and len(stimuli) > 1:
        raise SynthesightError(
            f"`map={str(map)!r}` is one file for {len(stimuli)} images: give a folder."
        )
    observer = open_observer(model, options)
    captioned = options.classes is None and any(stimulus.captions for stimulus in stimuli)
    chosen = [] if captioned else observer.choose(None)
    failures, records, maps = [], [], []
    console = Console()
    show = not json and len(stimuli) > 1
    try:
        with Progress("Classifying", len(stimuli), show=show) as progress:
            for response in observer.respond(stimuli, chosen):
                progress.advance()
                if response.error:
                    failures.append(response.error)
                among = list(response.stimulus.captions) if captioned else chosen
                if map is not None and not response.error:
                    maps.append(observer.evidence_map(response, among, of=of, against=against))
                records.append(_record(response, among))
                if json:
                    print(encoding.dumps(records[-1]), flush=True)
                elif not response.error and out is None:
                    console.print(response_table(response, among))
    finally:  # what was classified before Ctrl-C is kept
        if out is not None and records:
            _write(records, out)
    if map is not None and maps:
        write_maps(maps, observer, map)
    end(failures, len(stimuli))


def _check_words(images: list[str]) -> None:
    """Refuse classes that stand among the images."""
    stray = [word for word in images if not re.search(r"[./\\*?:{[]", word)]
    for word in [each for each in stray if not Path(each).expanduser().exists()]:
        if len(images) > 1 and word not in datasets():
            raise SynthesightError(
                f"{word!r} is no file or folder: check the path, or write classes as in "
                "`classes='cat,dog'`."
            )


def _record(response: Response, classes: list[str]) -> dict[str, Any]:
    """Return one response as JSON can hold it."""
    record: dict[str, Any] = {"image": response.stimulus.id, "response": response.response}
    if isinstance(response.stimulus.source, Path):
        record["path"] = str(response.stimulus.source)  # two files may have one name
    if response.error is not None:
        return record | {"error": response.error}
    # NaN, which JSON has not, where the error is not known.
    figures = {
        name: [None if value != value else round(float(value), 6) for value in values]
        for name in ("score", "score_se", "probability", "evidence")
        if (values := getattr(response, name)) is not None
    }
    return {
        **record,
        "classes": classes,
        **figures,
        "draws": response.draws.tolist(),
        "evaluations": response.evaluations,
        "stopped": response.stopped,
    }


def _write(records: list[dict[str, Any]], out: Path) -> None:
    """Write records as a table; a CSV has a column for each class instead of lists."""
    import polars as pl

    if out.suffix.lower() == ".csv":
        records = [_flat(record) for record in records]
    write_table(pl.from_dicts(records, infer_schema_length=None), out)
    print(f"{len(records)} image{'s are' if len(records) > 1 else ' is'} in {out}.")


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    classes = record.pop("classes", [])
    flat = {key: value for key, value in record.items() if not isinstance(value, list)}
    lists = {key: value for key, value in record.items() if isinstance(value, list)}
    for key, values in lists.items():
        flat |= {f"{key}_{name}": value for name, value in zip(classes, values, strict=True)}
    return flat
