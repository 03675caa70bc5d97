"""What a run is cited with: what it used, and nothing else."""

from __future__ import annotations

import re

import polars as pl
import pytest

import synthesight
from synthesight.analysis import metrics
from synthesight.citation import cite
from synthesight.errors import SynthesightError
from synthesight.observers.registry import entries
from synthesight.probes.registry import probes
from synthesight.references import reference, references
from synthesight.report.works import (
    DIALS,
    GENERATIVE,
    INTERVALS,
    LIBRARIES,
    NOISES,
    RANKS,
    RULES,
    TESTS,
    WEIGHTINGS,
)
from synthesight.showing import LIBRARIES as RECORDED
from synthesight.stimuli.datasets import datasets
from synthesight.trials import published_people
from synthesight.trials.schema import conform
from synthesight.trials.store import Run


def keys(bibtex: str) -> list[str]:
    return re.findall(r"^@\w+\{([^,]+),$", bibtex, re.MULTILINE)


def run(folder, observer, names=("edge", "cue-conflict"), versions=("torch", "numpy")) -> Run:
    made = Run.create(
        folder, {"observer": observer, "datasets": names, "versions": dict.fromkeys(versions, "1")}
    )
    rows = [
        {"observer": observer["model"], "kind": observer["kind"], "dataset": name,
         "stimulus": f"{name}/{n}.png", "category": shape,
         "texture": texture if name == "cue-conflict" else None, "response": shape}
        for name in names
        for n, (shape, texture) in enumerate([("cat", "dog"), ("dog", "cat")])
    ]  # fmt: skip
    made.append(conform(pl.DataFrame(rows)))
    return made


GENERATIVE_MODEL = {
    "model": "stable-diffusion-1.5", "kind": "generative", "weighting": "elbo",
    "rule": {"name": "staged", "max_draws": 100},
}  # fmt: skip


def test_without_a_run_it_is_synthesight_and_the_paper_of_its_method():
    assert keys(cite()) == ["synthesight", "jaini2024intriguing"]
    assert f"version = {{{synthesight.__version__}}}" in cite()
    assert synthesight.cite() == cite()


def test_a_run_is_cited_with_what_it_used(tmp_path, monkeypatch):
    monkeypatch.delenv("SYNTHESIGHT_DATA", raising=False)
    made = run(tmp_path / "run", GENERATIVE_MODEL)
    cited = keys(cite(made))
    assert cited == keys(cite(tmp_path / "run"))
    assert len(cited) == len(set(cited))
    assert set(cited) == {
        "synthesight", "jaini2024intriguing",
        "clark2023text", "li2023your", "kingma2021variational",
        "rombach2022high",
        "geirhos2019imagenet", "geirhos2021partial",  # both datasets
        "hermann2020origins",  # shape and texture match
        "geirhos2018generalisation",  # accuracy and response entropy
        "cameron2011robust", "korn1998confidence",  # intervals
        "paszke2019pytorch", "harris2020array",
    }  # fmt: skip


def test_several_runs_are_cited_together_and_each_entry_once(tmp_path, monkeypatch):
    monkeypatch.delenv("SYNTHESIGHT_DATA", raising=False)
    one = run(tmp_path / "one", GENERATIVE_MODEL, ["edge"])
    network = {"model": "transformers:owner/some-network@v1", "kind": "discriminative"}
    two = run(tmp_path / "two", network, ["mine"], ["timm"])
    cited = keys(cite(one, two))
    assert len(cited) == len(set(cited))
    assert {"rombach2022high", "owner-some-network", "wightman2019timm"} <= set(cited)
    alone = keys(cite(two))
    assert not {"clark2023text", "geirhos2019imagenet", "klein2025quantifying"} & set(alone)
    assert "https://huggingface.co/owner/some-network" in cite(two)
    with pytest.raises(SynthesightError, match="is not a run"):
        cite(tmp_path)


def test_people_are_cited_where_they_are_compared_with(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    made = run(tmp_path / "run", GENERATIVE_MODEL, ["edge"])
    assert "modelvshuman2021data" not in keys(cite(made))
    (tmp_path / "data/human-trials/edge").mkdir(parents=True)
    (tmp_path / "data/human-trials/edge/edge_subject-01_session_1.csv").write_text(
        "subj,session,trial,rt,object_response,category,condition,imagename\n"
        "subject-01,1,1,0.5,cat,cat,0,0.png\n"
    )
    cited = keys(cite(made))
    assert "modelvshuman2021data" in cited
    assert "generalisation2018data" not in cited  # not of edge


# Of images that `synthesight data make` distorts: nothing in a run tells that it did.
IMAGENET_C = {"hendrycks2019benchmarking", "michaelis2019dragon"}


def test_every_key_that_is_used_is_in_the_bibliography():
    used = {key for entry in entries().values() for key in entry.papers}
    used |= {each.key for known in datasets().values() for each in known.papers}
    used |= {each.key for people in published_people().values() for each in people.papers}
    used |= {each.key for metric in metrics().values() for each in metric.papers}
    used |= {each.key for probe in probes().values() for each in probe.papers}
    used |= {
        *GENERATIVE,
        *DIALS,
        *INTERVALS,
        *RANKS,
        *TESTS,
        *LIBRARIES.values(),
        "synthesight",
        "jaini2024intriguing",
    }
    used |= {key for table in (NOISES, RULES, WEIGHTINGS) for own in table.values() for key in own}
    used |= IMAGENET_C
    assert {reference(key).key for key in used} == set(references())
    assert all(entry.papers for entry in entries().values())
    assert set(LIBRARIES) == set(RECORDED)
