"""What to cite for runs: the methods, models, data and libraries that they used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from synthesight.analysis import BENCHMARK_METRICS, metrics
from synthesight.errors import SynthesightError
from synthesight.observers.registry import entries
from synthesight.references import Reference, bibtex, reference
from synthesight.report.sources import gather
from synthesight.report.works import works
from synthesight.stimuli.datasets.local import download_root
from synthesight.trials.obtain import HUMAN, published_people
from synthesight.trials.store import Run


def cite(*runs: Run | str | Path) -> str:
    """Return BibTeX of exactly the methods, models, data and libraries that runs used.

    The metrics are those that ``synthesight report`` shows of the runs, with the human observers
    of the data folder where they are.

    Parameters
    ----------
    runs
        Runs, or their folders. Without any: Synthesight, and the paper whose method it is.

    Returns
    -------
    BibTeX, each entry once, in parts that begin with a comment.

    Raises
    ------
    SynthesightError
        If a folder is no run.

    Examples
    --------
    >>> print(cite().splitlines()[1])
    @software{synthesight,
    """
    opened = [run if isinstance(run, Run) else Run.open(Path(run)) for run in runs]
    if not opened:
        return bibtex(works())
    named = {name for run in opened for name in run.manifest.get("datasets", ())}
    people = [
        name
        for name in published_people()
        if name in named and (download_root() / HUMAN / name).is_dir()
    ]
    trials = gather(list(dict.fromkeys(run.folder.resolve() for run in opened)))
    trials = trials.filter(pl.col("error").is_null())
    return bibtex(
        works(
            [run.manifest for run in opened],
            datasets=[name for run in opened for name in run.datasets()],
            people=people,
            metrics=_defined(trials),
            dial="dial" in trials.columns,
            papers=papers,
        )
    )


def papers(record: Mapping[str, Any]) -> Iterable[Reference]:
    """Return what to cite for the model that a run's record names."""
    name = str((record.get("observer") or {}).get("model", ""))
    name = name.removeprefix("transformers:").partition("@")[0]
    if (entry := entries().get(name)) and entry.papers:
        return map(reference, entry.papers)
    # A model of the Hub is cited by its address.
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not Path(name).exists():
        owner = name.partition("/")[0]
        return [
            reference(
                f"@misc{{{re.sub('[^a-z0-9]+', '-', name.lower())},\n"
                f"  title = {{{{{name}}}}},\n  author = {{{{{owner}}}}},\n"
                f"  howpublished = {{\\url{{https://huggingface.co/{name}}}}},\n}}"
            )
        ]
    return []


def _defined(trials: pl.DataFrame) -> list[str]:
    """Return the names of the metrics that trials allow."""
    with_people = _is_defined("error_consistency", trials)
    return [
        name
        for name in metrics()
        if (with_people if name in BENCHMARK_METRICS else _is_defined(name, trials))
    ]


def _is_defined(name: str, trials: pl.DataFrame) -> bool:
    """Return whether a metric has a value for any observer."""
    try:
        table = metrics()[name].function(trials, resamples=0)
    except SynthesightError:
        return False  # such as without people to compare with
    return table["estimate"].null_count() < len(table)
