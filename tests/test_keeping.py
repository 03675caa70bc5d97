"""Test that the trials of people are kept: once, whole, and nothing else."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from synthesight.errors import SynthesightError
from synthesight.people.keeping import Keeper, Refused, append
from synthesight.trials.reading import read_trials

HEADER = "subj,session,trial,rt,object_response,category,condition,imagename,image_ms,view\n"


@pytest.fixture
def site(tmp_path):
    """Write the design of an experiment with two datasets, and no pages."""
    design = {
        "id": "d1",
        "trials": 4,
        "classes": [{"name": "cat"}, {"name": 'a "dog", big'}],
        "datasets": [{"name": "mine"}, {"name": "a/b"}],
        "factors": ["view"],
        "stimuli": [
            {"category": n % 2, "dataset": n // 2, "condition": f"c{n}", "name": f"x{n}.png"}
            | {"factors": {"view": "30"} if n == 0 else {}}
            for n in range(4)
        ],
    }
    (tmp_path / "study.json").write_text(json.dumps(design))
    return tmp_path


def trial(number: int = 1, **changed) -> dict:
    shown = (number - 1) % 4 if type(number) is int else 0
    given = {"trial": number, "stimulus": shown, "response": 0, "rt": 0.5, "image_ms": 200.004}
    return given | changed


def sent(*trials, **changed) -> dict:
    given = {"design": "d1", "participant": "ann", "session": 1, "trials": list(trials)}
    return given | changed


def test_trials_are_written_in_the_published_layout(site):
    keeper = Keeper(site)
    keeper.keep(sent(trial(1)))
    keeper.keep(sent(trial(2, stimulus=1, response=None, rt=None)))
    path = site / "data" / "mine" / "mine_subject-ann_session_1.csv"
    assert path.read_text() == (
        HEADER
        + "subject-ann,1,1,0.5000,cat,cat,c0,x0.png,200.00,30\n"
        + 'subject-ann,1,2,nan,na,"a ""dog"", big",c1,x1.png,200.00,\n'
    )
    trials = read_trials(site / "data")
    assert trials["kind"].to_list() == ["human", "human"]
    assert trials["response"].to_list() == ["cat", None]
    assert trials["rt"].to_list() == [0.5, None]


def test_each_dataset_has_its_file_and_stays_in_its_folder(site):
    Keeper(site).keep(sent(trial(1, stimulus=3)))
    assert [path.name for path in (site / "data").rglob("*.csv")] == [
        "a-b_subject-ann_session_1.csv"
    ]


def test_a_trial_that_is_sent_again_is_not_written_again(site):
    keeper = Keeper(site)
    assert keeper.keep(sent(trial(1)))[2] == 1
    assert keeper.keep(sent(trial(1), trial(2)))[2] == 2
    assert Keeper(site).keep(sent(trial(2, response=1)))[2] == 2  # another process, later
    assert read_trials(site / "data")["response"].to_list() == ["cat", "cat"]


def test_participants_and_sessions_stay_apart(site):
    keeper = Keeper(site)
    keeper.keep(sent(*(trial(number) for number in range(1, 5))))
    assert keeper.finished("ann", 1)
    assert keeper.progress("ann", 2) == keeper.progress("bob", 1) == []
    keeper.keep(sent(trial(1), session=2))
    assert keeper.progress("ann", 2) == [1]


def test_many_at_once_lose_and_double_nothing(site):
    keeper = Keeper(site)
    requests = [
        sent(trial(number), participant=f"p{person}")
        for person in range(5)
        for number in range(1, 5)
        for _ in range(2)
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keeper.keep, requests))
    trials = read_trials(site / "data")
    assert len(trials) == 20
    assert trials.select("observer", "trial").n_unique() == 20


def test_what_a_power_cut_left_of_a_line_is_cut_off(site):
    Keeper(site).keep(sent(trial(1), trial(2)))
    path = site / "data" / "mine" / "mine_subject-ann_session_1.csv"
    path.write_bytes(path.read_bytes()[:-9])
    keeper = Keeper(site)
    assert keeper.progress("ann", 1) == [1]
    keeper.keep(sent(trial(2)))
    assert len(read_trials(site / "data")) == 2


def test_a_file_cut_in_its_header_begins_anew(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"subj,sess")
    append(tmp_path / "x.csv", ["1\n"], "head\n")
    assert (tmp_path / "x.csv").read_bytes() == b"head\n1\n"


def test_a_write_that_fails_half_way_doubles_nothing(site, monkeypatch):
    keeper = Keeper(site)
    both = sent(trial(1, stimulus=0), trial(2, stimulus=3))
    written = []

    def once(path, *lines):
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        append(path, *lines)

    monkeypatch.setattr("synthesight.people.keeping.append", once)
    with pytest.raises(OSError, match="No space"):
        keeper.keep(both)
    monkeypatch.undo()
    assert keeper.progress("ann", 1) == [1]
    keeper.keep(both)
    assert sorted(read_trials(site / "data")["trial"]) == [1, 2]


def test_events_are_kept_beside_the_data(site):
    Keeper(site).keep(sent(events=[{"kind": "browser", "width": 1280}]))
    (path,) = (site / "sessions").iterdir()
    event = json.loads(path.read_text())
    assert (event["kind"], event["width"]) == ("browser", 1280)
    assert not (site / "data").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        None, [], "x", {}, sent(design="d2"), sent(participant="../../etc"),
        sent(participant=""), sent(participant="x" * 41), sent(participant="a\n"),
        sent(participant=7), sent(session=0), sent(session=True), sent(session="1"),
        sent(trials={}), sent("x"), sent(trial(0)), sent(trial(5)), sent(trial(True)),
        sent(trial(1.0)), sent(trial(stimulus=4)), sent(trial(stimulus=-1)),
        sent(trial(response=2)), sent(trial(response="cat")), sent(trial(rt=float("nan"))),
        sent(trial(rt=-1)), sent(trial(rt=None)), sent(trial(image_ms=float("inf"))),
        sent(trial(image_ms=10**400)), sent(events=["x"]), sent(events=[{"x": "y" * 30_000}]),
        sent(events=3),
    ],
)  # fmt: skip
def test_what_no_page_of_ours_sends_is_refused_and_nothing_kept(site, wrong):
    keeper = Keeper(site)
    with pytest.raises(Refused):
        keeper.keep(wrong)
    assert not (site / "data").exists()
    assert not (site / "sessions").exists()


def test_one_wrong_trial_keeps_the_others_out(site):
    with pytest.raises(Refused):
        Keeper(site).keep(sent(trial(1), trial(9)))
    assert not (site / "data").exists()


@pytest.mark.parametrize("design", [None, "{", "[]", '{"id": "d1", "stimuli": []}'])
def test_a_folder_that_is_no_site_is_refused(tmp_path, design):
    if design is not None:
        (tmp_path / "study.json").write_text(design)
    with pytest.raises(SynthesightError, match="is no site of an experiment"):
        Keeper(tmp_path)
