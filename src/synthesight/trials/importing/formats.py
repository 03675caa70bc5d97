"""What is known of the files that laboratory software writes: marks, bookkeeping, practice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from synthesight.sheets import plain

PUBLISHED = (
    "subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename",
)  # fmt: skip


@dataclass(frozen=True)
class Format:
    """Describe the files of one program.

    ``kind`` is that of the observers, where the program is for one kind only. ``bookkeeping`` is a
    pattern of whole names: columns that tell nothing of a trial.
    """

    title: str
    kind: str | None = None
    milliseconds: bool = False
    bookkeeping: re.Pattern[str] = re.compile(r"(?!)")


FORMATS = {
    "toolbox": Format("model-vs-human toolbox"),
    "psychopy": Format(
        "PsychoPy",
        kind="human",
        bookkeeping=re.compile(
            r".*\.(started|stopped|this(Rep|Trial|Row)?N?|thisIndex|thisRow\.t|ran|order|keys|corr|rt"
            r"|duration|[xy]|time|(left|mid|right)Button|clicked_\w+|numClicks|timesOn|timesOff)"
            r"|this(Rep|Trial)?N|thisRow\.t|psychopyVersion|frameRate|expName|expVersion|expStart|date"
            r"|OS|notes|monitor|PROLIFIC_PID|expInfo|globalClockTime",
            re.IGNORECASE,
        ),
    ),
    "jspsych": Format(
        "jsPsych",
        kind="human",
        milliseconds=True,
        bookkeeping=re.compile(
            r"trial_type|trial_index|time_elapsed|internal_node_id|plugin_version|view_history"
            r"|success|timeout|failed_(images|audio|video)|extension_(type|version)|question_order"
            r"|accuracy|slider_start|stimulus_(height|width)|button_html",
            re.IGNORECASE,
        ),
    ),
    "table": Format("a table"),
}

# Columns that may say that a row is practice, and how they say it.
_PHASE = (
    "task", "phase", "part", "stage", "block", "blocktype", "blockname", "trialtype", "trialphase",
    "testpart", "screen",
)  # fmt: skip
_PRACTICE = r"(?i)practi[cs]e|tutorial|\bdemo\b|warm[\s_-]?up|\bexample\b"


def detect(columns: Sequence[str]) -> str:
    """Return the format of a file, by the names of its columns: ``"table"`` where none is sure.

    Examples
    --------
    >>> detect(["trial_type", "trial_index", "time_elapsed", "rt", "stimulus"])
    'jspsych'
    """
    names = {name.lower() for name in columns}
    if names >= set(PUBLISHED):
        return "toolbox"
    if {"trial_type", "trial_index"} <= names and names & {
        "time_elapsed", "internal_node_id", "plugin_version",
    }:  # fmt: skip
        return "jspsych"
    ends = {name.rpartition(".")[2] for name in names if "." in name}
    marks = [
        bool(names & {"psychopyversion", "framerate", "expstart"}),
        "expname" in names,
        bool(ends & {"thisrepn", "thistrialn", "thisindex"}),
        bool(ends & {"keys", "clicked_name"}) and bool(ends & {"rt", "time"}),
    ]
    return "psychopy" if sum(marks) >= 2 else "table"


def practice(table: pl.DataFrame, name: str) -> tuple[pl.Series, str | None]:
    """Return which rows are practice, and the column that says so; only of laboratory software.

    Loops of PsychoPy tell it by their names; other columns by their values, such as task.
    """
    nowhere = pl.Series([False] * len(table), dtype=pl.Boolean)
    if FORMATS[name].kind is None:
        return nowhere, None
    for column in table.columns:
        key = plain(column)
        values = table[column]
        if re.search(_PRACTICE, column) and column.lower().endswith(("thisn", "thisrepn")):
            is_practice = values.is_not_null()
        elif key in ("practice", "ispractice"):
            is_practice = values.str.to_lowercase().is_in(["true", "1", "yes", "practice"])
        elif key in _PHASE:
            is_practice = values.str.contains(_PRACTICE)
        else:
            continue
        is_practice = is_practice.fill_null(False)
        if is_practice.any():
            return is_practice, column
    return nowhere, None
