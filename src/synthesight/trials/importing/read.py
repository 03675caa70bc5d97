"""Import the trials of any program, and say what was understood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from synthesight.errors import SynthesightError, suggestion
from synthesight.stimuli.categories import SIXTEEN
from synthesight.trials.importing import meaning, pairing
from synthesight.trials.importing.columns import given_columns
from synthesight.trials.importing.formats import FORMATS
from synthesight.trials.importing.gathering import Gathered, gather, table_files
from synthesight.trials.importing.values import Answers
from synthesight.trials.schema import KINDS, conform, factors

_NAMES = 8
_PLAIN = {"comma-separated, UTF-8", "comma-separated, UTF-8 with BOM"}


@dataclass(frozen=True, eq=False)
class Imported:
    """Trials that were imported, and how their files were understood.

    Attributes
    ----------
    trials
        The trial table.
    facts
        What was understood, by what it is about: files, observers, conditions, …
    notes
        Sentences on what the user should know: what was left out, and what is no category.
    published
        Whether the files are as published: in the toolbox's layout, comma-separated, in UTF-8.
    """

    trials: pl.DataFrame
    facts: dict[str, str]
    notes: list[str]
    published: bool

    @property
    def summary(self) -> str:
        """One sentence on what was understood."""
        told = ("format", "files", "left out", "columns", "observers", "no response")
        facts = "; ".join(f"{name}: {self.facts[name]}" for name in told if name in self.facts)
        return f"Read as {facts.removeprefix('format: ')}."


def import_trials(
    source: str | Path | Sequence[str | Path],
    dataset: str | None = None,
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    keys: Mapping[str, str] | None = None,
    kind: str | Mapping[str, str] | None = None,
    stimuli: Any = None,
    categories: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Imported:
    """Return the trials of exports of lab software, spreadsheets or the model-vs-human toolbox.

    Separator, encoding, decimal mark and format are found out, and so is what each column holds.
    Nothing is left out without a note.

    Parameters
    ----------
    source
        File or folder, or several: CSV in any usual dialect, or JSON.
    dataset
        Name of the dataset. None: what the files tell, else the folder's name.
    format
        ``"psychopy"``, ``"jspsych"``, ``"toolbox"`` or ``"table"``; None to find it out.
    columns
        Which column of the files holds what, where it is not found out:
        ``{"subj": "participant", "object_response": "key_resp.keys"}``. An empty name leaves a
        column to the factors.
    keys
        Category of each key or button: ``{"f": "face", "j": "house"}``.
    kind
        Kind of all observers, or of each by name: human, generative or discriminative. None: what
        their names or the program tell.
    stimuli
        What was shown, as :func:`synthesight.find_stimuli` takes it: gives images, categories,
        conditions and factors to trials.
    categories
        What categories and responses there may be, as they are to be spelled. None: those of a
        named dataset, any in others.
    kinds
        Kinds of observers that are known by name, in lower case.

    Raises
    ------
    SynthesightError
        If a file cannot be read or lacks a column, a value cannot be, or most responses are no
        category; the sentence names file, line and the way out.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "P01.csv")
    ...     _ = path.write_text("participant;image;key;rt\\nP01;cat/1.png;f;0,5\\n")
    ...     found = import_trials(path, "pets", keys={"f": "cat", "j": "dog"}, kind="human")
    >>> found.trials.select("observer", "category", "response", "rt").row(0)
    ('P01', 'cat', 'cat', 0.5)
    >>> found.facts["files"]
    '1 file: semicolon-separated, UTF-8, decimal comma'
    """
    if format is not None and format not in FORMATS:
        raise SynthesightError(f"There is no `format={format!r}`: {suggestion(format, FORMATS)}.")
    shown = None
    if stimuli is not None:
        from synthesight.stimuli.find import find_stimuli

        shown = find_stimuli(stimuli)
        names = {each.dataset for each in shown}
        if dataset is None and len(names) == 1:
            dataset = names.pop()
    sources = [source] if isinstance(source, str | Path) else list(source)
    found = [table_files(Path(each)) for each in sources]
    files = [file for tables, _ in found for file in tables]
    passed_over = [file for _, others in found for file in others]
    answers = Answers(keys or {}, [*SIXTEEN, *(categories or ())])
    gathered = gather(files, format, given_columns(columns or {}), answers)
    meaning.name_stimuli(gathered)
    dataset_told = meaning.name_datasets(gathered, dataset)
    by_file = meaning.name_observers(gathered)
    meaning.tell_kinds(gathered, kind, kinds or {})
    notes = pairing.pair_with_stimuli(gathered, shown) if shown else []
    meaning.count_trials(gathered)
    meaning.spell_conditions(gathered)
    notes += meaning.spell_categories(gathered, answers, categories)
    notes += pairing.drop_duplicates(gathered)
    pairing.number_trials(gathered)
    trials = conform(gathered.frame.select(pl.exclude("^\0.*$")), str(sources[0]))
    if passed_over:
        listed = _listed([file.name for file in passed_over])
        are = _counted(len(passed_over), "file is", "files are")
        notes.append(f"{are} no table and passed over: {listed}.")
    published = set(gathered.formats) == {"toolbox"} and not gathered.commas
    published = published and not gathered.left_out and {str(s) for s in gathered.sheets} <= _PLAIN
    facts = _facts(gathered, trials, format is None, by_file, dataset_told)
    return Imported(trials, facts, notes, published)


def _facts(
    gathered: Gathered, trials: pl.DataFrame, told: bool, by_file: bool, dataset_told: str
) -> dict[str, str]:
    """Return what was understood."""
    comma = ", decimal comma" if gathered.commas else ""
    dialects = Counter(map(str, gathered.sheets)).most_common()
    formats = [FORMATS[name].title for name in dict.fromkeys(gathered.formats)]
    facts = {
        "files": "; ".join(
            f"{_counted(count, 'file', 'files')}: {dialect}{comma}" for dialect, count in dialects
        ),
        "format": ", ".join(formats) + (" (found out)" if told and formats != ["a table"] else ""),
    }
    if gathered.columns:
        facts["columns"] = ", ".join(
            f"{role} = {column}" for role, column in gathered.columns.items()
        )
    if left_out := [f"{count} {what}" for what, count in gathered.left_out.items() if count]:
        facts["left out"] = ", ".join(left_out)
    facts["trials"] = f"{len(trials):,}"
    facts["observers"] = _observers(trials) + (", by the files' names" if by_file else "")
    datasets = trials["dataset"].unique(maintain_order=True).to_list()
    facts["dataset" if len(datasets) == 1 else "datasets"] = f"{_listed(datasets)} ({dataset_told})"
    for column in ("condition", "session", "category"):
        values = trials[column].drop_nulls().unique().sort().cast(pl.String).to_list()
        name = {"category": "categories"}.get(column, f"{column}s")
        facts[name] = f"{len(values)}: {_listed(values)}"
    facts["images"] = f"{trials['image'].n_unique():,}" + pairing.unshared(trials)
    missing = trials["response"].null_count()
    facts["no response"] = f"{missing} of {len(trials)} trials"
    if kept := factors(trials):
        facts["factors"] = ", ".join(kept)
    if gathered.unused:
        facts["columns left out"] = ", ".join(gathered.unused)
    return facts


def _observers(trials: pl.DataFrame) -> str:
    parts = []
    for kind in (*KINDS, None):
        names = trials.filter(pl.col("kind").eq_missing(pl.lit(kind)))["observer"].unique().sort()
        if len(names):
            called = kind or "of a kind that is not known"
            parts.append(f"{len(names)} {called} ({_listed(names.to_list())})")
    return ", ".join(parts)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMES]) + (", …" if len(names) > _NAMES else "")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
