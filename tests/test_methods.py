"""The Methods paragraph says what was done, and cites what references.bib holds."""

from __future__ import annotations

import re

import polars as pl

from builders import trial_table
from synthesight.references import bibtex, reference
from synthesight.report.methods import as_latex, as_text, methods
from synthesight.report.provenance import provenances
from synthesight.report.section import Section
from synthesight.report.sources import RUN
from synthesight.report.works import works
from synthesight.trials.schema import conform
from synthesight.trials.store import Run
from test_provenance import OBSERVER, RECORD

SECTIONS = [
    Section("accuracy", "Accuracy", "", metrics=["accuracy"],
            tables={"accuracy": pl.DataFrame({"population": ["new-stimuli"]})}),
    Section("other", "Other", ""),
]  # fmt: skip


def papers(record):
    return [reference("rombach2022high")]


def trials(tmp_path) -> pl.DataFrame:
    network = {"model": "net", "kind": "discriminative"}
    for name, observer in (("m_1", OBSERVER), ("net", network)):
        Run.create(tmp_path / name, RECORD | {"observer": observer})
    shown = {"dataset": "contrast", "condition": ["c10", "c50"]}
    rows = [
        trial_table(["cat", "dog"], name, kind=kind, **shown, **{RUN: run, **more})
        for name, kind, run, more in (
            ("m_1", "generative", str(tmp_path / "m_1"), {"evaluations": 40.0, "seed": 3}),
            ("net", "discriminative", str(tmp_path / "net"), {}),
            ("from a table", None, None, {}),
            ("subject-01", "human", None, {}),
            ("subject-02", "human", None, {}),
        )
    ]
    return pl.concat([conform(each) for each in rows], how="diagonal_relaxed")


def test_it_says_what_was_done(tmp_path):
    table = trials(tmp_path)
    text = as_text(
        methods(table, provenances(table), SECTIONS, resamples=2000, people=["contrast"],
                papers=papers)
    )  # fmt: skip
    for part in (
        "m_1 (Rombach et al., 2022) was a generative classifier (Clark & Jaini, 2023; ",
        "The prompts were “A photo of a {class}” and “{class}”.",
        "Evidence was weighted by elbo (Kingma et al., 2021).",
        "The decision rule was sequential (δ = 0.02, min draws = 6, at most 40 draws) (",
        "with seed 3. An image took 40 network evaluations on average.",
        "net (Rombach et al., 2022) was shown the same way, and answered with the most probable",
        "The choice was among 2 categories: cat and dog.",
        "The responses of from a table were given as a table, which does not record",
        "Stimuli were 2 images of contrast in 2 conditions (c50, c10) (Geirhos et al., 2018",
        "They were compared with people, 2 for each of 1 dataset (",
        "We report accuracy (Geirhos et al., 2018).",
        "from 2,000 resamples of the bootstrap. They are for new stimuli like these",
        "torch 2.9",
    ):
        assert part in text, (part, text)


def test_every_work_that_it_cites_is_in_the_bibliography(tmp_path):
    table = trials(tmp_path)
    made = provenances(table)
    text = as_latex(
        methods(table, made, SECTIONS, resamples=2000, people=["contrast"], papers=papers)
    )
    cited = {key for keys in re.findall(r"\\citep\{(.*?)\}", text) for key in keys.split(",")}
    records = [each.record for each in made if each.record]
    listed = bibtex(
        works(records, datasets=["contrast"], people=["contrast"], metrics=["accuracy"],
              papers=papers)
    )  # fmt: skip
    assert len(cited) > 10
    assert cited <= set(re.findall(r"^@\w+\{(.*),$", listed, re.MULTILINE))
    assert r"m\_1~\citep{rombach2022high}" in text


def test_people_alone_are_told_without_models(tmp_path):
    table = trials(tmp_path).filter(kind="human")
    text = as_text(methods(table, provenances(table), [], resamples=20))
    assert text.startswith("Stimuli were 2 images of contrast")
    assert "Intervals" not in text
