"""Runs: folders of trials in atomic Parquet parts, beside a record of what made them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.trials.schema import KEY, SCHEMA, conform

MANIFEST = "run.json"


class Run:
    """A folder that holds the trials of one evaluation.

    ``run.json`` says what made them; ``part-….parquet`` are the trials. A part is written under
    another name and then renamed, so that a killed process leaves whole parts only; several
    processes may write into one run.

    Attributes
    ----------
    folder
        Where it is.
    manifest
        What made it.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open a run.

        Raises
        ------
        SynthesightError
            If the folder is no run.
        """
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SynthesightError(
                f"{folder} is not a run (its {MANIFEST} cannot be read): give a folder that "
                "`synthesight evaluate` wrote."
            ) from error
        return cls(folder, manifest)

    @classmethod
    def create_or_resume(
        cls, folder: Path, manifest: dict[str, Any], *, ignore: Sequence[str] = ()
    ) -> Run:
        """A new run, or one that was started with the same manifest.

        Parameters
        ----------
        manifest
            What makes the trials, as JSON can hold it.
        ignore
            Keys that may differ.

        Raises
        ------
        SynthesightError
            If the folder holds a run that was made otherwise, or other files.
        """
        manifest = json.loads(json.dumps(manifest))
        if (folder / MANIFEST).exists():
            run = cls.open(folder)
            if different := _first_difference(run.manifest, manifest, ignore):
                key, was, now = different
                raise SynthesightError(
                    f"{folder} holds a run with {key} = {was}, not {now}: use the same options to "
                    "go on, or another --out."
                )
            return run
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise SynthesightError(
                f"{folder} exists and is not a run: choose another --out, so that nothing is lost."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SynthesightError(
                f"{folder} cannot be made ({error.strerror}): choose another --out."
            ) from error
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        _write_atomically(folder / MANIFEST, text.encode())
        return cls(folder, manifest)

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add trials, as one part, atomically."""
        frame = conform(pl.DataFrame(rows, schema_overrides=SCHEMA), str(self.folder))
        path = self.folder / f"part-{secrets.token_hex(8)}.parquet"
        temporary = path.with_suffix(".tmp")
        frame.write_parquet(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)

    def trials(self) -> pl.DataFrame:
        """All trials, sorted, each once.

        Raises
        ------
        SynthesightError
            If a part is damaged.
        """
        parts = [self._read(path) for path in sorted(self.folder.glob("part-*.parquet"))]
        if not parts:
            return pl.DataFrame(schema=SCHEMA)
        return pl.concat(parts).unique(KEY, keep="first", maintain_order=True).sort(KEY)

    def done(self) -> set[str]:
        """Ids of the stimuli that have their trial."""
        return set(self.trials()["stimulus"].to_list())

    def _read(self, path: Path) -> pl.DataFrame:
        try:
            return conform(pl.read_parquet(path), str(path))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SynthesightError(
                f"{path} is damaged: delete it and run the same command again, which makes its "
                "trials anew."
            ) from error


def _first_difference(
    was: dict[str, Any], now: dict[str, Any], ignore: Sequence[str], prefix: str = ""
) -> tuple[str, Any, Any] | None:
    for key in now:
        if key in ignore:
            continue
        old, new = was.get(key), now[key]
        if isinstance(old, dict) and isinstance(new, dict):
            if found := _first_difference(old, new, (), f"{prefix}{key}."):
                return found
        elif old != new:
            return f"{prefix}{key}", old, new
    return None


def _write_atomically(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
