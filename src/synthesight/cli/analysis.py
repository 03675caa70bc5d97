"""``synthesight report``, ``export``, ``power`` and ``cite``: what becomes of trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthesight.cli.commands import say
from synthesight.cli.options import Population, pairs, seeded, written_to
from synthesight.cli.runs import Unfinished, expanded
from synthesight.errors import SynthesightError

PAPER = "Figures and names for a paper"
RUNS = Path("runs")  # where `evaluate` puts them


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Runs of `evaluate` or folders of them, of published CSV trials, or of probes. "
            "Default: those in ./runs, else people and networks alone."
        ),
    ] = None,
    out: Annotated[Path, written_to("Folder for the page, figures and tables.")] = Path("report"),
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder, where people are or are downloaded to. Default: SYNTHESIGHT_DATA, "
            "else the cache."
        ),
    ] = None,
    population: Population = "new-stimuli",
    resamples: Annotated[
        int, typer.Option(help="Bootstrap resamples behind some of the intervals.")
    ] = 2000,
    unfinished: Unfinished = False,
    width: Annotated[
        str,
        typer.Option(
            metavar="WIDTH",
            help="Width of the figures' files: single (85 mm), double (180 mm), slide (280 mm), "
            "or millimetres.",
            rich_help_panel=PAPER,
        ),
    ] = "double",
    font_size: Annotated[
        float | None,
        typer.Option(
            help="Points of axis labels in them. Default: 7, on a slide 14.",
            rich_help_panel=PAPER,
        ),
    ] = None,
    dark: Annotated[
        bool, typer.Option("--dark", help="Light marks on a dark ground.", rich_help_panel=PAPER)
    ] = False,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="OBSERVER=NAME,…",
            help="Other names of observers, who come in this order.",
            rich_help_panel=PAPER,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show the page in a browser.")] = False,
) -> None:
    """Compare runs with people: one page, its figures and its tables."""
    import polars as pl
    from rich.console import Console

    from synthesight.analysis import check_population, with_people
    from synthesight.citation import papers
    from synthesight.report.coverage import strangers
    from synthesight.report.kept import is_section, read_section
    from synthesight.report.looks import counted
    from synthesight.report.report import write_report
    from synthesight.report.sources import gather
    from synthesight.report.style import Style
    from synthesight.trials.state import check_finished

    if resamples < 1:
        raise SynthesightError(f"`resamples={resamples}` leaves no intervals: give 1 or more.")
    chosen = check_population(population)
    style = Style(width, font_size, dark, pairs(names, "names"))
    here = expanded([RUNS]) if RUNS.is_dir() else []
    places = expanded(runs) if runs else [place for place in here if place != RUNS]
    findings = [read_section(place) for place in places if is_section(place)]
    runs = [place for place in places if not is_section(place)]
    notes = check_finished(runs, unfinished=unfinished)
    if not places:
        notes.append("No run was named and ./runs holds none: this is of people and networks.")
    trials = pl.DataFrame()
    if runs or not findings:
        trials = gather(runs, data, fetch=True, note=notes.append)
    with Console(stderr=True).status("Reporting") as status:
        page = write_report(
            trials,
            out,
            population=chosen,
            resamples=resamples,
            notes=notes,
            findings=findings,
            style=style,
            data=data,
            papers=papers,
            report=lambda what: status.update(f"Reporting: {what}"),
        )
    shown = [counted(len(findings), "probe")] if findings else []
    if len(trials):
        datasets = counted(trials["dataset"].n_unique(), "dataset")
        shown.insert(0, f"{len(trials)} trials in {datasets}")
    print(f"{' and '.join(shown)}; open {page}")
    for note in notes:
        say(note)
    if show:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    if len(trials) and (problems := strangers(with_people(trials))):
        for problem in problems:
            say(problem)
        raise typer.Exit(2)


def export(
    runs: Annotated[
        list[Path], typer.Argument(help="Runs of `evaluate`, or folders of published CSV trials.")
    ],
    out: Annotated[Path, written_to("Folder for <dataset>/<dataset>_<observer>_….csv.")],
    unfinished: Unfinished = False,
) -> None:
    """Write trials in the published CSV layout, which the model-vs-human toolbox plots."""
    import polars as pl

    from synthesight.trials.exchange import write_csv
    from synthesight.trials.reading import read_trials
    from synthesight.trials.state import check_finished

    runs = expanded(runs)
    notes = check_finished(runs, unfinished=unfinished)
    trials = pl.concat([read_trials(run) for run in runs], how="diagonal_relaxed")
    files = write_csv(trials, out)
    shown = trials["error"].null_count()
    unread = len(trials) - shown
    left_out = f"; {unread} images that could not be read are left out" if unread else ""
    print(f"{shown} trials are in {len(files)} files below {out}{left_out}.")
    for note in notes:
        say(note)


def cite(
    runs: Annotated[list[Path] | None, typer.Argument(help="Runs of `evaluate`.")] = None,
) -> None:
    """Print BibTeX of the methods, models, data and libraries that runs used."""
    from synthesight.citation import cite as bibtex

    print(bibtex(*expanded(runs or [])), end="")


def power(
    accuracy: Annotated[
        list[str], typer.Option(help="Of the two observers: 0.8,0.7, or the option twice.")
    ],
    kappa: Annotated[float, typer.Option(help="Their true error consistency.")],
    difference: Annotated[
        float | None, typer.Option(help="Of another observer's κ, which the study should see.")
    ] = None,
    seed: Annotated[int, seeded("Of the simulation.")] = 0,
) -> None:
    """Say how many trials a study of error consistency needs."""
    from synthesight.analysis import power as simulate
    from synthesight.analysis import trials_needed
    from synthesight.cli.output import print_power

    texts = [text for given in accuracy for text in given.split(",")]
    try:
        first, second = map(float, texts)
    except ValueError:
        raise SynthesightError(
            f"`accuracy={','.join(texts)!r}` is no pair of numbers: give one for each observer, as "
            "in `accuracy='0.8,0.7'`."
        ) from None
    if difference == 0:
        raise SynthesightError(f"`difference={difference}` is none to see: give another.")
    table = simulate(first, second, kappa, difference=difference, seed=seed)
    print_power(table, kappa)
    if difference is not None:
        needed = trials_needed(table)
        print(
            f"To see a difference of {difference}: {needed} trials for a power of 80 %."
            if needed
            else f"To see a difference of {difference}, {table['trials'][-1]} trials are too few."
        )
