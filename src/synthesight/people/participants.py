"""Say how far participants are, and whether they attended: what to look at before an analysis."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from synthesight.people.site import DATA, SESSIONS

WHO = ["participant", "session"]


def overview(site: str | Path) -> pl.DataFrame:
    """Return a row for each participant and session of an experiment.

    Parameters
    ----------
    site
        Folder of :func:`~synthesight.people.site.build_site`.

    Returns
    -------
    Columns participant, session, trials, missed (share of trials without an answer), attention
    (share of attention checks that were right; null: none), image_ms and longest_ms (how long
    images stood, on average and at most).
    """
    files = sorted((Path(site) / DATA).rglob("*.csv"))
    if not files:
        return pl.DataFrame()
    # A bracket in a path is no wildcard.
    trials = pl.concat(
        pl.read_csv(file, glob=False, infer_schema=False).select(
            participant="subj",
            session=pl.col("session").cast(pl.Int64),
            missed=pl.col("object_response") == "na",
            image_ms=pl.col("image_ms").cast(pl.Float64),
        )
        for file in files
    )
    people = trials.group_by(WHO).agg(
        trials=pl.len(),
        missed=pl.col("missed").mean(),
        longest_ms=pl.col("image_ms").max(),
        image_ms=pl.col("image_ms").mean(),
    )
    return (
        people.join(_attention(Path(site)), on=WHO, how="left")
        .select(*WHO, "trials", "missed", "attention", "image_ms", "longest_ms")
        .sort(WHO)
    )


def _attention(site: Path) -> pl.DataFrame:
    """Return the share of right attention checks, by participant and session."""
    rows = []
    for path in (site / SESSIONS).glob("*_session_*.jsonl"):
        participant, session = path.stem.rsplit("_session_", 1)
        for line in path.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event.get("kind") == "attention":
                right = event.get("expected") == event.get("response")
                rows.append((participant, int(session), right))
    schema = {"participant": pl.String, "session": pl.Int64, "attention": pl.Boolean}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.group_by(WHO).agg(pl.col("attention").mean())
