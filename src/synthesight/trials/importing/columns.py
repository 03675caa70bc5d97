"""Find which column of a table holds what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from synthesight.errors import SynthesightError, suggestion
from synthesight.sheets import plain
from synthesight.trials.importing.formats import FORMATS
from synthesight.trials.importing.values import Answers, image_paths, is_picture, mapped
from synthesight.trials.schema import SCHEMA

# What columns are called, without case and punctuation; the first names are the surest.
ALIASES = {
    "observer": (
        "subj subject subjectid subjectnr subjectnumber participant participantid participantnr "
        "participantnumber ppt ppid vp vpn vpnr observer person prolificpid workerid userid user "
        "model modelname"
    ),
    "kind": "kind observerkind",
    "dataset": "dataset",
    "condition": "condition cond",
    "session": "session sess sessionnr sessionnumber",
    "trial": (
        "trial trialnumber trialnr trialno trialindex trialid trialn trialcount trialsthisn thisn"
    ),
    "stimulus": (
        "imagename image imagefile imagefilename imagepath img imgname imgfile imgpath stimulus "
        "stimulusfile stimulusname stimulusid stim stimfile stimname stimpath filename file path "
        "picture picturefile pic photo"
    ),
    "image": "image",
    "category": (
        "category truecategory correctcategory label truelabel class groundtruth truth target "
        "corrans correctanswer correctans correctresponse corrresponse"
    ),
    "texture": "texture",
    "response": (
        "objectresponse response responsecategory responselabel resp answer choice chosen selected "
        "predictedlabel prediction predicted pred keyresp keyresponse keypressed keypress key "
        "buttonpressed button"
    ),
    "rt": (
        "rt reactiontime responsetime rtms reactiontimems responsetimems rtinms latency rts "
        "reactiontimes responsetimes"
    ),
}  # fmt: skip
KNOWN = frozenset(name for names in ALIASES.values() for name in names.split())
# The published names of the roles that have one.
SPOKEN = {"subj": "observer", "object_response": "response", "imagename": "stimulus"}
_SAMPLE = 1000  # rows that tell what a column holds
# Components of PsychoPy give their columns names of their own.
_ENDS = {
    "response": re.compile(r"(?i).*\.(keys|clicked_name)"),
    "rt": re.compile(r"(?i).*\.(rt|time)"),
    "trial": re.compile(r"(?i).*\.thisN"),
}


@dataclass(frozen=True)
class Columns:
    """Which column holds what, which are factors, and which are neither."""

    roles: dict[str, str]
    factors: list[str]
    left_out: list[str]


def given_columns(given: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that the user names, by role; ``""`` for a role that no column has."""
    roles = {}
    for name, column in given.items():
        role = SPOKEN.get(name, name)
        if role not in ALIASES:
            known = [*SPOKEN, *(role for role in ALIASES if role not in SPOKEN.values())]
            raise SynthesightError(
                f"`columns`: trials have no {name!r}: {suggestion(name, known)}, and write "
                f"{known[0]}=<column of the file>."
            )
        roles[role] = column
    return roles


