"""Keep the trials of a run in a folder: atomic Parquet parts, and a record of what made them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.trials.schema import KEY, SCHEMA, conform

MANIFEST = "run.json"
OLDER = pl.ScanCastOptions(integer_cast="allow-float")  # evaluations were whole numbers
# Entries of the record that say only whether something is the same: a message names what differs.
HASHES = {"observer.weights": "weights", "stimuli_ids_hash": "stimuli"}


class Run:
    """Hold the trials of one evaluation, which are in a folder.

    ``run.json`` says what made them; ``part-<n>-<random>.parquet`` are the trials. A part is
    written under another name and then renamed, so that a killed process leaves whole parts only;
    several processes may write into one run.

    A run has a length, the number of its trials; ``run[i]`` and iteration give them as mappings.

    Attributes
    ----------
    folder
        Folder of the run.
    manifest
        Record of what made the trials; None to read that of the folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = Run.create(f"{folder}/run", {"classes": ["cat", "dog"]})
    ...     run.append([{"observer": "me", "stimulus": "a.png", "response": "cat"}])
    ...     len(run), run[0]["response"]
    (1, 'cat')
    """

    def __init__(self, folder: str | Path, manifest: dict[str, Any] | None = None) -> None:
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder) if manifest is None else manifest

    def __len__(self) -> int:
        count = self._lazy(sort=False).select(pl.struct(KEY).n_unique())
        return int(self._collect(count).item())

    def __bool__(self) -> bool:
        return True  # a run without trials is one too

    def __getitem__(self, index: int) -> dict[str, Any]:
        trials = self.trials()
        return trials.row(range(len(trials))[index], named=True)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.trials().iter_rows(named=True)

    def __repr__(self) -> str:
        return f"<Run {self.folder}: {self._summary()}>"

    def _repr_html_(self) -> str:
        facts = {"folder": str(self.folder), "trials": self._summary()}
        for key in ("classes", "device", "started"):
            if value := self.manifest.get(key):
                facts[key] = ", ".join(value) if isinstance(value, list) else str(value)
        rows = (f"<tr><th>{key}</th><td>{escape(fact)}</td></tr>" for key, fact in facts.items())
        return f"<table>{''.join(rows)}</table>"

    def _summary(self) -> str:
        observer = self.manifest.get("observer") or {}
        model = observer.get("model") or observer.get("name") or "an observer"
        datasets = self.manifest.get("datasets") or []
        on = f" on {', '.join(datasets)}" if any(datasets) else ""
        count = len(self)
        return f"{count} trial{'' if count == 1 else 's'} of {model}{on}"

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Open a run.

        Raises
        ------
        SynthesightError
            If the folder is no run.
        """
        return cls(folder)

    @classmethod
    def create(cls, folder: str | Path, manifest: dict[str, Any]) -> Run:
        """Make a new run.

        Parameters
        ----------
        folder
            Folder of the run, made if need be.
        manifest
            Record of what makes the trials, as JSON can hold it.

        Raises
        ------
        SynthesightError
            If the folder holds a run or other files, or cannot be written to.
        """
        folder = Path(folder)
        if (folder / MANIFEST).exists():
            raise SynthesightError(
                f"{folder} holds a run already: choose another `out`, so that nothing is lost."
            )
        if folder.is_file() or (folder.is_dir() and any(map(_foreign, folder.iterdir()))):
            raise SynthesightError(
                f"{folder} exists and is not a run: choose another `out`, so that nothing is lost."
            )
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                files.write(folder / MANIFEST, text, replace=False)
            except FileExistsError as error:
                raise SynthesightError(
                    f"Another process has just begun a run in {folder}: choose another `out`."
                ) from error
        return cls(folder, json.loads(text))

    @classmethod
    def create_or_resume(
        cls, folder: str | Path, manifest: dict[str, Any], *, ignore: Sequence[str] = ()
    ) -> Run:
        """Make a new run, or open one that was started with the same manifest.

        Parameters
        ----------
        manifest
            Record of what makes the trials, as JSON can hold it.
        ignore
            Keys that may differ; those of an inner table as ``outer.inner``.

        Raises
        ------
        SynthesightError
            If the folder holds a run that was made otherwise, or other files.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).exists():
            try:
                return cls.create(folder, manifest)
            except SynthesightError:
                # Another shard may have begun the same run a moment ago.
                if not (folder / MANIFEST).exists():
                    raise
        run = cls.open(folder)
        manifest = json.loads(json.dumps(manifest))
        if different := _first_difference(run.manifest, manifest, ignore):
            key, was, now = different
            made = f"of other {HASHES[key]}" if key in HASHES else f"with {key} = {was}, not {now}"
            raise SynthesightError(
                f"{folder} holds a run {made}: use the same options to go on, or another `out`."
            )
        files.remove_unfinished(folder)
        return run

    def append(self, rows: Sequence[dict[str, Any]] | pl.DataFrame) -> None:
        """Add trials, as one part, atomically.

        Raises
        ------
        SynthesightError
            If the rows are no trials, or the folder cannot be written to.
        """
        if not isinstance(rows, pl.DataFrame):
            rows = pl.DataFrame(rows, schema_overrides=SCHEMA)
        if rows.is_empty():
            return
        frame = conform(rows, f"What was to be added to {self.folder}")
        # The number only keeps a listing in order; the random part keeps shards apart.
        number = len(self._parts())
        path = self.folder / f"part-{number:05d}-{secrets.token_hex(8)}.parquet"
        with files.writing(self.folder), files.whole(path) as unfinished:
            frame.write_parquet(unfinished)

    def trials(self) -> pl.DataFrame:
        """Return all trials, each once, sorted by observer, dataset, condition, session, stimulus.

        Raises
        ------
        SynthesightError
            If a part is damaged.
        """
        return self._collect(self._lazy())

    def lazy(self) -> pl.LazyFrame:
        """Return :meth:`trials` to be read when collected, and only the columns asked for.

        Raises
        ------
        SynthesightError
            If a part is cut short; other damage shows as a polars error when it is read.
        """
        for path in self._parts():
            try:
                pl.scan_parquet(path, glob=False).collect_schema()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise _damaged(path) from error
        return self._lazy()

    def done(self) -> set[str]:
        """Return ids of the stimuli that have their trial; unreadable ones have none yet.

        Raises
        ------
        SynthesightError
            If a part is damaged.
        """
        read = self._lazy(sort=False).filter(pl.col("error").is_null())
        return set(self._collect(read.select("stimulus"))["stimulus"])

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def _lazy(self, *, sort: bool = True) -> pl.LazyFrame:
        parts = self._parts()
        if not parts:
            return pl.LazyFrame(schema=SCHEMA)
        # A bracket in a path is no wildcard.
        scan = pl.scan_parquet(
            parts, schema=SCHEMA, glob=False, cast_options=OLDER, extra_columns="ignore"
        )
        if not sort:
            return scan
        # A stimulus that could not be read may have been shown again since.
        read_first = scan.sort(pl.col("error").is_not_null(), maintain_order=True)
        return read_first.unique(KEY, keep="first", maintain_order=True).sort(KEY)

    def _collect(self, lazy: pl.LazyFrame) -> pl.DataFrame:
        try:
            return lazy.collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            # polars does not say which file: read them one by one.
            for path in self._parts():
                try:
                    pl.scan_parquet(
                        path, schema=SCHEMA, glob=False, cast_options=OLDER, extra_columns="ignore"
                    ).collect()
                except (pl.exceptions.PolarsError, OSError):
                    raise _damaged(path) from error
            raise


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if inner := sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}")):
            raise SynthesightError(
                f"{folder} is not a run but holds runs: name them, as {folder / inner[0]}."
            ) from None
        raise SynthesightError(
            f"{folder} is not a run (its {MANIFEST} cannot be read): give a folder that "
            "`synthesight evaluate` wrote."
        ) from error


def _first_difference(
    was: dict[str, Any], now: dict[str, Any], ignore: Iterable[str], prefix: str = ""
) -> tuple[str, Any, Any] | None:
    for key in {**now, **was}:
        name = f"{prefix}{key}"
        if name in ignore:
            continue
        old, new = was.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if found := _first_difference(old, new, ignore, f"{name}."):
                return found
        elif old != new:
            return name, old, new
    return None


def _foreign(path: Path) -> bool:
    return path.suffix != files.UNFINISHED


def _damaged(path: Path) -> SynthesightError:
    return SynthesightError(
        f"{path} is damaged: delete it and run the same command again, which makes its trials anew."
    )
