"""Studies: read, checked as a whole, planned, run, resumed and compared."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from rich.console import Console

from builders import COMMAND, ENVIRONMENT, done, refused, save_pictures
from synthesight.cli.output import frame_table
from synthesight.errors import SynthesightError
from synthesight.studies import Study, plan_study, run_study
from synthesight.studies import plan as planning
from synthesight.studies import running as running_module
from synthesight.studies.reading import read_file

EXAMPLE = Path(__file__).parents[1] / "examples" / "shape_bias.yaml"


@pytest.fixture
def photos(tmp_path):
    save_pictures(tmp_path, "photos/cat/1.png", "photos/dog/1.png", size=32)
    save_pictures(tmp_path, "photos/cat/2.png", "photos/dog/2.png", size=32, colour="brown")
    return tmp_path / "photos"


def written(folder: Path, text: str, name: str = "study.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


TINY = """\
models: [natural-32-ar, natural-32-cnn]   # two that are quick
stimuli: photos
seeds: [0, 1]
options: {device: cpu}
"""


def test_a_study_from_its_plan_to_its_report(photos, tmp_path, monkeypatch):
    reported = []

    def write_report(trials, out, **options):  # which takes longer than all the rest
        reported.append(trials)
        return out / "index.html"

    monkeypatch.setattr("synthesight.report.report.write_report", write_report)
    study = written(tmp_path, TINY)
    plan = done("study", study, "--dry-run")
    assert not (tmp_path / "study").exists()
    assert "2 runs, 0 finished. Left: 8 images, 12 passes, an unknown time for" in plan
    shown = done("study", study, "--resamples", "5")
    assert "[1/2] natural-32-ar on photos: 4 images" in shown
    folder = tmp_path / "study"
    assert f"the page {folder / 'report' / 'index.html'}" in shown
    assert set(reported[0]["observer"].unique()) == {"natural-32-ar", "natural-32-cnn"}
    results = pl.read_csv(folder / "results.csv")
    assert results["observer"].to_list() == ["natural-32-ar", "natural-32-cnn"]
    assert results["images"].to_list() == [4, 4]
    assert results["passes"].to_list() == [2, 1]
    assert ((results["accuracy_low"] <= results["accuracy"]) & (results["accuracy"] > 0)).all()
    before = {run: run.stat().st_mtime_ns for run in (folder / "runs").glob("*/part-*")}
    # What is finished is skipped, and what it took is now known: time as well.
    again = done("study", study, "--dry-run")
    assert "2 runs, all finished." in again
    # Of a changed study, only what is new is run, in another folder.
    written(tmp_path, TINY.replace("photos", "photos\nprompts: a picture of a {class}"))
    plan = plan_study(Study.read(study), folder)
    assert [row.finished for row in plan.rows] == [False, True]
    assert plan.rows[0].seconds > 0
    assert plan.rows[0].basis == "4 images here: 2 passes each"
    run_study(Study.read(study), folder)
    after = {run: run.stat().st_mtime_ns for run in (folder / "runs").glob("*/part-*")}
    assert before.items() < after.items()
    assert len({run.parent for run in after}) == 3


def test_a_wide_table_keeps_its_names_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    wide = {"observer": ["natural-32 (jaini)"], "dataset": "drawn", "images": 6, "passes": 180.0}
    wide |= {"estimate": 0.5, "low": 0.25, "high": 0.75}
    wide |= {f"shape_bias{end}": 0.5 for end in ("", "_low", "_high")}
    console = Console()
    with console.capture() as captured:
        console.print(frame_table(pl.DataFrame(wide)))
    assert "natural-32 (jaini)" in captured.get()
    assert "[0.250, 0.750]" in captured.get()


def test_a_limit_lets_a_run_grow(photos, tmp_path):
    def study(limit: int) -> Study:
        return Study(
            models="natural-32-cnn", stimuli=photos, options={"limit": limit, "device": "cpu"}
        )

    first = run_study(study(2), tmp_path / "out").plan.rows[0]
    with (tmp_path / "out/log.jsonl").open("a") as log:  # which a tracker was given as well
        log.write('{"run": "out", "step": 1, "accuracy": 0.5}\n')
    grown = run_study(study(4), tmp_path / "out").plan.rows[0]
    assert (first.folder, first.done) == (grown.folder, 2)
    assert (grown.images, grown.done) == (4, 4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("models: [natural-32, natural-33]", "study.yaml:1: There is no model 'natural-33'"),
        ("modles: [natural-32]", "study.yaml:1: There is no key 'modles': did you mean models"),
        ("models:\nstimuli: photos", "The study names no models"),
        ("models: natural-32\nweightings: [jaini, elbow]", "study.yaml:2: There is no weighting "
         "'elbow': did you mean elbo"),
        ("models: natural-32\nrules:\n  - sequential\n  - exhastive", "study.yaml:4: There is no "
         "rule 'exhastive': did you mean exhaustive"),
        ("models:\n  - model: natural-32-cnn\n    weighting: elbo", "study.yaml:3: natural-32-cnn "
         "is a discriminative network: leave out weighting"),
        ("models:\n  - model: natural-32-ar\n    rule: sequential", "study.yaml:3: natural-32-ar "
         "gives a sequence of parts, for which the rule sequential does not hold"),
        ("models: natural-32\noptions:\n  max_draw: 5", "study.yaml:3: There is no option "
         "'max_draw': did you mean max_draws"),
        ("models: natural-32\noptions:\n  limit: ten", "study.yaml:3: limit 'ten' cannot be: "
         "give a whole number"),
        ("models: natural-32\noptions:\n  max_draws: 0", "max_draws 0 cannot be"),
        ("models: natural-32\nweighting: elbo", "study.yaml:2: There is no key 'weighting': did "
         "you mean weightings"),
        ("models: natural-32\nlimit: 5", "study.yaml:2: There is no key 'limit': write it below "
         "options"),
        ("models: natural-32\nseeds: [0, 0]", "study.yaml:2: 0 is in seeds twice"),
        ("models: natural-32\nseeds: [-1]", "study.yaml:2: seed -1 cannot be"),
        ("models: natural-32\nmodels: clip", "study.yaml:2: models is there twice"),
        ("models: natural-32\noptions: {classes: [yes, no]}", "study.yaml:2: True is no text: "
         "write it in quotes"),
        ("models: [natural-32", "study.yaml:2: this is no YAML"),
        ("models: natural-32\nseeds: [1]\noptions: {seed: 2}", "seed is given, and seeds list"),
        ("models: natural-32\noptions: {shard: 1/2}", "give it to the command"),
        ("models: !!python/object/apply:os.system [true]", "is no plain value"),
        ("models: natural-32\noptions: {dtype: float8}", "There is no dtype 'float8'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_before_anything_runs(change, says, photos, tmp_path):
    text = change if "stimuli" in change else f"{change}\nstimuli: photos"
    message = refused("study", written(tmp_path, text), "--dry-run")
    assert says in message
    assert not (tmp_path / "study").exists()


def test_missing_stimuli_and_a_small_disk(photos, tmp_path, monkeypatch):
    study = written(tmp_path, "models: natural-32\nstimuli:\n  - photo\n")
    assert "There is no file or folder photo" in refused("study", study)
    study = written(tmp_path, "models: natural-32\nstimuli: photos\noptions: {keep_draws: true}")
    free = SimpleNamespace(free=1000)
    monkeypatch.setattr(planning.shutil, "disk_usage", lambda place: free)
    assert "1e-06 GB are free: make room, choose another --out" in refused("study", study)


def test_aliases_cannot_make_a_file_grow(tmp_path):
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 20)]
    with pytest.raises(SynthesightError, match="too much for a study"):
        read_file(written(tmp_path, "\n".join(lines)))


def test_toml_and_json_say_the_same(tmp_path, photos):
    yaml = Study.read(written(tmp_path, TINY))
    toml = 'models = ["natural-32-ar", "natural-32-cnn"]\nstimuli = "photos"\nseeds = [0, 1]\n'
    tom = Study.read(written(tmp_path, f'{toml}options = {{device = "cpu"}}', "study.toml"))
    content, _ = read_file(tmp_path / "study.yaml")
    json_ = Study.read(written(tmp_path, json.dumps(content), "study.json"))
    assert yaml.cells == tom.cells == json_.cells


def test_what_applies_to_which_model():
    study = Study(
        models=["natural-32", {"model": "natural-32-ar", "weightings": ["elbo", None]},
                "natural-32-cnn"],
        stimuli=["edge"], weightings=["jaini", "epsilon"], rules=["sequential", "staged"],
        seeds=[0, 1], options={"delta": 0.05, "max_draws": 8},
    )  # fmt: skip
    observers = [cell.observer for cell in study.cells]
    assert observers[:2] == ["natural-32 (sequential, jaini, seed 0)",
                             "natural-32 (sequential, jaini, seed 1)"]  # fmt: skip
    assert len(observers) == len(set(observers)) == 8 + 2 + 1
    assert observers[8:] == ["natural-32-ar (elbo)", "natural-32-ar (own weighting)",
                             "natural-32-cnn"]  # fmt: skip
    assert {cell.options.rule for cell in study.cells[8:10]} == {"staged"}
    by_rule = {cell.options.rule: cell.options.delta for cell in study.cells[:8]}
    assert by_rule == {"sequential": 0.05, "staged": None}
    assert "The rule staged has no `delta`, which is left out for it." in study.remarks
    assert study.cells[-1].options.max_draws is None


def test_a_changed_file_is_another_run(photos, tmp_path):
    (tmp_path / "prompts.txt").write_text("a photo of a {class}\n")
    study = written(tmp_path, "models: natural-32\nstimuli: photos\nprompts: [prompts.txt]")
    before = Study.read(study).cells[0]
    assert before.options.prompt == str(tmp_path / "prompts.txt")
    (tmp_path / "prompts.txt").write_text("a drawing of a {class}\n")
    assert Study.read(study).cells[0].folder != before.folder


def test_a_run_that_fails_does_not_end_the_others(photos, tmp_path, monkeypatch):
    study = Study(models=["natural-32-ar", "natural-32-cnn"], stimuli=photos,
                  options={"device": "cpu"})  # fmt: skip
    real = running_module.run_evaluation

    def sometimes(model, *arguments, **options):
        if model == "natural-32-ar":
            raise SynthesightError("There is no room.")
        return real(model, *arguments, **options)

    monkeypatch.setattr(running_module, "run_evaluation", sometimes)
    outcome = run_study(study, tmp_path / "out")
    assert outcome.failures == ["natural-32-ar on " + str(photos) + ": There is no room."]
    assert [row.finished for row in outcome.plan.rows] == [False, True]
    assert outcome.results["observer"].to_list() == ["natural-32-cnn"]


def test_shards_and_a_tracker(photos, tmp_path, monkeypatch):
    study = written(tmp_path, TINY + "track: jsonl:log/all.jsonl\n")
    monkeypatch.chdir(tmp_path)
    half = run_study(Study.read(study), "out", shard="1/2")
    assert [(row.done, row.finished) for row in half.plan.rows] == [(2, False)] * 2
    whole = run_study(Study.read(study), "out", shard="2/2")
    assert all(row.finished for row in whole.plan.rows)
    rows = [json.loads(line) for line in Path("log/all.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 1, 2]
    assert rows[1]["natural-32-cnn photos accuracy"] >= 0
    assert rows[0]["natural-32-ar photos passes"] == 2


def test_a_study_is_one_job_array(photos, tmp_path):
    pytest.importorskip("submitit")
    study = written(tmp_path, TINY)
    jobs: list = []

    def run_jobs(works, folder, slurm, progress=None):
        jobs.extend(works)
        for work in works:
            work()

    original, running_module.run_jobs = running_module.run_jobs, run_jobs
    try:
        asked = Study.read(study, backend="slurm", jobs=2, slurm="cluster=local")
        outcome = run_study(asked, tmp_path / "out")
    finally:
        running_module.run_jobs = original
    assert len(jobs) == 2 * 2
    assert all(row.finished for row in outcome.plan.rows)


@pytest.mark.stress
def test_any_signal_keeps_what_there_is(photos, tmp_path):
    study = written(tmp_path, "models: natural-32\nstimuli: photos\nrules: exhaustive\noptions: "
                              "{device: cpu, max_draws: 100000}")  # fmt: skip
    with subprocess.Popen(
        [*COMMAND, "study", str(study)], env=os.environ | ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        while "to do" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Stopped by SIGTERM: all trials are kept; the same command goes on." in output
    (run,) = (tmp_path / "study" / "runs").iterdir()
    assert (run / "run.json").is_file()


def test_the_example(photos, tmp_path):
    """The paper's own study is sound, and runs on small models and drawn images."""
    study = Study.read(EXAMPLE)
    per_set = {"stable-diffusion-1.4": 4, "deepfloyd-if-m": 4, "janus-pro-1b": 2, "clip": 2,
               "resnet50": 1}  # fmt: skip
    counts = {name: sum(cell.model == name for cell in study.cells) for name in per_set}
    assert counts == {name: 3 * count for name, count in per_set.items()}
    text = EXAMPLE.read_text("utf-8")
    for name in ("stable-diffusion-1.4", "deepfloyd-if-m", "janus-pro-1b", "clip", "resnet50"):
        other = {"janus-pro-1b": "natural-32-ar", "resnet50": "natural-32-cnn"}.get(name)
        text = re.sub(rf"(?m)^  - (model: )?{re.escape(name)}\b.*\n",
                      "" if other is None else rf"  - \g<1>{other}\n", text)  # fmt: skip
    text = re.sub(r"\[edge.*?\]|\[contrast.*?\]|cue-conflict", "photos", text)
    text = text.replace("    dtype: bfloat16 ", "    seed: 0 #").replace(" 1600", " 4")
    text = re.sub(r"(?m)^  - photos.*\n", "", text, count=1)
    study = Study.read(written(tmp_path, text.replace("  - photos ", "  # "), "tiny.yaml"),
                       device="cpu")  # fmt: skip
    outcome = run_study(study, tmp_path / "out")
    assert not outcome.failures
    assert len(outcome.results) == 3
    assert outcome.results["images"].to_list() == [4, 4, 4]
