"""``push``: what goes to the Hub, and what never does."""

from __future__ import annotations

import shutil
import sys
from types import SimpleNamespace

import polars as pl
import pytest
import yaml
from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

from builders import done, refused, save_pictures
from synthesight.errors import SynthesightError
from synthesight.publishing import plan_push, push


class Hub:
    """An ``HfApi`` that keeps what it is given."""

    def __init__(self, public: bool = False, error: Exception | None = None) -> None:
        self.public, self.error = public, error
        self.created: list = []
        self.commits: list = []

    def create_repo(self, name, **options):
        if self.error:
            raise self.error
        self.created.append((name, options))
        self.public |= not options["private"]

    def repo_info(self, name, **options):
        return SimpleNamespace(private=not self.public)

    def create_commit(self, name, operations, **options):
        self.commits.append({each.path_in_repo: each for each in operations})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    save_pictures(folder, "photos/cat/1.png", "photos/dog/1.png", size=32)
    for name in ("a", "b"):
        done("evaluate", "--stimuli", folder / "photos", "--model", "natural-32-cnn", "--out",
             folder / name, "--device", "cpu")  # fmt: skip
    return folder


def test_what_is_pushed(runs):
    plan = plan_push([runs / "a", runs / "b"], "me/my-runs")
    hub = Hub()
    assert push(plan, api=hub) == "https://huggingface.co/datasets/me/my-runs"
    ((_, options),) = hub.created
    assert options == {"repo_type": "dataset", "private": True, "exist_ok": True}
    (commit,) = hub.commits
    assert "runs/a/run.json" in commit
    assert {name.split("/")[0] for name in commit} == {"README.md", "runs"}
    suffixes = {name.rsplit(".", 1)[1] for name in commit}
    assert suffixes <= {"json", "parquet", "md"}
    assert not any("claim" in name or name.endswith(".png") for name in commit)
    (part,) = (each for name, each in commit.items() if name.startswith("runs/b/part-"))
    trials = pl.read_parquet(part.path_or_fileobj)
    assert len(trials) == 2
    assert pl.Binary not in trials.dtypes  # no image goes with them


def test_any_name_of_a_folder_and_trials_without_a_right_answer(runs, tmp_path):
    odd = tmp_path / "a: [b] #1 | c"
    shutil.copytree(runs / "a", odd)
    card = plan_push([odd], "me/my-runs").card
    assert yaml.safe_load(card.split("---")[1])["configs"][0]["config_name"] == odd.name
    save_pictures(tmp_path, "loose/1.png", "loose/2.png", size=32)
    done("evaluate", "--stimuli", tmp_path / "loose", "--model", "natural-32-cnn", "--classes",
         "cat,dog", "--out", tmp_path / "loose-run", "--device", "cpu")  # fmt: skip
    card = plan_push([tmp_path / "loose-run"], "me/my-runs").card
    assert "| loose-run | natural-32-cnn | loose | 2 | no right answers |" in card


def test_the_card(runs):
    card = plan_push([runs / "a"], "me/my-runs", licence="cc0-1.0").card
    head = card.split("---")[1]
    assert yaml.safe_load(head)["configs"][0]["data_files"] == "runs/a/part-*.parquet"
    assert "license: cc0-1.0" in head
    row = next(line for line in card.splitlines() if line.startswith("| a |"))
    assert "| natural-32-cnn | photos | 2 |" in row
    assert "The images are not here." in card
    assert "- photos: ask its owner" in card
    assert "@software{synthesight," in card
    assert "model: natural-32-cnn" in card


def test_a_public_repository_must_be_asked_for(runs):
    with pytest.raises(SynthesightError, match="there, and public"):
        push(plan_push([runs / "a"], "me/my-runs"), api=Hub(public=True))
    hub = Hub()
    push(plan_push([runs / "a"], "me/my-runs", public=True), api=hub)
    assert hub.created[0][1]["private"] is False


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (LocalTokenNotFoundError("no token"), "run `hf auth login`"),
        (OfflineModeIsEnabled("offline"), "HF_HUB_OFFLINE is set"),
        (ConnectionError("no route"), "The Hub did not take the runs"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(error, says, runs):
    with pytest.raises(SynthesightError, match=says):
        push(plan_push([runs / "a"], "me/my-runs"), api=Hub(error=error))


def test_the_command(runs, tmp_path, monkeypatch):
    shown = done("push", runs / "a", runs / "b", "me/my-runs", "--dry-run")
    assert "runs/a/run.json" in shown
    assert "Would push to me/my-runs: " in shown
    hub = Hub()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    assert "https://huggingface.co/datasets/me/my-runs has" in done(
        "push", runs / "a", "me/my-runs"
    )
    assert len(hub.commits) == 1
    assert "no repository of the Hub" in refused("push", runs / "a", "my-runs")
    assert "Two runs are called a" in refused("push", runs / "a", runs / "a", "me/runs")
    assert sys.modules["huggingface_hub"]
