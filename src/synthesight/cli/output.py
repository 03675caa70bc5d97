"""What the command line shows: tables and JSON lines."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import markup
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from synthesight.encoding import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from synthesight.observers.observer import Response
    from synthesight.stimuli.stimulus import Stimulus

SHOWN = 5  # classes in a table of one image


def _cell(text: str) -> str:
    """Return a text as rich prints it: no styles, and nothing that a terminal obeys."""
    return markup.escape(printable(text))


def response_table(response: Response, classes: list[str]) -> Table:
    """Return one response as a table of its likeliest classes."""
    table = Table(
        title=_cell(f"{response.stimulus.id}: {response.response}"),
        caption=f"{response.evaluations:.10g} network evaluations, {response.stopped}",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("class")
    if response.probability is not None:
        table.add_column("probability", justify="right")
    table.add_column("score", justify="right")
    table.add_column("± s.e.", justify="right")
    table.add_column("evidence", justify="right")
    table.add_column("draws", justify="right")
    # The response first: another class may have as much evidence, or more from fewer draws.
    rank = sorted(
        range(len(classes)),
        key=lambda index: (classes[index] != response.response, -response.evidence[index]),
    )
    for index in rank[:SHOWN]:
        table.add_row(
            _cell(classes[index]),
            *([] if response.probability is None else [f"{response.probability[index]:.3f}"]),
            f"{response.score[index]:.3f}",
            f"{response.score_se[index]:.3f}",
            f"{response.evidence[index]:.2f}",
            str(response.draws[index]),
        )
    return table


def frame_table(frame: pl.DataFrame, title: str = "", most: int = 20) -> Table:
    """Return a table of a report as the terminal shows it, with its first rows.

    Parameters
    ----------
    frame
        As sections of the report have it.
    title
        Above the table.
    most
        Rows that are shown.
    """
    from synthesight.report.tables import shown_table, sides

    left = len(frame) - most
    caption = f"and {left} rows more" if left > 0 else None
    table = Table(title=_cell(title), title_justify="left", caption=caption)
    shown = shown_table(frame.head(most))
    for name, side in zip(shown.columns, sides(frame), strict=True):
        table.add_column(_cell(name), justify="right" if side == "number" else "left")
    for row in shown.iter_rows():
        table.add_row(*(_cell(str(cell)) for cell in row))
    return table


def print_accuracy(tables: Sequence[pl.DataFrame]) -> None:
    """Print a line for each observer and dataset of runs: trials, accuracy, cost."""
    import polars as pl

    from synthesight.analysis import accuracy

    trials = pl.concat(tables, how="diagonal_relaxed").filter(pl.col("error").is_null())
    by = ["observer", "dataset"]
    measured = trials.filter(pl.col("category").is_not_null())
    costs = trials.group_by(by, maintain_order=True).agg(
        pl.len(), pl.col("draws").mean(), pl.col("evaluations").mean()
    )
    if len(measured):
        costs = costs.join(accuracy(measured, by), on=by, how="left", maintain_order="left")
    shown = Table()
    for column in ("model", "dataset", "trials", "accuracy", "95 % interval", "draws",
                   "evaluations\nan image"):  # fmt: skip
        shown.add_column(column, justify="left" if column in ("model", "dataset") else "right")
    for row in costs.iter_rows(named=True):
        share = [row.get(name) for name in ("estimate", "low", "high")]
        estimate, low, high = ("-" if value is None else f"{100 * value:.1f}" for value in share)
        shown.add_row(
            _cell(row["observer"]), _cell(row["dataset"]) or "-", str(row["len"]),
            f"{estimate} %", f"{low} to {high} %", f"{row['draws']:.1f}",
            f"{row['evaluations']:.1f}",
        )  # fmt: skip
    Console().print(shown)


def print_comparison(rows: Sequence[dict[str, Any]], first: str, second: str) -> None:
    """Print the differences of two observers, each with its interval and p-value."""
    title = f"{first} minus {second}"
    shown = Table(title=_cell(title), title_justify="left")
    for column in ("measure", "dataset", "difference", "95 % interval", "p", "n"):
        shown.add_column(column, justify="left" if column in ("measure", "dataset") else "right")
    for row in rows:
        p = f"{row['p']:.4f}" if row["p"] >= 0.0001 else "< 0.0001"
        shown.add_row(
            row["measure"].replace("_", " "), _cell(row["dataset"]), f"{row['estimate']:+.3f}",
            f"{row['low']:+.3f} to {row['high']:+.3f}", p, str(row["n"]),
        )  # fmt: skip
    Console().print(shown)


def print_facts(facts: Mapping[str, str]) -> None:
    """Print what is known of one thing, fact by fact."""
    shown = Table(show_header=False)
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            shown.add_row(name, "\n".join(map(_cell, value.split("\n"))))
    Console().print(shown)


def print_models(pattern: str, as_json: bool = False) -> None:
    """Print the known models whose name matches; all that is known, where it is only one."""
    from synthesight.errors import SynthesightError
    from synthesight.observers import registry

    found = registry.find(pattern)
    if not found:
        near = registry.nearest(pattern)
        hint = (
            f"did you mean {' or '.join(near)}" if near else "`synthesight models` lists them all"
        )
        raise SynthesightError(f"No known model matches {pattern!r}: {hint}.")
    if as_json:
        print(json.dumps([asdict(entry) for entry in found], indent=2))
        return
    if len(found) == 1:
        print_facts(found[0].facts())
        return
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 1, 0),
        caption="One name alone shows where its weights are, what it was trained on, and notes.",
    )
    table.add_column("name, family", width=28, overflow="fold")
    table.add_column("licence", overflow="fold")
    table.add_column("M", justify="right", no_wrap=True)
    table.add_column("pixels", justify="right", no_wrap=True)
    table.add_column("needs", overflow="fold")
    for entry in found:
        # Escaped: "[timm]" is an extra, not a style.
        table.add_row(
            f"{_cell(entry.name)}\n[dim]{_cell(entry.family)}[/dim]",
            _cell(entry.licence),
            f"{entry.parameters:g}",
            str(entry.resolution),
            _cell(entry.needs),
        )
    Console().print(table)


def print_datasets(data: Path | None) -> None:
    """Print the published datasets, with their conditions and places."""
    from synthesight.stimuli.datasets import datasets
    from synthesight.stimuli.datasets.local import download_root, local_folder
    from synthesight.trials.obtain import HUMAN, published_people

    table = Table(title=f"Datasets; downloads go to {download_root(data)}")
    for column in ("name", "conditions", "place"):
        table.add_column(column, overflow="fold")
    for name, known in datasets().items():
        place = local_folder(name, data)
        table.add_row(name, " ".join(known.conditions), _cell(str(place)) if place else "not here")
    folder = download_root(data) / HUMAN
    count = sum((folder / name).is_dir() for name in published_people())
    place = folder if count else None
    table.add_row(
        "people", f"trials of {count} datasets", _cell(str(place)) if place else "not here"
    )
    Console().print(table)


def print_people(folder: Path) -> None:
    """Print where the trials of people are, under which licence, and whom to cite."""
    from synthesight.trials import published_people

    people = published_people()
    count = sum(len(each.hashes) for each in people.values())
    print(f"The trials of people, {count} files in {len(people)} datasets, are in {folder}.")
    for licence in dict.fromkeys(each.licence for each in people.values()):
        names = [name for name, each in people.items() if each.licence == licence]
        print(f"Licence of {', '.join(names)}: {licence}.")
    papers = {paper.key: paper.bibtex for each in people.values() for paper in each.papers}
    print("Please cite:", *papers.values(), sep="\n\n")


def print_check(name: str, stimuli: Sequence[Stimulus], broken: Sequence[str]) -> None:
    """Print what a dataset holds."""
    from synthesight.stimuli.datasets import datasets

    conditions = {stimulus.condition for stimulus in stimuli}
    categories = {stimulus.category for stimulus in stimuli}
    declared = datasets()[name].conditions if name in datasets() else ()
    missing = [each for each in declared if each not in conditions]
    print(
        f"{name}: {len(stimuli)} images, {len(conditions)} conditions, {len(categories)} "
        f"categories, {len(broken)} unreadable"
        + (f"; without the conditions {', '.join(missing)}" if missing else "")
    )


def print_power(table: pl.DataFrame, kappa: float) -> None:
    """Print what a study finds, by its number of trials."""
    shown = Table(title=f"What studies find where the true κ is {kappa}")
    for column in ("trials", "95 % of studies find κ in", "κ undefined", "power"):
        shown.add_column(column, justify="right")
    for row in table.iter_rows(named=True):
        shown.add_row(
            str(row["trials"]),
            "-" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}",
            f"{100 * row['undefined']:.1f} %",
            f"{100 * row['power']:.0f} %" if "power" in row else "-",
        )
    Console().print(shown)


def print_participants(people: pl.DataFrame) -> None:
    """Print the participants of an experiment: how far they are, and whether they attended."""
    table = Table()
    for column in (
        "participant", "session", "trials", "no answer", "attention", "image, ms", "longest, ms"
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "participant" else "right")
    for row in people.iter_rows(named=True):
        attention = "-" if row["attention"] is None else f"{100 * row['attention']:.0f} %"
        table.add_row(
            _cell(row["participant"]),
            str(row["session"]),
            str(row["trials"]),
            f"{100 * row['missed']:.1f} %",
            attention,
            f"{row['image_ms']:.1f}",
            f"{row['longest_ms']:.1f}",
        )
    Console().print(table)


def print_equality(fits: pl.DataFrame) -> None:
    """Print where each observer names both classes of a dial equally often."""
    cycles = "cutoff" in fits.columns
    table = Table(box=SIMPLE_HEAD)
    table.add_column("observer", no_wrap=True)
    table.add_column("dial", overflow="fold")
    for column in ("equality", "95 % interval", "slope", "p", "n"):
        table.add_column(column, justify="right", no_wrap=True)

    def place(value: float | None) -> str:
        if value is None:
            return "-"
        if abs(value) == float("inf"):
            return "above" if value > 0 else "below"
        return f"{2**value if of_cycles else value:.2f}"

    for row in fits.iter_rows(named=True):
        of_cycles = cycles and row["cutoff"] is not None
        table.add_row(
            _cell(row["observer"]), _cell(f"{row['dataset']}, {row['condition']}"),
            place(row["estimate"]), f"{place(row['low'])} to {place(row['high'])}",
            "-" if row["slope"] is None else f"{row['slope']:.2f}",
            "-" if row["p"] is None else f"{row['p']:.2f}",
            str(row["n"]),
        )  # fmt: skip
    table.caption = "Equality of hybrids in cycles an image, slope per octave." if cycles else None
    Console().print(table)


def print_readings(readings: pl.DataFrame) -> None:
    """Print which reading of each picture leads, and whether the other is in the running."""
    for (observer,), rows in readings.group_by("observer", maintain_order=True):
        table = Table(box=SIMPLE_HEAD, title=_cell(str(observer)), title_justify="left")
        for column in ("picture", "leads", "still in"):
            table.add_column(column, overflow="fold")
        for column in ("evidence", "led", "changes", "score"):
            table.add_column(column, justify="right", no_wrap=True)
        for row in rows.iter_rows(named=True):
            other = row["second"] if row["leads"] == row["first"] else row["first"]
            error = row["standard_error"]
            given = ["-"] * 3
            if row["difference"] is not None:
                given = [
                    f"{row['difference']:.3g}" + ("" if error is None else f" ± {error:.2g}"),
                    f"{100 * row['share_of_draws']:.0f} %",
                    str(row["lead_changes"]),
                ]
            table.add_row(
                _cell(f"{row['picture']}: {row['variant']}"),
                _cell(row["leads"]),
                _cell({True: other, False: "no", None: "-"}[row["in_the_running"]]),
                *given,
                f"{row['score']:.2f}",
            )
        Console().print(table)


def print_reproduction(table: pl.DataFrame) -> None:
    """Print a paper's figures beside those measured here."""
    shown = Table(box=SIMPLE_HEAD)
    for column in ("figure", "observer", "published", "here", "verdict"):
        side: Any = "right" if column in ("published", "here") else "left"
        shown.add_column(column, justify=side, overflow="fold")
    before = ""
    for row in table.iter_rows(named=True):
        figure = f"{row['where']}: {row['figure']}"
        measured = "" if row["estimate"] is None else f"{row['estimate']:.3f}"
        printed = "" if row["published"] is None else f"{row['published']:.3f}"
        shown.add_row(
            _cell(figure) if figure != before else "",
            _cell(row["observer"] or ""),
            printed,
            measured,
            _cell(row["verdict"]),
        )
        before = figure
    Console().print(shown)


def print_results(table: pl.DataFrame, columns: Sequence[tuple[str, str]]) -> None:
    """Print what trainings made of models: mean over seeds, and half of Student's 95 % interval."""
    from synthesight.experiments.results import shown

    printed = Table(box=SIMPLE_HEAD)
    for name in ("training", "noise\nat test", *(f"{m}\n{d}" for m, d in columns)):
        printed.add_column(name, justify="left" if name == "training" else "right")
    for row in shown(table, columns):
        printed.add_row(*map(_cell, row))
    Console(width=max(Console().width, 40 + 20 * len(columns))).print(printed)
