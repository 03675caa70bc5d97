"""What to cite for runs: the methods, models, data and libraries that they used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from synthesight import __version__
from synthesight.analysis import BENCHMARK_METRICS, metrics
from synthesight.errors import SynthesightError
from synthesight.observers.registry import entries
from synthesight.references import Reference, reference
from synthesight.report.sources import gather
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.datasets.local import download_root
from synthesight.trials.obtain import HUMAN, published_people
from synthesight.trials.store import Run

ALWAYS = ("synthesight", "jaini2024intriguing")
# Zero-shot classification by likelihood.
GENERATIVE = ("clark2023text", "li2023your")
RULES: Mapping[str, Sequence[str]] = {
    "sequential": ("wang2023anytime", "lai1976confidence", "smyth2004linear"),
    "staged": ("li2023your",),
    "repeated-t": ("clark2023text",),
}
WEIGHTINGS: Mapping[str, Sequence[str]] = {
    "jaini": ("clark2023text", "jaini2024intriguing"),
    "epsilon": ("li2023your", "ho2020denoising"),
    "elbo": ("kingma2021variational",),
}
# Of what a network is shown.
NOISES: Mapping[str, Sequence[str]] = {
    "diffusion-noise": ("jaini2024intriguing", "gavrikov2024can"),
    "gaussian-noise": ("rusak2020simple",),
}
# Of trials along a dial: hybrid images, and psychometric functions.
DIALS = ("oliva2006hybrid", "wichmann2001psychometric")
LIBRARIES: Mapping[str, str] = {
    "torch": "paszke2019pytorch",
    "diffusers": "vonplaten2022diffusers",
    "transformers": "wolf2020transformers",
    "numpy": "harris2020array",
    "pillow": "clark2015pillow",
    "timm": "wightman2019timm",
    "torchvision": "torchvision2016",
    "open-clip-torch": "ilharco2021openclip",
}


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
    parts: dict[str, list[Reference]] = {
        "Synthesight": [reference(key) for key in ALWAYS],
        "Methods": [each for run in opened for each in _methods(run)],
        "Models": [each for run in opened for each in _models(run)],
        "Data": [each for run in opened for each in _data(run)],
        "People": [each for run in opened for each in _people(run)],
        "Metrics": list(_metrics(opened)) if opened else [],
        "Libraries": [each for run in opened for each in _libraries(run)],
    }
    cited: set[str] = set()
    texts = []
    for title, found in parts.items():
        new = {each.key: each for each in found if each.key not in cited}
        cited.update(new)
        if new:
            entries_of = "\n\n".join(_with_version(each) for each in new.values())
            texts.append(f"% {title}\n{entries_of}\n")
    return "\n".join(texts)


def _with_version(work: Reference) -> str:
    """Return an entry; Synthesight's own with the version at hand."""
    if work.key != "synthesight":
        return work.bibtex
    return work.bibtex.removesuffix("}") + f"  version = {{{__version__}}},\n}}"


def _methods(run: Run) -> Iterator[Reference]:
    observer = run.manifest.get("observer", {})
    noise = str(observer.get("noise", "")).partition(":")[0]
    yield from map(reference, NOISES.get(noise, ()))
    if observer.get("kind") != "generative":
        return
    rule, weighting = observer.get("rule") or {}, observer.get("weighting")
    keys = [*GENERATIVE, *RULES.get(rule.get("name", ""), ())]
    if isinstance(weighting, str):
        keys += WEIGHTINGS.get(weighting, ())
    yield from map(reference, keys)


def _models(run: Run) -> Iterable[Reference]:
    name = str(run.manifest.get("observer", {}).get("model", ""))
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


def _data(run: Run) -> Iterator[Reference]:
    known = datasets()
    for name in run.datasets():
        if name in known:
            yield from known[name].papers


def _people(run: Run) -> Iterator[Reference]:
    """Yield what to cite for the published trials of people that are here."""
    for name, people in published_people().items():
        if name in run.manifest.get("datasets", ()) and (download_root() / HUMAN / name).is_dir():
            yield from people.papers


def _metrics(runs: Sequence[Run]) -> Iterator[Reference]:
    """Yield the papers of the metrics that the trials of runs allow."""
    folders = list(dict.fromkeys(run.folder.resolve() for run in runs))
    trials = gather(folders).filter(pl.col("error").is_null())
    with_people = _is_defined("error_consistency", trials)
    if "dial" in trials.columns:
        yield from map(reference, DIALS)
    for name, metric in metrics().items():
        if with_people if name in BENCHMARK_METRICS else _is_defined(name, trials):
            yield from metric.papers


def _is_defined(name: str, trials: pl.DataFrame) -> bool:
    """Return whether a metric has a value for any observer."""
    try:
        table = metrics()[name].function(trials, resamples=0)
    except SynthesightError:
        return False  # such as without people to compare with
    return table["estimate"].null_count() < len(table)


def _libraries(run: Run) -> Iterator[Reference]:
    for library in run.manifest.get("versions", {}):
        if library in LIBRARIES:
            yield reference(LIBRARIES[library])
