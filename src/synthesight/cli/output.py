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
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import polars as pl

    from synthesight.observers.response import Response
    from synthesight.stimuli.stimulus import Stimulus

SHOWN = 5  # classes in a table of one image


def _cell(text: str) -> str:
    """Return a text as rich prints it: no styles, and nothing that a terminal obeys."""
    return markup.escape(printable(text))


def _lines(text: str) -> str:
    return "\n".join(map(_cell, text.split("\n")))


def table_of(
    columns: Sequence[str],
    rows: Iterable[Iterable[object]],
    texts: Collection[str],
    title: str = "",
    **look: Any,
) -> Table:
    """Return a table for the terminal: texts to the left, numbers to the right, None as a dash."""
    table = Table(
        title=_cell(title), title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, **look
    )
    for name in columns:
        text = name in texts
        table.add_column(
            _lines(name),
            justify="left" if text else "right",
            overflow="fold" if text else "ellipsis",
            no_wrap=not text,
        )
    for row in rows:
        cells = ("-" if cell is None else _cell(str(cell)) for cell in row)
        table.add_row(*(cell.replace("\\n[", "\n[") for cell in cells))  # before an interval
    return table


def print_table(*given: Any, **look: Any) -> None:
    """Print a table; see :func:`table_of`."""
    Console().print(table_of(*given, **look))


def response_table(response: Response, classes: list[str]) -> Table:
    """Return one response as a table of its likeliest classes."""
    # The response first: another class may have as much evidence, or more from fewer draws.
    rank = sorted(
        range(len(classes)),
        key=lambda index: (classes[index] != response.response, -response.evidence[index]),
    )
    figures = {
        "probability": (response.probability, ".3f"), "score": (response.score, ".3f"),
        "± s.e.": (response.score_se, ".3f"), "evidence": (response.evidence, ".2f"),
        "draws": (response.draws, "d"),
    }  # fmt: skip
    given = {name: (values, kind) for name, (values, kind) in figures.items() if values is not None}
    rows = [
        (classes[n], *(format(values[n], kind) for values, kind in given.values()))
        for n in rank[:SHOWN]
    ]
    return table_of(
        ("class", *given), rows, ("class",), caption_justify="left",
        title=f"{response.stimulus.id}: {response.response}",
        caption=f"{response.evaluations:.10g} network evaluations, {response.stopped}",
    )  # fmt: skip


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
    from synthesight.report.tables import footnote, shown_table, sides

    left = len(frame) - most
    notes = [f"and {left} rows more" if left > 0 else "", footnote(frame.head(most))]
    caption = "\n".join(filter(None, notes)) or None
    shown = shown_table(frame.head(most))
    texts = [name for name, side in zip(shown.columns, sides(frame), strict=True) if side == "text"]
    rows, console = list(shown.iter_rows()), Console()
    made = table_of(shown.columns, rows, texts, title, caption=caption)
    if made.__rich_measure__(console, console.options.update(width=999)).maximum > console.width:
        rows = [tuple(cell.replace(" [", "\n[") for cell in row) for row in rows]
        made = table_of(shown.columns, rows, texts, title, caption=caption)
    return made


def _estimate(row: Mapping[str, Any], shown: Callable[[float], str]) -> str | None:
    """Return an estimate of a row with its interval; None where it is undefined."""
    value, low, high = (row.get(name) for name in ("estimate", "low", "high"))
    if value is None:
        return None
    if low is None or high is None:
        return shown(value)
    return f"{shown(value)} ({shown(low)} to {shown(high)}){'*' * bool(row.get('weak'))}"


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
    rows = [
        (
            row["observer"], row["dataset"] or "-", row["len"],
            _estimate(row, lambda share: f"{100 * share:.1f}"),
            f"{row['draws']:.1f}", f"{row['evaluations']:.1f}",
        )
        for row in costs.iter_rows(named=True)
    ]  # fmt: skip
    columns = ("model", "dataset", "trials", "accuracy, %\n(95 % interval)", "draws",
               "evaluations\nan image")  # fmt: skip
    told = population_caption(costs)
    print_table(columns, rows, ("model", "dataset"), caption=told, caption_justify="left")


def population_caption(table: pl.DataFrame) -> str | None:
    """Return a line that names of whom and what the intervals of a table speak; None without."""
    from synthesight.analysis import population_in_words

    if "population" not in table.columns:
        return None
    of = [population_in_words(name) for name in table["population"].drop_nulls().unique().sort()]
    return f"Intervals are for {' or '.join(of)}." if of else None


