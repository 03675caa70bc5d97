"""The report: tables, figures and one page from a table of trials.

``gather`` reads the trials of runs and of people, ``write_report`` writes the report about them.
Sections follow from what metrics declare (``metric_section``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.report.coverage import fewer_conditions, fewer_images, strangers
    from synthesight.report.figures import answers_chart, shape_bias_figure, shape_bias_means
    from synthesight.report.metrics import metric_section
    from synthesight.report.page import write_page
    from synthesight.report.report import write_report
    from synthesight.report.saving import save_figure, save_figures
    from synthesight.report.section import Section
    from synthesight.report.sources import gather
    from synthesight.report.style import Style
    from synthesight.report.tables import (
        shown_table,
        to_latex,
        to_markdown,
        write_table,
    )

__all__ = [
    "Section",
    "Style",
    "answers_chart",
    "fewer_conditions",
    "fewer_images",
    "gather",
    "metric_section",
    "save_figure",
    "save_figures",
    "shape_bias_figure",
    "shape_bias_means",
    "shown_table",
    "strangers",
    "to_latex",
    "to_markdown",
    "write_page",
    "write_report",
    "write_table",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "coverage": ["fewer_conditions", "fewer_images", "strangers"],
        "figures": ["answers_chart", "shape_bias_figure", "shape_bias_means"],
        "metrics": ["metric_section"],
        "page": ["write_page"],
        "report": ["write_report"],
        "saving": ["save_figure", "save_figures"],
        "section": ["Section"],
        "sources": ["gather"],
        "style": ["Style"],
        "tables": ["shown_table", "to_latex", "to_markdown", "write_table"],
    },
)
