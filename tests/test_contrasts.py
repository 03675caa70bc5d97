"""Paired tests in the report: which models, which measures, corrected for their number."""

from __future__ import annotations

import numpy as np
import polars as pl

from builders import trial_table
from synthesight.analysis import comparisons, with_people
from synthesight.report.differences import MODELS, contrasts_section
from synthesight.trials.schema import conform


def trials(**shares: float) -> pl.DataFrame:
    """Trials of models, right on a share of 60 images, and of two people."""
    rng = np.random.default_rng(0)
    who = [(name, "discriminative", share) for name, share in shares.items()]
    who += [("subject-01", "human", 0.9), ("subject-02", "human", 0.85)]
    return pl.concat(
        conform(trial_table(list(rng.random(60) < share), name, "edge", kind=kind))
        for name, kind, share in who
    )


def test_every_two_models_are_compared_and_corrected():
    table = trials(weak=0.3, strong=0.9, middling=0.6)
    section = contrasts_section(with_people(table), 50)
    shown = section.tables["contrasts"]
    assert shown["measure"].value_counts(sort=True, name="n").rows() in (
        [("accuracy", 3), ("error_consistency", 3)],
        [("error_consistency", 3), ("accuracy", 3)],
    )
    assert (shown["p_holm"] >= shown["p"]).all()
    expected = comparisons(
        table, ["middling", "strong", "weak"], measures=["accuracy", "error_consistency"]
    )
    assert shown["p_holm"].to_list() == expected["p_holm"].to_list()
    assert "Some of 6 tests may find a difference by chance" in section.text


def test_one_model_or_people_alone_are_not_compared():
    assert contrasts_section(with_people(trials(alone=0.5)), 50) is None
    assert contrasts_section(with_people(trials()), 50) is None


def test_trials_without_a_category_take_no_comparison_from_others():
    table = trials(weak=0.3, strong=0.9, dialled=0.5)
    category = pl.when(pl.col("observer") != "dialled").then("category")
    section = contrasts_section(with_people(table.with_columns(category=category)), 50)
    assert set(section.tables["contrasts"]["first"]) == {"strong"}


def test_of_many_models_the_first_are_compared():
    many = {f"m{n:02}": 0.5 for n in range(MODELS + 2)}
    section = contrasts_section(with_people(trials(**many).filter(kind="discriminative")), 50)
    assert len(section.tables["contrasts"]) == MODELS * (MODELS - 1) / 2
    assert f"Of {MODELS + 2} models, the first {MODELS} are compared." in section.text


def test_models_of_runs_are_compared_before_published_ones():
    published = trials(**{f"m{n:02}": 0.5 for n in range(MODELS)}).with_columns(_run=pl.lit(None))
    own = trials(own=0.9).filter(observer="own").with_columns(_run=pl.lit("runs/own"))
    table = pl.concat([published, own], how="vertical_relaxed")
    first = contrasts_section(with_people(table), 50).tables["contrasts"]["first"]
    assert first.value_counts().filter(first="own")["count"].to_list() == [2 * (MODELS - 1)]
