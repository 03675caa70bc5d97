"""Test what is said of participants."""

from __future__ import annotations

import json

import pytest

from synthesight.people.keeping import Keeper
from synthesight.people.participants import overview


@pytest.fixture
def keeper(tmp_path) -> Keeper:
    stimuli = [
        {"category": 0, "dataset": n, "condition": "0", "name": f"{n}.png", "factors": {}}
        for n in (0, 1)
    ]
    design = {
        "id": "d1", "trials": 2, "classes": [{"name": "cat"}, {"name": "na"}], "factors": [],
        "datasets": [{"name": "one"}, {"name": "[two]"}], "stimuli": stimuli,
    }  # fmt: skip
    (tmp_path / "study.json").write_text(json.dumps(design))
    return Keeper(tmp_path)


def test_each_participant_and_session_has_a_row(keeper):
    done = {"trial": 1, "stimulus": 0, "response": 0, "rt": 0.5, "image_ms": 200}
    missed = {"trial": 2, "stimulus": 1, "response": None, "image_ms": 220}
    events = [
        {"kind": "attention", "expected": 0, "response": response} for response in (0, 0, 1, None)
    ]
    who = {"design": "d1", "participant": "ann"}
    keeper.keep(who | {"session": 1, "trials": [done, missed], "events": events})
    keeper.keep(who | {"session": 2, "trials": [done], "events": [{"kind": "browser"}]})
    assert overview(keeper.site).rows() == [
        ("subject-ann", 1, 2, 0.5, 0.5, 210.0, 220.0),
        ("subject-ann", 2, 1, 0.0, None, 200.0, 200.0),
    ]


def test_nobody_gives_no_rows(keeper):
    assert overview(keeper.site).is_empty()
