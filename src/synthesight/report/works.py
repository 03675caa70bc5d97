"""What to cite for a report: the methods, models, data and libraries behind its trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from synthesight.analysis import BENCHMARK_METRICS
from synthesight.analysis import metrics as all_metrics
from synthesight.references import Reference, reference
from synthesight.stimuli.datasets import datasets as known_datasets
from synthesight.trials.obtain import published_people

Record = Mapping[str, Any]
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
# Of every interval, and of ranks.
INTERVALS = ("cameron2011robust", "korn1998confidence")
RANKS = ("mogstad2024inference",)
# Of tests of differences.
TESTS = ("agresti2005simple", "holm1979simple")
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


def works(
    records: Sequence[Record] = (),
    *,
    datasets: Iterable[str] = (),
    people: Iterable[str] = (),
    metrics: Iterable[str] = (),
    dial: bool = False,
    tests: bool = False,
    papers: Callable[[Record], Iterable[Reference]] = lambda record: (),
) -> dict[str, list[Reference]]:
    """Return what to cite, by part.

    Parameters
    ----------
    records
        What runs record of themselves.
    datasets, people, metrics
        Names of the datasets shown, of those whose published human trials are compared, and of the
        metrics reported.
    dial
        Whether stimuli lie along a dial.
    tests
        Whether observers are compared by paired tests.
    papers
        Returns the works of the model that a record names.
    """
    shown, measured, metrics = known_datasets(), all_metrics(), list(metrics)
    estimates = [
        *(INTERVALS if metrics else ()),
        *(RANKS if set(metrics) & set(BENCHMARK_METRICS) else ()),
        *(TESTS if tests else ()),
    ]
    found: dict[str, Iterable[Reference]] = {
        "Synthesight": map(reference, ALWAYS),
        "Methods": (each for record in records for each in methods_of(record)),
        "Models": (each for record in records for each in papers(record)),
        "Data": (each for name in datasets if name in shown for each in shown[name].papers),
        "People": (each for name in people for each in published_people()[name].papers),
        "Metrics": [
            *(map(reference, DIALS) if dial else ()),
            *(each for name in metrics for each in measured[name].papers),
            *map(reference, estimates),
        ],
        "Libraries": (
            reference(LIBRARIES[name])
            for record in records
            for name in record.get("versions") or {}
            if name in LIBRARIES
        ),
    }
    return {part: list(each) for part, each in found.items()}


def methods_of(record: Record) -> list[Reference]:
    """Return the works of how the observer of a run answered."""
    observer = record.get("observer") or {}
    keys = [*NOISES.get(str(observer.get("noise", "")).partition(":")[0], ())]
    if observer.get("kind") == "generative":
        rule, weighting = observer.get("rule") or {}, observer.get("weighting")
        keys += [*GENERATIVE, *RULES.get(rule.get("name", ""), ())]
        if isinstance(weighting, str):
            keys += WEIGHTINGS.get(weighting, ())
    return [*map(reference, keys)]
