"""Shape bias: the definition, and the published figures from the published trials."""

from __future__ import annotations

import polars as pl
import pytest

from builders import trial_table
from synthesight.analysis import compare, published_figures, shape_bias
from synthesight.errors import SynthesightError
from synthesight.trials.people import load_human_trials, load_model_trials


def conflict(responses, observer="m", **more):
    """Images of cat shapes with dog texture, and the responses to them."""
    names = [f"c/cat/cat{n}-dog{n}.png" for n in range(len(responses))]
    return trial_table(responses, observer, **{"texture": "dog", "stimulus": names} | more)


def test_only_decisions_for_either_cue_count():
    trials = conflict(["cat", "cat", "cat", "dog", "car", None])
    same = conflict(["dog", "cat"], texture="cat").with_columns(
        stimulus=pl.Series(["c/cat/cat8-cat8.png", "c/cat/cat9-cat9.png"])
    )
    plain = conflict(["cat"], texture=None).with_columns(texture=pl.lit(None, pl.String))
    row = shape_bias(pl.concat([trials, same, plain])).row(0, named=True)
    assert (row["estimate"], row["n"], row["stimuli"]) == (0.75, 4, 6)
    assert row["low"] < 0.75 < row["high"]


def test_it_is_undefined_where_no_cue_was_named():
    row = shape_bias(conflict(["car", None])).row(0, named=True)
    assert row["estimate"] is row["low"] is row["high"] is None
    assert (row["n"], row["stimuli"]) == (0, 2)
    with pytest.raises(SynthesightError, match="undefined"):
        compare(pl.concat([conflict(["car"]), conflict(["cat"], "b")]), "m", "b",
                measure="shape_bias")  # fmt: skip


def test_published_networks_have_their_published_bias(data_folder):
    found = dict(
        shape_bias(load_model_trials(data_folder, ["cue-conflict"]))
        .select("observer", "estimate")
        .iter_rows()
    )
    printed = published_figures().filter(metric="shape_bias", check=True)
    assert {name: round(value, 3) for name, value in found.items()} == dict(
        printed.select("observer", "value").iter_rows()
    )


def test_people_decide_by_shape(data_folder):
    people = load_human_trials(data_folder, ["cue-conflict"])
    each = shape_bias(people)
    assert len(each) == 10
    assert each["estimate"].mean() == pytest.approx(0.96, abs=0.005)
    assert each["stimuli"].unique().to_list() == [1200]
    rows = shape_bias(people, by=["observer", "category"])
    assert len(rows) == 160
    # Numerators and denominators add up over categories.
    shapes = (rows["estimate"].fill_null(0) * rows["n"]).sum()
    assert shapes / rows["n"].sum() == pytest.approx(
        (each["estimate"] * each["n"]).sum() / each["n"].sum()
    )


def test_people_and_networks_differ_beyond_doubt(data_folder):
    trials = pl.concat(
        [
            load_human_trials(data_folder, ["cue-conflict"]),
            load_model_trials(data_folder, ["cue-conflict"]),
        ]
    )
    found = compare(trials, "subject-01", "resnet50", measure="shape_bias", resamples=500)
    assert found.estimate == pytest.approx(0.9617 - 0.2207, abs=1e-3)
    assert found.low > 0.6  # of other shapes and textures
    assert found.p < 1e-9


def test_only_shape_decisions_are_not_known_exactly():
    trials = conflict(["cat"] * 8 + ["oven"] * 5)
    row = shape_bias(trials).row(0, named=True)
    # Eight images had a say: (0.05 / 2) ** (1 / 8).
    assert (row["estimate"], row["n"], row["high"]) == (1.0, 8, 1.0)
    assert row["low"] == pytest.approx(0.025 ** (1 / 8))
