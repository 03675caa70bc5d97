"""How the trials of a report were made, as far as their runs record it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import polars as pl

from synthesight import files
from synthesight.encoding import short
from synthesight.report.looks import listed
from synthesight.report.section import IS_MODEL, Section
from synthesight.report.sources import RUN
from synthesight.trials.computing import computed
from synthesight.trials.record import RECORD, read_record

UNKNOWN = "not recorded"
NONE = "none"  # of what an observer of this kind has not
DIGITS = 8  # of a table of weights' digest


@dataclass(frozen=True)
class Provenance:
    """How one observer's trials were made.

    Attributes
    ----------
    name, kind, run
        As the report has them; what the trials were read from, if that is known.
    record
        What ``run.json`` records; empty for trials that came as a table.
    computing
        As :func:`~synthesight.trials.computed` returns it.
    trials, draws, evaluations
        Number of trials; draws of an image and network evaluations, mean over the images.
    seeds
        Those of its trials.
    """

    name: str
    kind: str | None
    run: str | None
    record: Mapping[str, Any]
    computing: Sequence[Mapping[str, Any]]
    trials: int
    draws: float | None
    evaluations: float | None
    seeds: tuple[int, ...]

    @property
    def observer(self) -> Mapping[str, Any]:
        """What the run records of the observer itself."""
        return self.record.get("observer") or {}

    @property
    def prompts(self) -> list[str]:
        """Its prompts, as they were given."""
        prompts = self.observer.get("prompt") or []
        return list(prompts.values()) if isinstance(prompts, Mapping) else [*map(str, prompts)]

    @property
    def rule(self) -> str | None:
        """Its decision rule with what it takes: ``sequential (δ = 0.01, at most 200 draws)``."""
        if not (rule := dict(self.observer.get("rule") or {})):
            return None
        name, most = rule.pop("name", "?"), rule.pop("max_draws", None)
        greek = {"delta": "δ", "eta": "η"}
        options = [
            f"{greek.get(key, key.replace('_', ' '))} = {_said(value)}"
            for key, value in rule.items()
            if value
        ]
        what = "draws or parts" if name in ("exhaustive", "staged") else "draws"
        options += [f"at most {most} {what}"] if most else []
        return f"{name} ({', '.join(options)})" if options else name

    @property
    def weighting(self) -> str | None:
        """Its weighting: the name, or what tells a table of weights apart."""
        found = self.observer.get("weighting")
        if isinstance(found, list):
            digest = sha256(json.dumps(found).encode()).hexdigest()[:DIGITS]
            return f"a table of {len(found)} weights (SHA-256 {digest}…)"
        return found

    @property
    def precision(self) -> str | None:
        """What the network computed in."""
        told = {self.observer.get("dtype"), *(each.get("dtype") for each in self.computing)}
        return _joined(told)

    @property
    def device(self) -> str | None:
        """What the network computed on."""
        told = {
            " ".join(
                [
                    str(each.get("device") or ""),
                    *(f"({name})" for name in [each.get("processor")] if name),
                ]
            ).strip()
            for each in self.computing
        }
        return _joined(told) or self.record.get("device")

    @property
    def versions(self) -> str | None:
        """Libraries with their versions."""
        found = self.record.get("versions") or {}
        return ", ".join(f"{name} {version}" for name, version in found.items()) or None

    def facts(self) -> dict[str, str]:
        """Return a row of the table."""
        observer, generative = self.observer, self.kind == "generative"
        is_known = bool(self.record)

        def of_likelihood(value: str | None) -> str:
            return value or (NONE if is_known and not generative else UNKNOWN)

        numbers = {"draws an image": self.draws, "network evaluations an image": self.evaluations}
        return {
            "kind": self.kind or UNKNOWN,
            "model": str(observer.get("model") or UNKNOWN),
            "weights (digest)": str(observer.get("weights") or UNKNOWN),
            "prompts": " | ".join(self.prompts) or of_likelihood(None),
            "decision rule": of_likelihood(self.rule),
            "weighting": of_likelihood(self.weighting),
            "seed": ", ".join(map(str, self.seeds)) or UNKNOWN,
            **{
                name: UNKNOWN if value is None else f"{value:.4g}"
                for name, value in numbers.items()
            },
            "device": self.device or UNKNOWN,
            "precision": self.precision or UNKNOWN,
            "versions": self.versions or UNKNOWN,
            "begun": str(self.record.get("started") or UNKNOWN),
        }


def provenances(trials: pl.DataFrame) -> list[Provenance]:
    """Return how the trials of each model were made, by kind and name.

    Parameters
    ----------
    trials
        As :func:`~synthesight.report.gather` returns them; without its column of runs, nothing is
        recorded.
    """
    if RUN not in trials.columns:
        trials = trials.with_columns(pl.lit(None, pl.String).alias(RUN))
    models = trials.filter(IS_MODEL)
    rows = models.group_by("observer", "kind", RUN).agg(
        pl.len().alias("trials"),
        pl.col("draws", "evaluations").mean(),
        pl.col("seed").drop_nulls().unique().sort(),
    )
    records = {run: _record(run) for run in rows[RUN].drop_nulls().unique()}
    return [
        Provenance(
            short(row["observer"]), row["kind"], row[RUN], *records.get(row[RUN], ({}, [])),
            trials=row["trials"], draws=row["draws"], evaluations=row["evaluations"],
            seeds=tuple(row["seed"]),
        )
        for row in rows.sort("kind", "observer", RUN, descending=[True, False, False]).to_dicts()
    ]  # fmt: skip


def provenance_section(made: Sequence[Provenance]) -> Section | None:
    """Show how the trials of each model were made; None without models."""
    if not made:
        return None
    unknown = [each.name for each in made if not each.record]
    text = (
        "What the record of each run (run.json) tells. The digest of weights tells two checkpoints "
        "of one name apart."
        if len(unknown) < len(made)
        else ""
    )
    if unknown:
        text += (
            f" The trials of {listed(unknown)} came as a table, which does not record how they "
            "were made."
        )
    known = [each for each in made if each.record]
    names = Counter(each.name for each in known)
    columns = {
        each.name if names[each.name] == 1 else f"{each.name} ({each.run})": [
            *each.facts().values()
        ]
        for each in known
    }
    tables = {}
    if known:
        tables["provenance"] = pl.DataFrame({"what": [*known[0].facts()]} | columns)
    return Section("provenance", "How the trials were made", text.strip(), tables)


def _record(run: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    folder = files.as_path(run)
    if not (folder / RECORD).is_file():
        return {}, []
    return read_record(folder)[0], computed(folder)


def _joined(values: set[Any]) -> str | None:
    return ", ".join(sorted(str(value) for value in values if value)) or None


def _said(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(
            ":".join(map(str, each)) if isinstance(each, list) else str(each) for each in value
        )
    return f"{value:g}" if isinstance(value, float) else str(value)
