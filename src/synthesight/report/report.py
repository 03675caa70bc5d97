"""The report: every table and figure that trials allow, as files and as one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from altair.utils.schemapi import debug_mode

from synthesight import files
from synthesight.analysis import RESAMPLES, with_people
from synthesight.encoding import sentence, short_columns
from synthesight.errors import SynthesightError
from synthesight.report.looks import counted
from synthesight.report.page import write_page
from synthesight.report.saving import FORMATS, save_figures
from synthesight.report.section import Section, named, named_apart, order, spec_of
from synthesight.report.sections import sections as all_sections
from synthesight.report.style import Style
from synthesight.report.tables import write_table


def write_report(
    trials: pl.DataFrame,
    out: Path,
    *,
    resamples: int = RESAMPLES,
    notes: Sequence[str] = (),
    findings: Sequence[Section] = (),
    style: Style | None = None,
    report: Callable[[str], None] = lambda what: None,
) -> Path:
    """Write ``index.html``, ``figures/`` (SVG, PDF, PNG) and ``tables/`` (CSV, Markdown, LaTeX).

    Parameters
    ----------
    trials
        The trial table: of models, of people, or of both. None at all where there are findings.
    out
        Folder of the report; files of an earlier one are replaced.
    resamples
        Resamples of the bootstrap behind the 95 % confidence intervals.
    notes
        Sentences for the head of the page, such as whose trials are missing.
    findings
        Sections of probes, which come after those of the trials.
    style
        Size and ground of the files of figures, and names of observers; None for figures of
        180 mm. The page shows them in its own size.
    report
        Called with the name of each part when it is begun.

    Returns
    -------
    The page.

    Raises
    ------
    SynthesightError
        If there are no trials, or the folder cannot be written.
    """
    answered = trials.filter(pl.col("error").is_null()) if len(trials) else trials
    if answered.is_empty() and not findings:
        raise SynthesightError("There are no trials to report: name a run that has some.")
    style = style or Style()
    sections: list[Section] = []
    observers: list[str] = []
    # Altair would check every record of every figure, which takes most of the time.
    with debug_mode(False):
        if not answered.is_empty():
            everyone = named(with_people(short_columns(answered)), style.names)
            observers = order(everyone)
            for name, make in all_sections().items():
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
        specs = {
            name: spec_of(figure)
            for section in sections
            for name, figure in section.figures.items()
        }
    with files.writing(out):
        for section in sections:
            for name, table in section.tables.items():
                write_table(table, out / "tables", name)
        jobs = [
            (spec, [out / "figures" / f"{name}{suffix}" for suffix in FORMATS])
            for name, spec in specs.items()
        ]
        save_figures(jobs, style, lambda done: report(f"writing figures, {done} of {len(jobs)}"))
        return write_page(
            sections, specs, observers, out / "index.html", notes=[*map(sentence, notes)]
        )