def print_comparison(table: pl.DataFrame) -> None:
    """Print the differences of two observers, each with its interval and p-values."""
    from synthesight.report.tables import footnote

    rows = [
        (
            row["measure"].replace("_", " "), row["dataset"],
            _estimate(row, lambda value: f"{value:+.3f}"),
            *(p if p is None else f"{p:.4f}" if p >= 0.0001 else "< 0.0001"
              for p in (row["p"], row["p_holm"])),
            row["n"],
        )
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    columns = ("measure", "dataset", "difference (95 % interval)", "p", "p (Holm)", "n")
    title = f"{table['first'][0]} minus {table['second'][0]}"
    told = "\n".join(filter(None, [population_caption(table), footnote(table)])) or None
    print_table(columns, rows, ("measure", "dataset"), title, caption=told, caption_justify="left")


def print_facts(facts: Mapping[str, str]) -> None:
    """Print what is known of one thing, fact by fact."""
    shown = Table(show_header=False)
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            shown.add_row(name, _lines(value))
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

    rows = [
        (name, " ".join(known.conditions), local_folder(name, data) or "not here")
        for name, known in datasets().items()
    ]
    folder = download_root(data) / HUMAN
    count = sum((folder / name).is_dir() for name in published_people())
    rows.append(("people", f"trials of {count} datasets", folder if count else "not here"))
    columns = ("name", "conditions", "place")
    print_table(columns, rows, columns, f"Datasets; downloads go to {download_root(data)}")


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
    columns = ["trials", "95 % of studies find κ in", "κ undefined"]
    rows = [
        [
            row["trials"],
            None if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}",
            f"{100 * row['undefined']:.1f} %",
            *([f"{100 * row['power']:.0f} %"] if "power" in row else []),
        ]
        for row in table.iter_rows(named=True)
    ]
    columns += ["power"] if "power" in table.columns else []
    print_table(columns, rows, (), f"What studies find where the true κ is {kappa}")


def print_participants(people: pl.DataFrame) -> None:
    """Print the participants of an experiment: how far they are, and whether they attended."""
    rows = [
        (
            row["participant"], row["session"], row["trials"], f"{100 * row['missed']:.1f} %",
            None if row["attention"] is None else f"{100 * row['attention']:.0f} %",
            f"{row['image_ms']:.1f}", f"{row['longest_ms']:.1f}",
        )
        for row in people.iter_rows(named=True)
    ]  # fmt: skip
    columns = ("participant", "session", "trials", "no answer", "attention", "image, ms",
               "longest, ms")  # fmt: skip
    print_table(columns, rows, ("participant",))


def print_equality(fits: pl.DataFrame) -> None:
    """Print where each observer names both classes of a dial equally often."""
    cycles = "cutoff" in fits.columns
    rows = []
    for row in fits.iter_rows(named=True):
        octaves = cycles and row["cutoff"] is not None

        def place(value: float, octaves: bool = octaves) -> str:
            if abs(value) == float("inf"):
                return "above" if value > 0 else "below"
            return f"{2**value if octaves else value:.2f}"

        slope, p = (None if row[name] is None else f"{row[name]:.2f}" for name in ("slope", "p"))
        dial = f"{row['dataset']}, {row['condition']}"
        rows.append((row["observer"], dial, _estimate(row, place), slope, p, row["n"]))
    columns = ("observer", "dial", "equality (95 % interval)", "slope", "p", "n")
    caption = "Equality of hybrids in cycles an image, slope per octave." if cycles else None
    print_table(columns, rows, ("observer", "dial"), caption=caption)


def print_readings(readings: pl.DataFrame) -> None:
    """Print which reading of each picture leads, and whether the other is in the running."""
    for (observer,), rows in readings.group_by("observer", maintain_order=True):
        lines = []
        for row in rows.iter_rows(named=True):
            other = row["second"] if row["leads"] == row["first"] else row["first"]
            given: tuple[str | None, ...] = (None, None, None)
            if row["difference"] is not None:
                error = row["standard_error"]
                given = (
                    f"{row['difference']:.3g}" + ("" if error is None else f" ± {error:.2g}"),
                    f"{100 * row['share_of_draws']:.0f} %", row["lead_changes"],
                )  # fmt: skip
            still = {True: other, False: "no", None: None}[row["in_the_running"]]
            picture = f"{row['picture']}: {row['variant']}"
            lines.append((picture, row["leads"], still, *given, f"{row['score']:.2f}"))
        texts = ("picture", "leads", "still in")
        print_table((*texts, "evidence", "led", "changes", "score"), lines, texts, str(observer))


def print_reproduction(table: pl.DataFrame) -> None:
    """Print a paper's figures beside those measured here."""
    rows, before = [], ""
    for row in table.iter_rows(named=True):
        figure = f"{row['where']}: {row['figure']}"
        published, here = ("" if value is None else f"{value:.3f}"
                           for value in (row["published"], row["estimate"]))  # fmt: skip
        shown = figure if figure != before else ""
        rows.append((shown, row["observer"] or "", published, here, row["verdict"]))
        before = figure
    columns = ("figure", "observer", "published", "here", "verdict")
    told = population_caption(table)
    texts = ("figure", "observer", "verdict")
    print_table(columns, rows, texts, caption=told, caption_justify="left")


def print_results(table: pl.DataFrame, columns: Sequence[tuple[str, str]]) -> None:
    """Print what trainings made of models: mean over seeds, and half of Student's 95 % interval."""
    from synthesight.experiments.results import shown

    headings = ("training", "noise\nat test", *(f"{m}\n{d}" for m, d in columns))
    printed = table_of(headings, shown(table, columns), ("training",))
    Console(width=max(Console().width, 40 + 20 * len(columns))).print(printed)
