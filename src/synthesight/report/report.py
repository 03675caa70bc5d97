"""The report: every table and figure that trials allow, as files and as one page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import polars as pl
from altair.utils.schemapi import debug_mode

from synthesight import files
from synthesight.analysis import (
    IS_HUMAN,
    POPULATION,
    RESAMPLES,
    Population,
    check_population,
    with_people,
)
from synthesight.encoding import sentence, short, short_columns
from synthesight.errors import SynthesightError
from synthesight.references import Reference, bibtex
from synthesight.report.galleries import galleries_section
from synthesight.report.latex import figures_in_latex
from synthesight.report.looks import counted
from synthesight.report.methods import as_latex, as_text, methods, reported_metrics
from synthesight.report.page import write_page
from synthesight.report.provenance import Provenance, provenance_section, provenances
from synthesight.report.saving import FORMATS, save_figures
from synthesight.report.section import Section, caption_of, named, named_apart, order, spec_of
from synthesight.report.sections import sections as all_sections
from synthesight.report.sources import RUN
from synthesight.report.style import Style
from synthesight.report.tables import write_table
from synthesight.report.times import doubt_section
from synthesight.report.works import Record, works
from synthesight.trials.obtain import published_people

# Columns of names that a page shows.
NAMES = ("observer", "dataset", "condition", "category", "texture", "response")


def write_report(
    trials: pl.DataFrame,
    out: Path,
    *,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
    notes: Sequence[str] = (),
    findings: Sequence[Section] = (),
    style: Style | None = None,
    data: Path | None = None,
    papers: Callable[[Record], Iterable[Reference]] = lambda record: (),
    report: Callable[[str], None] = lambda what: None,
) -> Path:
    """Write ``index.html``, ``figures/`` (SVG, PDF, PNG) and ``tables/`` (CSV, Markdown, LaTeX).

    Beside them are ``methods.txt`` and ``methods.tex``, the paragraph of what was done,
    ``references.bib``, and ``figures.tex``, which places each figure with its caption.

    Parameters
    ----------
    trials
        The trial table: of models, of people, or of both. None at all where there are findings.
    out
        Folder of the report; files of an earlier one are replaced.
    population
        Of which the intervals speak: see :func:`synthesight.analysis.accuracy`.
    resamples
        Resamples of the bootstrap behind some of the 95 % confidence intervals.
    notes
        Sentences for the head of the page, such as whose trials are missing.
    findings
        Sections of probes, which come after those of the trials.
    style
        Size and ground of the files of figures, and names of observers; None for figures of
        180 mm. The page shows them in its own size.
    data
        Data folder with the images of named datasets; None for SYNTHESIGHT_DATA, else the cache.
    papers
        Returns what to cite for the model that a run's record names.
    report
        Called with the name of each part when it is begun.

    Returns
    -------
    The page.

    Raises
    ------
    SynthesightError
        If there are no trials, no such population, or the folder cannot be written.
    """
    check_population(population)
    answered = trials.filter(pl.col("error").is_null()) if len(trials) else trials
    if answered.is_empty() and not findings:
        raise SynthesightError("There are no trials to report: name a run that has some.")
    style = style or Style()
    sections: list[Section] = []
    observers: list[str] = []
    # Altair would check every record of every figure, which takes most of the time.
    with debug_mode(False):
        if not answered.is_empty():
            told = named(with_people(answered), style.names)
            everyone = short_columns(told)
            observers = order(everyone)
            for name, make in all_sections(population).items():
                report(name)
                section = make(everyone, resamples)
                if section is not None:
                    sections.append(section)
            unreadable = trials.filter(pl.col("error").is_not_null())
            # An image counts once, however many models were shown it.
            if unread := unreadable.select(pl.struct("dataset", "stimulus").n_unique()).item():
                be = "is" if unread == 1 else "are"
                sections[
                    0
                ].text += f" {counted(unread, 'image')} could not be read and {be} left out."
        sections += named_apart(findings)
        if not answered.is_empty():
            report("images")
            made = provenances(told)
            sections += filter(
                None,
                [
                    doubt_section(everyone, made, resamples, population),
                    galleries_section(told, made, data),
                    provenance_section(made),
                    _for_a_paper(told, made, sections, resamples, papers),
                ],
            )
        specs = {
            name: spec_of(figure) | {"description": caption_of(section, name)}
            for section in sections
            for name, figure in section.figures.items()
        }
    with files.writing(out):
        for section in sections:
            for name, table in section.tables.items():
                caption = f"{section.title}: {name.replace('-', ' ')}."
                write_table(table, out / "tables", name, caption)
            for name, text in section.copied.items():
                files.write(out / name, text)
        captions = ((name, caption_of(section, name)) for section in sections
                    for name in section.figures)  # fmt: skip
        files.write(out / "figures.tex", figures_in_latex(captions))
        jobs = [
            (spec, [out / "figures" / f"{name}{suffix}" for suffix in FORMATS])
            for name, spec in specs.items()
        ]
        save_figures(jobs, style, lambda done: report(f"writing figures, {done} of {len(jobs)}"))
        return write_page(
            sections,
            specs,
            observers,
            out / "index.html",
            notes=[*map(sentence, notes)],
            full=_in_full(trials),
        )


def _in_full(trials: pl.DataFrame) -> dict[str, str]:
    """Return the names that the report shortens, with what they are."""
    columns = (trials[name] for name in NAMES if name in trials.columns)
    names = {name for column in columns for name in column.drop_nulls().unique()}
    return {short(name): sentence(name) for name in names if short(name) != name}


def _for_a_paper(
    trials: pl.DataFrame,
    made: Sequence[Provenance],
    sections: Sequence[Section],
    resamples: int,
    papers: Callable[[Record], Iterable[Reference]],
) -> Section:
    """Return what a paper takes over: the Methods paragraph and its references."""
    people = trials.filter(IS_HUMAN)
    if RUN in trials.columns:
        people = people.filter(pl.col(RUN).is_null())
    published = [name for name in published_people() if name in set(people["dataset"])]
    text = methods(trials, made, sections, resamples=resamples, people=published, papers=papers)
    cited = works(
        [each.record for each in made if each.record],
        datasets=trials["dataset"].unique().sort(),
        people=published,
        metrics=reported_metrics(sections),
        dial="dial" in trials.columns,
        tests=any("contrasts" in section.tables for section in sections),
        papers=papers,
    )
    return Section(
        "methods",
        "Methods and references",
        "What was done, from the records of the runs, and the works to cite.",
        copied={
            "methods.txt": as_text(text) + "\n",
            "methods.tex": as_latex(text) + "\n",
            "references.bib": bibtex(cited),
        },
    )