def find_columns(
    table: pl.DataFrame, name: str, given: Mapping[str, str], answers: Answers, place: str
) -> Columns:
    """Return which column of a table, all of it text, holds what.

    Where several could, images are told by their names' ends, and responses and categories by being
    categories. ``name`` is the table's format, ``given`` the columns that the user names, by role,
    and ``place`` what a message calls the file.
    """
    roles = {role: _named(column, table.columns, place) for role, column in given.items() if column}
    if name == "toolbox":
        # Whatever else is in a published file is a factor, even if it is called answer.
        exact = {SPOKEN.get(column.lower(), column.lower()): column for column in table.columns}
        exact = {role: column for role, column in exact.items() if role in ALIASES}
        return _columns(
            table, name, {role: c for role, c in exact.items() if role not in given} | roles
        )
    rest = [role for role in ALIASES if role not in given and role != "image"]
    for role in rest:
        free = [column for column in table.columns if column not in roles.values()]
        if candidates := _candidates(role, free):
            roles[role] = _best(role, table, candidates, roles, answers)
        if role == "category" and role in roles:
            # What was shown can be a response as well.
            shown = table[roles[role]].unique(maintain_order=True).drop_nulls()
            answers = answers.including(filter(None, map(answers, shown)))
    if "stimulus" not in roles and "stimulus" not in given:
        free = [column for column in table.columns if column not in roles.values()]
        named = [column for column in free if _pictures(table[column]) > 0.5]
        if named:
            roles["stimulus"] = named[0]
    if "image" not in given and "image" in table.columns and "image" not in roles.values():
        roles["image"] = "image"
    for role, what in (("stimulus", "the image that was shown"), ("response", "the response")):
        if role not in roles:
            spoken = next((said for said, each in SPOKEN.items() if each == role), role)
            raise SynthesightError(
                f"{place} has no column for {what}, only {', '.join(table.columns[:20])}: name it "
                f"by `columns={spoken}=…`, or leave the file out."
            )
    return _columns(table, name, roles)


def _columns(table: pl.DataFrame, name: str, roles: dict[str, str]) -> Columns:
    others = [column for column in table.columns if column not in roles.values()]
    left_out = [
        column
        for column in others
        if FORMATS[name].bookkeeping.fullmatch(column) or table[column].null_count() == len(table)
    ]
    return Columns(roles, [column for column in others if column not in left_out], left_out)


def factor_name(column: str) -> str:
    """Return the name of a factor: its column's, unless a column of every trial is called so."""
    return f"{column}_" if column in SCHEMA else column


def _named(column: str, columns: Sequence[str], place: str) -> str:
    if column in columns:
        return column
    if alike := [each for each in columns if plain(each) == plain(column)]:
        return alike[0]
    raise SynthesightError(
        f"{place} has no column {column!r}: {suggestion(column, list(columns))}."
    )


def _candidates(role: str, columns: Sequence[str]) -> list[str]:
    """Return the columns that may hold what a role needs, the surest first."""
    rank = {alias: place for place, alias in enumerate(ALIASES[role].split())}
    named = sorted((c for c in columns if plain(c) in rank), key=lambda c: rank[plain(c)])
    ends = _ENDS.get(role)
    return [*named, *(c for c in columns if c not in named and ends and ends.fullmatch(c))]


def _best(
    role: str,
    table: pl.DataFrame,
    candidates: Sequence[str],
    roles: Mapping[str, str],
    answers: Answers,
) -> str:
    """Return the candidate whose values fit the role best; of equals, the first."""
    if len(candidates) == 1 or role not in ("stimulus", "category", "response", "rt", "trial"):
        return candidates[0]
    is_shown = pl.col(roles["stimulus"]).is_not_null() if "stimulus" in roles else pl.lit(True)
    shown = table.filter(is_shown)
    if role == "rt" and (response := roles.get("response", "")).count("."):
        component = response.rpartition(".")[0]
        own = [c for c in candidates if c.rpartition(".")[0] == component]
        candidates = own or candidates

    def fit(column: str) -> tuple[bool, int]:
        values = shown[column]
        if role == "stimulus":
            return _pictures(values) > 0.5, 0
        if role in ("category", "response"):
            # A category, straight or by its key; then, what is there most often.
            return _categories(values, answers) > 0.5, (
                len(values) - values.null_count() if role == "response" else 0
            )
        return False, len(values) - values.null_count()

    return max(candidates, key=fit)


def _pictures(values: pl.Series) -> float:
    """Return the share of the first values there are that name images."""
    there = values.drop_nulls().head(_SAMPLE)
    return float(is_picture(image_paths(there)).sum()) / max(1, len(there))


def _categories(values: pl.Series, answers: Answers) -> float:
    """Return the share of the first values there are that are categories."""
    there = values.drop_nulls().head(_SAMPLE)
    known = mapped(there, lambda cell: cell if answers.known(answers(cell) or "") else None)
    return known.count() / max(1, len(there))
