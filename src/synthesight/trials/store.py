"""Keep the trials of a run in a folder, beside a record of what makes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.claims import FOLDER as PROCESSES
from synthesight.trials.draws import FOLDER as DRAWS
from synthesight.trials.draws import Draws
from synthesight.trials.parts import MANY, Parts
from synthesight.trials.planned import FOLDER, grow, planned, replaced
from synthesight.trials.record import (
    DAMAGED,
    FORMAT,
    MAY_DIFFER,
    RECORD,
    encode,
    first_difference,
    read_record,
)
from synthesight.trials.schema import KEY, REQUIRED, SCHEMA, conform

SECONDS = 2.0  # for looking whether images of earlier trials are the same
WRITTEN = r"part-\d+-\w+\.parquet|run\.json|schedule-\w+\.json"
KEEP_DRAWS = "keep_draws"  # entry of the record of a run that keeps them


class Run:
    """Hold the trials of one evaluation, which are in a folder.

    ``run.json`` says what makes them, ``planned-stimuli/`` lists what is to be shown, and
    ``part-<n>-<sha256>.parquet`` are the trials. Nothing of it ever changes, except that small
    parts are joined. A part is there whole or not at all, and checked when it is read; several
    processes may write into one run.

    A run has a length, the number of its trials; ``run[i]`` and iteration give them as mappings.

    Attributes
    ----------
    folder
        Folder of the run, on this machine or in an object store, as ``s3://bucket/run``.
    manifest
        Record of what makes the trials; None to read that of the folder.
    format
        Format of the folder: 1 (parts without digests) or 2.

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
        self.folder = files.as_path(folder)
        self.format = FORMAT
        if manifest is None:
            manifest, self.format = read_record(self.folder)
        self.manifest: dict[str, Any] = manifest
        self._parts = trial_parts(self.folder)
        self._draws = Draws(self.folder)
        self._appended = 0

    def __len__(self) -> int:
        return int(self._read(lambda trials: trials.select(pl.struct(KEY).n_unique())).item())

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
        datasets = self.datasets()
        on = f" on {', '.join(datasets)}" if any(datasets) else ""
        count = len(self)
        return f"{count} trial{'' if count == 1 else 's'} of {model}{on}"

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Open a run.

        Raises
        ------
        SynthesightError
            If the folder is no run, or its record is damaged.
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
        folder = files.as_path(folder)
        if (folder / RECORD).exists():
            raise SynthesightError(
                f"{folder} holds a run already: choose another `out`, so that nothing is lost."
            )
        if any(folder.glob("part-*.parquet")):
            read_record(folder)  # says that there are trials without their record
        if folder.is_file() or (folder.is_dir() and any(map(_foreign, folder.iterdir()))):
            raise SynthesightError(
                f"{folder} exists and is not a run: choose another `out`, so that nothing is lost."
            )
        with files.writing(folder):
            files.make_folder(folder)
            try:
                files.write(folder / RECORD, encode(manifest), replace=False)
            except FileExistsError as error:
                raise SynthesightError(
                    f"Another process has just begun a run in {folder}: choose another `out`."
                ) from error
        return cls(folder)

    @classmethod
    def create_or_resume(
        cls,
        folder: str | Path,
        manifest: dict[str, Any],
        *,
        stimuli: Sequence[Stimulus] | None = None,
        ignore: Sequence[str] = MAY_DIFFER,
    ) -> Run:
        """Make a new run, or open one that was started with the same manifest.

        Parameters
        ----------
        manifest
            Record of what makes the trials, as JSON can hold it.
        stimuli
            What is shown in all, by whatever process. The run grows by what is new in it; where it
            is a part of the run's, the run stays as it is.
        ignore
            Keys that may differ; those of an inner table as ``outer.inner``.

        Raises
        ------
        SynthesightError
            If the folder holds a run that was made otherwise, or of other stimuli (see
            :meth:`grow`), or other files.
        """
        folder = files.as_path(folder)
        run = None
        if not (folder / RECORD).exists():
            try:
                run = cls.create(folder, manifest)
            except SynthesightError:
                # Another shard may have begun the same run a moment ago.
                if not (folder / RECORD).exists():
                    raise
        if run is None:
            run = cls.open(folder)
            if different := first_difference(
                run.manifest, json.loads(json.dumps(manifest)), ignore
            ):
                raise SynthesightError(
                    f"{folder} holds a run {different}: use the same options to go on, or another "
                    "`out`."
                )
            for place in (folder, folder / FOLDER, folder / DRAWS):
                files.remove_unfinished(place, WRITTEN)
        if stimuli is not None:
            run.grow(stimuli)
        return run

    def grow(self, stimuli: Sequence[Stimulus]) -> None:
        """Take stimuli as those that are to be shown: those of the run and more, or some of them.

        Images of earlier trials are compared with what they were, as many as two seconds allow, at
        random. To read all of a million again would take longer than many models need to answer.
        Images that were all replaced show in the first; if 1 in 100 was, 300 of them find one in
        95 % of cases. :func:`~synthesight.trials.check` compares all.

        Raises
        ------
        SynthesightError
            If they are another set, or an image was replaced.
        """
        trials = self._read(lambda table: table.select("stimulus"))
        with files.writing(self.folder):
            grow(self.folder, stimuli, trials["stimulus"].unique(maintain_order=True))
        for stimulus in replaced(stimuli, self.digests(), SECONDS):
            raise SynthesightError(
                f"{stimulus} is another image than the one that {self.folder} holds a trial of: "
                "put the images of the run back, or give another `out`."
            )
        self._parts.join(once)

    def digests(self) -> dict[str, str]:
        """Return of each stimulus that was shown what its image was: its digest, if known."""
        known = pl.col("error").is_null() & pl.col("digest").is_not_null()
        trials = self._read(lambda table: table.filter(known).select("stimulus", "digest"))
        return dict(trials.iter_rows())

    def append(self, rows: Sequence[dict[str, Any]] | pl.DataFrame) -> None:
        """Add trials, as one part: when this returns, they are on the disk.

        Raises
        ------
        SynthesightError
            If the rows are no trials, or the folder cannot be written to.
        """
        if not isinstance(rows, pl.DataFrame):
            rows = pl.DataFrame(rows, schema_overrides=SCHEMA, infer_schema_length=None)
        if rows.is_empty():
            return
        frame = conform(rows, f"What was to be added to {self.folder}")
        with files.writing(self.folder):
            self._parts.append(frame, note=encode(self.manifest))
        self._appended += 1
        if self._appended % MANY == 0:
            self._parts.join(once)

    def trials(self) -> pl.DataFrame:
        """Return all trials, each once, sorted by observer, dataset, condition, session, stimulus.

        The columns are those of :data:`~synthesight.trials.SCHEMA`, and the factors of any part.

        Raises
        ------
        SynthesightError
            If a part is damaged.
        """
        return self._read(lambda trials: once(trials).sort(KEY))

    def lazy(self) -> pl.LazyFrame:
        """Return :meth:`trials` to be read when collected, and only the columns asked for.

        Raises
        ------
        SynthesightError
            If a part is damaged.
        """
        return once(self._parts.scan()).sort(KEY)

    def done(self) -> set[str]:
        """Return ids of the stimuli that have their trial; unreadable ones have none yet.

        In a run that keeps draws, a stimulus whose draws were lost is not done either.

        Raises
        ------
        SynthesightError
            If a part is damaged.
        """
        read = self._read(
            lambda trials: trials.filter(pl.col("error").is_null()).select("stimulus")
        )
        found = set(read["stimulus"])
        return found & self._draws.stimuli() if self.keeps_draws else found

    @property
    def keeps_draws(self) -> bool:
        """Whether the error of every draw is kept, as ``keep_draws`` asks for."""
        return bool(self.manifest.get(KEEP_DRAWS))

    def draws(self) -> pl.LazyFrame:
        """Return the error of every image, draw and class that was evaluated, read when collected.

        Returns
        -------
        A row for each network evaluation, those of an image one after the other.

        - ``stimulus``: its id; ``draw``: from 0; ``class``: one of the run's.
        - ``time``: the draw's, in (0, 1]; null for other models than of diffusion or flow.
        - ``label``: which label or prompt, of a class that is made of several; else null.
        - ``error``: ‖x − x̂‖² of a diffusion or flow model, whatever the weighting of the run;
          −nats of others. All classes see the same noise in one draw.

        Raises
        ------
        SynthesightError
            If none are kept, or a part is damaged.
        """
        self._check_kept()
        return self._draws.scan()

    def schedule(self) -> dict[str, Any] | None:
        """Return what the times of :meth:`draws` mean; None for a model that knows no times.

        Returns
        -------
        ``times``, ``alpha``, ``sigma``, ``timesteps``, ``continuous``, ``data_scale`` and
        ``noise_scale`` of a :class:`~synthesight.likelihood.schedule.Schedule`, and ``density``,
        of the same length as ``times``: how often each was drawn, in times of evenly often.

        Raises
        ------
        SynthesightError
            If no draws are kept, or it is damaged.
        """
        self._check_kept()
        return self._draws.schedule()

    def keep(self, draws: pl.DataFrame, schedule: dict[str, Any] | None = None) -> None:
        """Add all draws of some stimuli: when this returns, they are on the disk.

        Parameters
        ----------
        draws
            As :meth:`draws` returns them.
        schedule
            As :meth:`schedule` returns it.

        Raises
        ------
        SynthesightError
            If the folder cannot be written to.
        """
        if not draws.is_empty():
            with files.writing(self.folder):
                self._draws.append(draws, encode(self.manifest), schedule)

    def _check_kept(self) -> None:
        if not self.keeps_draws:
            raise SynthesightError(
                f"{self.folder} holds no draws: evaluate anew, with `keep_draws` and another `out`."
            )

    def stimuli(self) -> pl.DataFrame:
        """Return the stimuli that are to be shown: their ids, datasets and conditions.

        A run of format 1 tells none.

        Raises
        ------
        SynthesightError
            If the list is damaged.
        """
        return planned(self.folder)

    def datasets(self) -> list[str]:
        """Return the names of the datasets that are to be shown, or were."""
        found = self.stimuli()["dataset"].unique().to_list()
        return sorted({*found, *(self.manifest.get("datasets") or [])})

    def _read(self, use: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
        return self._parts.read(lambda trials: use(trials).collect())


def trial_parts(folder: Path) -> Parts:
    """Return the parts that hold a run's trials."""
    return Parts(folder, SCHEMA, needed=REQUIRED)


def once(trials: pl.LazyFrame) -> pl.LazyFrame:
    """Leave one trial of each stimulus; one that could not be read may have been shown again."""
    read_first = trials.sort(pl.col("error").is_not_null(), maintain_order=True)
    return read_first.unique(KEY, keep="first", maintain_order=True)


def _foreign(path: Path) -> bool:
    """Tell whether it is neither what a killed process nor what `synthesight check` leaves."""
    left = rf"(?:{WRITTEN})\.[0-9a-f]{{8}}\.tmp|{FOLDER}|{PROCESSES}|{DRAWS}|{DAMAGED}"
    return not re.fullmatch(left, path.name)
