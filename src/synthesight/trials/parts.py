"""Keep tables as parts: Parquet files that are written once, whole, and named by their SHA-256."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.panics import no_panic

PART = re.compile(r"part-.*\.parquet", re.DOTALL)
SEALED = re.compile(r"part-(\d+)-([0-9a-f]{64})\.parquet")
NOTE = "synthesight"  # the entry of a part's Parquet metadata that holds the run's record
SMALL = 2**20  # bytes; smaller parts are joined
MANY = 64  # where there are so many of them
AGAIN = 8  # how often a folder is listed anew while parts are joined in it

T = TypeVar("T")


class DamagedPart(SynthesightError):
    """Say in one sentence which part is damaged.

    Attributes
    ----------
    path
        The part.
    """

    def __init__(self, path: Path, why: str, run: Path) -> None:
        self.path, self.why = path, why
        super().__init__(
            f"{path} is damaged ({why}): run `synthesight check {run}`, which sets it aside, and "
            "then the command that wrote it, which makes its trials anew."
        )


class Parts:
    """Hold a table of a run, in parts, in a folder ``inside`` that of the run.

    A part never changes. Its name tells its SHA-256, which is checked whenever it is read; parts of
    format 1 have random names and are checked only by being read. Small parts are joined from time
    to time: the joined one is written before they are removed, so that a reader may find a row
    twice, and never misses one.

    Every table has the columns of ``schema``; others are kept where parts have them. Without those
    that are ``needed``, a file is no such table.
    """

    def __init__(
        self,
        run: Path,
        schema: Mapping[str, pl.DataType],
        needed: Sequence[str],
        inside: str = "",
    ) -> None:
        self.run, self.folder = run, run / inside
        self.schema, self.needed = schema, needed
        self._number: int | None = None

    def paths(self) -> list[Path]:
        """Return the parts, in the order in which they were begun."""
        # While another process joins parts, one listing can miss both them and the joined one.
        listed = self._listing()
        while (again := self._listing()) != listed:
            listed = again
        return [self.folder / name for name in listed]

    def append(self, frame: pl.DataFrame, note: str = "") -> Path:
        """Write a part that carries a note; OSError if it cannot be written."""
        if self._number is None:
            self._number = len(self._listing())
        path = self._write(frame, note, self._number)
        self._number += 1
        return path

    def _write(self, frame: pl.DataFrame, note: str, number: int) -> Path:
        buffer = io.BytesIO()
        frame.write_parquet(buffer, metadata={NOTE: note})
        content = buffer.getvalue()
        # The number only keeps a listing in order.
        name = f"part-{number:05d}-{hashlib.sha256(content).hexdigest()}.parquet"
        files.write(self.folder / name, content)
        return self.folder / name

    def read(self, use: Callable[[pl.LazyFrame], T], damaged: list[DamagedPart] | None = None) -> T:
        """Return what a function makes of :meth:`scan`, again where parts were joined meanwhile."""
        for attempt in range(AGAIN):
            try:
                if damaged is not None:
                    damaged.clear()
                return use(self.scan(damaged))
            except FileNotFoundError:
                if attempt == AGAIN - 1:
                    raise
        raise AssertionError  # not reached

    def scan(self, damaged: list[DamagedPart] | None = None) -> pl.LazyFrame:
        """Return the table, to be read when collected; its parts are checked now.

        Damaged parts are left out and added to the list ``damaged``; without one, they raise
        DamagedPart.
        """
        alike: dict[tuple[tuple[str, pl.DataType], ...], list[Path]] = {}
        for path in self.paths():
            try:
                alike.setdefault(tuple(self.check(path).items()), []).append(path)
            except DamagedPart as part:
                if damaged is None:
                    raise
                damaged.append(part)
        scans = [self._conformed(dict(schema), paths) for schema, paths in alike.items()]
        return pl.concat([pl.LazyFrame(schema=self.schema), *scans], how="diagonal_relaxed")

    def check(self, path: Path) -> dict[str, pl.DataType]:
        """Return the columns of a whole part; else raise DamagedPart, or FileNotFoundError."""
        try:
            content = path.read_bytes()
            if not (named := SEALED.fullmatch(path.name)):
                with no_panic():
                    schema = dict(pl.read_parquet(content).schema)
            elif hashlib.sha256(content).hexdigest() == named[2]:
                schema = dict(pl.read_parquet_schema(content))
            else:
                raise DamagedPart(path, "its content is not what was written", self.run)
        except FileNotFoundError:
            raise
        except (pl.exceptions.PolarsError, OSError) as error:
            why = getattr(error, "strerror", None) or "it is no whole Parquet file"
            raise DamagedPart(path, why, self.run) from None
        for column in self.needed:
            if column not in schema:
                raise DamagedPart(path, f"it lacks the column {column!r}", self.run)
        for column, kind in self.schema.items():
            found = schema.get(column, kind)
            if not _fits(found, kind):
                raise DamagedPart(path, f"its column {column!r} is of another kind", self.run)
        return schema

    def rows(self, path: Path) -> int:
        """Return how many rows a part has; polars' or the system's error if it cannot be read."""
        part = pl.scan_parquet(files.scannable(path), glob=False)
        return int(part.select(pl.len()).collect().item())

    def note(self, path: Path) -> str:
        """Return the text that a part carries; empty for one of format 1."""
        with no_panic():
            return pl.read_parquet_metadata(path.read_bytes()).get(NOTE, "")

    def join(self, once: Callable[[pl.LazyFrame], pl.LazyFrame]) -> None:
        """Join small parts where there are many; what is damaged is left alone.

        Parameters
        ----------
        once
            What leaves of each row the one that counts.
        """
        try:
            small = [path for path in self.paths() if path.stat().st_size < SMALL]
            small = [path for path in small if SEALED.fullmatch(path.name)]
            if len(small) < MANY:
                return
            scans = [self._conformed(self.check(path), [path]) for path in small]
            frame = once(pl.concat(scans, how="diagonal_relaxed")).collect()
            number = int(SEALED.fullmatch(small[0].name)[1])  # type: ignore[index]
            begun = min(path.stat().st_mtime for path in small)
            joined = self._write(frame, self.note(small[-1]), number)
            if not files.is_remote(joined):
                os.utime(joined, (begun, begun))  # when its trials were made, not when it was
            for path in small:
                if path != joined:
                    path.unlink(missing_ok=True)
        except (OSError, DamagedPart):
            return  # Nothing is lost: another process was faster, the disk is full, or a part bad.

    def _conformed(self, schema: dict[str, pl.DataType], paths: list[Path]) -> pl.LazyFrame:
        """Return parts with one schema, their known columns in the known types."""
        # A bracket in a path is no wildcard.
        return pl.scan_parquet([files.scannable(path) for path in paths], glob=False).with_columns(
            pl.col(column).cast(kind)
            for column, kind in self.schema.items()
            if schema.get(column, kind) != kind
        )

    def _listing(self) -> list[str]:
        try:
            # Not glob: it hides that a folder cannot be read.
            names = [path.name for path in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in names if PART.fullmatch(name))


def _fits(found: pl.DataType, kind: pl.DataType) -> bool:
    """Tell whether values of one type can be read as another: numbers as numbers, in lists too."""
    if isinstance(found, pl.List | pl.Array) and isinstance(kind, pl.List):
        return _fits(found.inner, kind.inner)  # type: ignore[arg-type]
    words = isinstance(found, pl.Categorical | pl.Enum) and isinstance(kind, pl.String)
    return found in (kind, pl.Null) or words or (found.is_numeric() and kind.is_numeric())
