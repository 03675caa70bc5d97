"""The registry of metrics, and the tables that metrics take."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

from synthesight.analysis import (
    Ratio,
    accuracy,
    benchmark,
    compare,
    confusion,
    error_consistency,
    get_metric,
    judged,
    metric,
    metrics,
    response_entropy,
    shape_bias,
)
from synthesight.errors import SynthesightError

PLUGIN = '''
import polars as pl
from synthesight.analysis import Ratio, judged, metric

MISSED = Ratio(pl.col("response").is_null())

@metric(title="Missed", unit="share", direction="lower", text="Share without a response.",
        statistic=MISSED)
def missed(trials, by=("observer", "dataset"), **options):
    """Return the share of trials without a response."""
    return MISSED.table(judged(trials, by), by, **options)
'''


@pytest.fixture
def trials() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    shapes, textures = rng.choice(["cat", "dog"], (2, 60))
    tables = [
        pl.DataFrame(
            {
                "observer": observer,
                "kind": kind,
                "dataset": "mine",
                "stimulus": [f"{n}.png" for n in range(60)],
                "category": shapes,
                "texture": textures,
                "response": rng.choice(["cat", "dog"], 60, p=[share, 1 - share]),
                "evidence": [[0.5, 1.5]] * 60,
            }
        )
        for observer, kind, share in (("a", "generative", 0.5), ("b", "generative", 0.95),
                                      ("p", "human", 0.5), ("q", "human", 0.6))
    ]  # fmt: skip
    return pl.concat(tables)


def test_every_metric_declares_what_it_is():
    names = {"accuracy", "ood_accuracy", "shape_bias", "response_entropy", "error_consistency",
             "observed_consistency", "squared_accuracy_difference"}  # fmt: skip
    assert names <= set(metrics())
    for name, declared in metrics().items():
        assert declared.name == name == declared.function.__name__
        assert declared.title
        assert declared.text.endswith(".")
        assert declared.unit
        assert declared.papers or name not in names
        assert declared.function.__doc__
    assert get_metric("squared_accuracy_difference").direction == "lower"
    assert get_metric("response_entropy").direction is None


def test_near_names_are_suggested_and_a_name_is_taken_once():
    with pytest.raises(SynthesightError, match="'error_consistancy': did you mean error_consis"):
        get_metric("error_consistancy")
    with pytest.raises(SynthesightError, match="no metric 'xyz': choose among accuracy"):
        get_metric("xyz")

    def accuracy(trials, by=("observer",)):
        return trials

    with pytest.raises(SynthesightError, match=r"analysis\.accuracy has already"):
        metric(title="Mine", unit="share", direction=None, text="Mine.")(accuracy)


def test_a_package_offers_a_metric_by_an_entry_point(tmp_path):
    (tmp_path / "plugin_missed.py").write_text(PLUGIN)
    info = tmp_path / "plugin_missed-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-missed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[synthesight.metrics]\nmissed = plugin_missed:missed\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from synthesight.analysis import get_metric\n"
        "print(get_metric('missed').title)\n"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "Missed\n"
    # A broken package is named.
    (tmp_path / "plugin_missed.py").write_text("import nothing_of_this_name")
    failed = subprocess.run(run, capture_output=True, text=True, check=False)
    assert "The metric 'missed' of the package plugin-missed cannot be imported" in failed.stderr


def test_tables_of_polars_and_pandas_give_the_same(trials, tmp_path):
    trials.write_parquet(tmp_path / "trials.parquet")
    for function in (accuracy, shape_bias, response_entropy, confusion, error_consistency,
                     benchmark):  # fmt: skip
        options = {} if function is confusion else {"resamples": 20}
        expected = function(trials, **options)
        assert function(trials.lazy(), **options).equals(expected)
        assert function(pl.scan_parquet(tmp_path / "trials.parquet"), **options).equals(expected)
        result = function(trials.to_pandas(), **options)
        assert isinstance(result, pd.DataFrame)
        pd.testing.assert_frame_equal(result, expected.to_pandas())
    difference = compare(trials, "a", "b", resamples=20)
    assert compare(pd.read_parquet(tmp_path / "trials.parquet"), "a", "b", resamples=20) == (
        difference
    )
    with pytest.raises(SynthesightError, match="`trials` is a list, not a table"):
        accuracy([1, 2])


def test_by_is_one_name_or_several_and_the_same_by_default(trials):
    assert accuracy(trials, "observer", resamples=0).columns[0] == "observer"
    assert accuracy(trials, by="kind", resamples=0).equals(
        accuracy(trials, by=["kind"], resamples=0)
    )
    for function in (accuracy, shape_bias, response_entropy):
        table = function(trials, resamples=0)
        assert table.columns[:3] == ["observer", "dataset", "estimate"]
    assert confusion(trials).columns[:2] == ["observer", "dataset"]


@pytest.mark.usefixtures("metrics_as_before")
def test_any_metric_can_be_compared(trials):
    """By calls where it declares no statistic: with the figures of one that declares it."""
    entropy = compare(trials, "a", "b", measure="response_entropy", resamples=200)
    values = response_entropy(trials, resamples=0).rows_by_key("observer", unique=True)
    assert entropy.estimate == pytest.approx(values["a"][1] - values["b"][1])
    assert entropy.low < entropy.estimate < entropy.high
    assert entropy.p < 0.02
    assert entropy.n == 60
    ratio = Ratio(pl.col("correct"))

    def called(trials, by=("observer",), *, resamples=0):
        return ratio.table(judged(trials, by), by, resamples=resamples)

    metric(title="Called", unit="share", direction="higher", text="Called.")(called)
    by_calls = compare(trials, "a", "b", measure="called", resamples=500)
    by_sums = compare(trials, "a", "b", resamples=500)
    assert by_calls.estimate == pytest.approx(by_sums.estimate)
    assert (by_calls.low, by_calls.high) == pytest.approx((by_sums.low, by_sums.high), abs=0.05)
    assert by_calls.p == pytest.approx(by_sums.p, abs=0.1)
    people = compare(trials, "a", "b", measure="observed_consistency", resamples=50)
    assert people.low <= people.estimate <= people.high


@pytest.mark.usefixtures("metrics_as_before")
def test_a_new_metric_has_its_table_and_figure_in_the_report(trials, tmp_path):
    """One declaration is enough: nothing else names the metric."""
    pytest.importorskip("altair")
    from synthesight.report import write_report
    from synthesight.trials.schema import conform

    said_dog = Ratio(pl.col("response") == "dog")

    def dogs(trials, by=("observer", "dataset"), *, resamples=0, **options):
        return said_dog.table(judged(trials, by), by, resamples=resamples, **options)

    metric(
        title="Dogs said", unit="share", direction=None, text="Share of <dog> responses.",
        statistic=said_dog,
    )(dogs)  # fmt: skip
    page = write_report(conform(trials), tmp_path, resamples=20).read_text()
    difference = compare(trials, "a", "b", measure="dogs", resamples=50)
    table = pl.read_csv(tmp_path / "tables" / "dogs.csv")
    assert table["observer"].to_list() == ["people", "a", "b"]
    assert {"estimate", "low", "high", "n"} <= set(table.columns)
    assert (tmp_path / "figures" / "dogs-bars.svg").stat().st_size > 2000
    assert '<section id="dogs"' in page
    assert 'id="dogs-title">Dogs said</h2>' in page
    assert "Share of &lt;dog&gt; responses. Intervals are 95 %" in page
    assert 'data-spec="spec-dogs-bars"' in page
    values = dict(table.select("observer", "estimate").rows())
    assert difference.estimate == pytest.approx(values["a"] - values["b"])
