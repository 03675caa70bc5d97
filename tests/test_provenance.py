"""How trials were made: what runs record, and what they do not."""

from __future__ import annotations

import pytest

from builders import trial_table
from synthesight.report.provenance import UNKNOWN, provenance_section, provenances
from synthesight.report.sources import RUN, gather
from synthesight.trials.computing import record_computed
from synthesight.trials.exchange import write_csv
from synthesight.trials.schema import conform
from synthesight.trials.store import Run

OBSERVER = {
    "model": "some/model", "kind": "generative", "weights": "abc123", "dtype": "bfloat16",
    "prompt": ["A photo of a {class}", "{class}"], "weighting": "elbo", "seed": 3,
    "rule": {"name": "sequential", "max_draws": 40, "delta": 0.02, "eta": 0.0, "min_draws": 6},
}  # fmt: skip
RECORD = {
    "observer": OBSERVER, "classes": ["cat", "dog"], "datasets": ["d"],
    "versions": {"synthesight": "0.1.0", "torch": "2.9"}, "device": "cuda",
    "started": "2026-01-02T03:04:05+0000",
}  # fmt: skip


@pytest.fixture
def runs(tmp_path):
    run = Run.create(tmp_path / "run", RECORD)
    run.append(conform(trial_table(
        ["cat", "dog", "cat"], "m", kind="generative", draws=[8, 16, 24], seed=3,
        evaluations=[16.0, 32.0, 48.0],
    )))  # fmt: skip
    record_computed(tmp_path / "run", {"device": "NVIDIA X", "processor": "P", "dtype": "bfloat16"})
    write_csv(conform(trial_table(["cat", "dog"], "network")), tmp_path / "table")
    return [tmp_path / "run", tmp_path / "table"]


def test_a_run_tells_how_its_trials_were_made(runs):
    network, model = sorted(provenances(gather(runs)), key=lambda each: each.name != "network")
    assert model.facts() == {
        "kind": "generative",
        "model": "some/model",
        "weights (digest)": "abc123",
        "prompts": "A photo of a {class} | {class}",
        "decision rule": "sequential (δ = 0.02, min draws = 6, at most 40 draws)",
        "weighting": "elbo",
        "seed": "3",
        "draws an image": "16",
        "network evaluations an image": "32",
        "device": "NVIDIA X (P)",
        "precision": "bfloat16",
        "versions": "synthesight 0.1.0, torch 2.9",
        "begun": "2026-01-02T03:04:05+0000",
    }
    assert {network.facts()[name] for name in ("model", "prompts", "seed", "device", "begun")} == {
        UNKNOWN
    }


def test_what_came_as_a_table_is_said_to_be_not_recorded(runs):
    section = provenance_section(provenances(gather(runs)))
    assert section.tables["provenance"].columns == ["what", "m"]
    assert "The trials of network came as a table" in section.text
    alone = provenance_section(provenances(gather(runs[1:])))
    assert alone.tables == {}
    assert alone.text.startswith("The trials of network came as a table")
    assert provenance_section(provenances(gather(runs).filter(kind="human"))) is None
    # A table from elsewhere has no column of runs.
    assert not provenances(gather(runs).drop(RUN))[0].record


def test_a_table_of_weights_is_told_by_its_digest(tmp_path):
    found = []
    for name, weights in (("a", [0.5, 1.0]), ("b", [0.5, 1.1])):
        observer = OBSERVER | {"weighting": weights, "rule": {"name": "exhaustive", "max_draws": 5}}
        run = Run.create(tmp_path / name, RECORD | {"observer": observer})
        run.append(conform(trial_table(["cat"], name, kind="generative")))
        (each,) = provenances(gather([tmp_path / name]))
        found.append(each.weighting)
        assert each.rule == "exhaustive (at most 5 draws or parts)"
    assert found[0] != found[1]
    assert all(text.startswith("a table of 2 weights (SHA-256 ") for text in found)
