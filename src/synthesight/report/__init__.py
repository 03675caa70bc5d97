"""The report: tables, figures and one page from a table of trials.

``gather`` reads the trials of runs and of people, ``write_report`` writes the report about them.
Sections follow from what metrics declare (``metric_section``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.report.coverage import fewer_conditions as fewer_conditions
    from synthesight.report.coverage import fewer_images as fewer_images
    from synthesight.report.coverage import strangers as strangers
    from synthesight.report.figures import shape_bias_figure as shape_bias_figure
    from synthesight.report.figures import shape_bias_means as shape_bias_means
    from synthesight.report.metrics import metric_section as metric_section
    from synthesight.report.page import write_page as write_page
    from synthesight.report.report import write_report as write_report
    from synthesight.report.saving import save_figure as save_figure
    from synthesight.report.saving import save_figures as save_figures
    from synthesight.report.section import Section as Section
    from synthesight.report.sources import gather as gather
    from synthesight.report.style import Style as Style
    from synthesight.report.tables import shown_table as shown_table
    from synthesight.report.tables import to_latex as to_latex
    from synthesight.report.tables import to_markdown as to_markdown
    from synthesight.report.tables import write_table as write_table

__getattr__, __dir__, __all__ = lazy.attach(__name__)
