"""The command line, end to end, as users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from builders import (
    COMMAND,
    command,
    day_and_night,
    done,
    noise,
    picture,
    process,
    refused,
    save_pictures,
    sentence,
)
from synthesight.errors import SynthesightWarning
from synthesight.observers import registry
from synthesight.observers.generative import GenerativeClassifier
from synthesight.stimuli.categories import CIFAR10, SHARED_SEVEN
from synthesight.stimuli.make.drawn import drawn_objects, save
from synthesight.trials.store import Run

pytestmark = pytest.mark.filterwarnings("ignore")
CPU = ["--device", "cpu"]
QUICK = ["--max-draws", "8", *CPU, "--batch-size", "32"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Drawn objects of three categories, two each, in folders."""
    folder = tmp_path_factory.mktemp("photos")
    save(drawn_objects(shapes=("car", "cat", "boat"), per_category=2, size=48), folder)
    return folder


def test_help_and_import_do_not_import_torch():
    code = (
        "import sys, synthesight, synthesight.cli.main;"
        "heavy = ('numpy', 'torch', 'polars', 'diffusers', 'altair');"
        "sys.exit(any(module in sys.modules for module in heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    result = process("--help")
    assert result.returncode == 0
    for name in ("classify", "evaluate", "models", "demo", "train"):
        assert name in result.stdout


def test_version():
    assert process("--version").stdout.startswith("synthesight 0.")


def test_models_lists_and_filters():
    assert "natural-32" in command("models").stdout
    found = command("models", "stable-*").stdout
    assert "stable-diffusion-1.5" in found
    assert "natural-32" not in found
    assert "'nothing-*'" in refused("models", "nothing-*")


def test_classify_prints_a_table(photos):
    image = next((photos / "car").iterdir())
    result = command("classify", image, "--classes", "car,cat,boat", *QUICK)
    assert result.returncode == 0, result.stderr
    assert image.name in result.stdout
    for word in ("score", "draws", "network evaluations", "car", "cat", "boat"):
        assert word in result.stdout


@pytest.mark.parametrize("model", ["natural-32", "natural-32-cnn"])
def test_classify_writes_json_lines(photos, model):
    quick = QUICK if model == "natural-32" else CPU
    result = command(
        "classify", photos, "--model", model, "--classes", "car,cat,boat", "--json", *quick
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(records) == 6
    for record in records:
        assert record["response"] in ("car", "cat", "boat")
        assert record["classes"] == ["car", "cat", "boat"]
        assert Path(record["path"]).name == Path(record["image"]).name
        assert sum(record["score"]) == pytest.approx(1, abs=1e-4)
        assert record["evidence"][record["classes"].index(record["response"])] == 0
    if model == "natural-32":
        assert all(0 < record["evaluations"] <= 24 for record in records)


def test_classify_writes_tables(photos, tmp_path):
    broken = save_pictures(tmp_path, "broken.png")
    broken.write_bytes(b"broken")
    model = ["--model", "natural-32-cnn", "--classes", "car", "cat", *CPU]
    for kind, read in {
        "csv": pl.read_csv, "parquet": pl.read_parquet, "jsonl": pl.read_ndjson,
        "json": pl.read_json,
    }.items():  # fmt: skip
        out = tmp_path / f"results.{kind}"
        result = command("classify", photos, broken, *model, "-o", out)
        assert result.returncode == 2
        assert f"7 images are in {out}." in result.stdout
        table = read(out)
        assert len(table) == 7
        assert table["error"].null_count() == 6
        if kind == "csv":
            whole = table.drop_nulls("response")
            assert (whole["score_car"] + whole["score_cat"] - 1).abs().max() < 1e-4
        else:
            assert table["classes"].to_list()[0] in (["car", "cat"], None)
    assert "end it in .csv, .parquet, .json or .jsonl" in refused(
        "classify", photos, *model, "-o", tmp_path / "results.xlsx"
    )


def test_several_models_are_evaluated_compared_and_reported(photos, tmp_path, monkeypatch):
    import shutil

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(tmp_path))
    other = shutil.copytree(registry.ZOO / "natural-32-cnn", tmp_path / "other")
    shown = done("evaluate", "natural-32-cnn", "-m", other, "--stimuli", photos, *CPU)
    runs = [Path(f"runs/{name}-{photos.name}") for name in ("natural-32-cnn", "other")]
    assert [len(Run.open(run)) for run in runs] == [6, 6]
    assert "95 % interval" in shown
    assert f"synthesight compare {runs[0]} {runs[1]}" in shown
    line = json.loads(done("compare", "runs", "--json", "--resamples", "50", "-o", "a.parquet"))
    assert line["measure"] == "accuracy"
    assert (line["estimate"], line["p_holm"], line["dataset"], line["n"]) == (0, 1, "all", 6)
    assert "p (Holm)" in done("compare", *runs)
    assert "for shape_bias" in refused("compare", *runs, "--measure", "accuracy", "--measure",
                                  "shape_bias")  # fmt: skip
    assert pl.read_parquet("a.parquet")["n"].to_list() == [6]
    assert "6 of 6" in done("status", "runs")
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert "12 trials in 1 dataset" in done("report", "--open", "--resamples", "2")
    assert opened == [(tmp_path / "report" / "index.html").as_uri()]


def test_what_is_known_of_models_and_of_this_machine():
    (entry,) = json.loads(done("models", "natural-32", "--json"))
    assert (entry["source"], entry["resolution"]) == ("bundled", 32)
    facts = json.loads(done("info", "--json"))
    assert facts["versions"]["synthesight"] == done("version").split()[1]
    assert "natural-32" in facts["bundled models"]
    assert "timm" in facts["extras"]
    assert "GiB free" in done("info")


@pytest.mark.parametrize("rule", ["exhaustive", "staged", "repeated-t"])
def test_rules_and_prompts_can_be_chosen(photos, rule):
    image = next((photos / "cat").iterdir())
    result = command(
        "classify", image, "--classes", "car,cat", "--rule", rule, "--json",
        "--prompt", "a {class}", "--prompt", "the {class}", "--weighting", "elbo", *QUICK,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    if rule == "exhaustive":
        assert json.loads(result.stdout)["evaluations"] == 16


def test_a_model_chooses_among_the_classes_that_it_knows(photos):
    image = next((photos / "car").iterdir())
    result = command("classify", image, *QUICK, "--json")
    assert tuple(json.loads(result.stdout)["classes"]) == CIFAR10


def test_bad_choices_are_one_sentence(photos, tmp_path):
    image = next((photos / "car").iterdir())
    cases = {
        "at least two classes": ["--classes", "cat"],
        "'cat' is there twice": ["--classes", "cat,dog,cat"],
        "{class}": ["--classes", "cat,dog", "--prompt", "a photo"],
        "did you mean natural-32": ["--classes", "cat,dog", "--model", "natral-32"],
        "--delta": ["--classes", "cat,dog", "--delta", "2"],
        "--max-draws": ["--classes", "cat,dog", "--max-draws", "0"],
        "--rule": ["--classes", "cat,dog", "--rule", "best"],
        "jaini, epsilon, elbo, uniform": ["--classes", "cat,dog", "--weighting", "x"],
        "There is no device": ["--classes", "cat,dog", "--device", "abacus"],
        "--dtype": ["--classes", "cat,dog", "--dtype", "int8"],
        "--batch-size": ["--classes", "cat,dog", "--batch-size", "0"],
        "was not trained to tell 'sofa'": ["--model", "natural-32-cnn", "--classes", "cat,sofa"],
    }
    for words, options in cases.items():
        assert words in refused("classify", image, *options)
    assert "no file or folder" in refused("classify", tmp_path / "no.png", "--classes", "a,b")
    (tmp_path / "empty").mkdir()
    assert "No images" in refused("classify", tmp_path / "empty", "--classes", "a,b")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_index.json").write_text("{}")
    refused("classify", image, "--classes", "a,b", "--model", tmp_path / "model")


def test_broken_images_are_refused_alone(photos, tmp_path):
    whole = next((photos / "car").iterdir()).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "words.png").write_text("words")
    for name, words in {"cut": "truncated", "empty": "empty", "words": "not an image"}.items():
        sentence = refused("classify", tmp_path / f"{name}.png", "--classes", "cat,dog", *QUICK)
        assert words in sentence
        assert f"{name}.png" in sentence


def test_odd_images_are_classified(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    rgb = Image.fromarray(base)
    rgb.convert("CMYK").save(tmp_path / "cmyk.jpg")
    rgb.convert("P").save(tmp_path / "palette.png")
    rgb.convert("RGBA").save(tmp_path / "alpha.png")
    rgb.convert("LA").save(tmp_path / "grey-alpha.png")
    Image.fromarray(base[..., 0].astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    rgb.save(tmp_path / "moving.gif", save_all=True, append_images=[picture((30, 40))])
    result = command("classify", tmp_path, "--classes", "cat,dog", "--json", *QUICK)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 6


def test_three_broken_images_among_many(tmp_path):
    """997 of 1,000 are classified, the 3 are listed, and the exit code says so."""
    folder = tmp_path / "many"
    rng = np.random.default_rng(0)
    for category in ("cat", "dog"):
        (folder / category).mkdir(parents=True)
        for i in range(500):
            noise(rng, 8).save(folder / category / f"{i:03}.png")
    for name in ("cat/003.png", "cat/499.png", "dog/250.png"):
        (folder / name).write_bytes(b"broken")
    out = tmp_path / "run"
    result = command("evaluate", "--stimuli", folder, "--out", out, "--model", "natural-32-cnn")
    assert result.returncode == 2
    assert "3 of 1000 images could not be read" in result.stderr
    assert result.stderr.count("not an image") == 3
    trials = Run.open(out).trials()
    assert len(trials) == 1000
    assert trials["response"].null_count() == 3
    assert trials.filter(pl.col("error").is_not_null()).height == 3


def test_evaluate_writes_a_run_and_shards_add_up(photos, tmp_path):
    options = ["--stimuli", photos, *QUICK]
    assert "accuracy" in done("evaluate", *options, "--out", tmp_path / "whole")
    for shard in ("1/3", "2/3", "3/3"):
        assert (
            command("evaluate", *options, "--out", tmp_path / "parts", "--shard", shard).returncode
            == 0
        )
    whole, parts = Run.open(tmp_path / "whole"), Run.open(tmp_path / "parts")
    columns = ["stimulus", "category", "response", "draws", "evaluations", "stopped", "seed"]
    assert whole.trials().select(columns).equals(parts.trials().select(columns))
    np.testing.assert_allclose(
        whole.trials()["evidence"].explode(), parts.trials()["evidence"].explode(), atol=1e-4
    )
    assert whole.manifest["observer"]["rule"]["name"] == "sequential"
    assert whole.manifest["versions"]["torch"]
    assert whole.manifest["device"] == "cpu"
    assert "--shard" in refused("evaluate", *options, "--out", tmp_path / "x", "--shard", "4/3")
    other = refused("evaluate", *options, "--out", tmp_path / "whole", "--seed", "1")
    assert "seed" in other
    assert "another --out" in other


def test_names_in_brackets_are_shown(tmp_path):
    save_pictures(tmp_path, "photo [final].png", size=32)
    result = command(
        "classify", tmp_path / "photo [final].png", "--model", "natural-32", "--classes",
        "[x]cat,dog", *QUICK,
    )  # fmt: skip
    assert "photo [final].png" in result.stdout
    assert "[x]cat" in result.stdout


def test_other_categories_are_left_out(photos, tmp_path):
    out = tmp_path / "run"
    with pytest.warns(SynthesightWarning, match="2 of 6 stimuli show other categories"):
        result = command(
            "evaluate", "--stimuli", photos, "--out", out, "--classes", "automobile,cat", *QUICK
        )
    assert result.returncode == 0, result.stderr
    trials = Run.open(out).trials()
    # As the stimuli spell them, and other observers of them.
    assert sorted(trials["category"].unique()) == ["car", "cat"]
    assert set(trials["response"]) <= {"car", "cat"}
    message = refused("evaluate", "--stimuli", photos, "--out", tmp_path / "y", "--classes", "a,b")
    assert "No stimulus" in message


@pytest.fixture
def interruptible():
    """Let Ctrl-C stop what a shell runs in the background, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupted_run_resumes_and_loses_nothing(tmp_path, monkeypatch):
    folder = tmp_path / "stimuli"
    save(drawn_objects(shapes=SHARED_SEVEN, per_category=2, size=32), folder)
    options = [
        "--stimuli", str(folder), "--max-draws", "3", "--rule", "exhaustive",
        "--device", "cpu", "--batch-size", "16",
    ]  # fmt: skip
    out = tmp_path / "run"
    answers = GenerativeClassifier.respond

    def interrupted(*arguments, **keywords):
        for number, response in enumerate(answers(*arguments, **keywords), start=1):
            yield response
            if number == 10:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(GenerativeClassifier, "respond", interrupted)
    result = command("evaluate", *options, "--out", out)
    assert result.returncode == 130, result.stdout + result.stderr
    assert "same command" in result.stdout
    assert "Traceback" not in result.stderr
    assert len(Run.open(out).trials()) == 10
    monkeypatch.undo()
    done("evaluate", *options, "--out", out)
    done("evaluate", *options, "--out", tmp_path / "whole")
    columns = ["stimulus", "response", "draws", "evaluations"]
    resumed, whole = Run.open(out).trials(), Run.open(tmp_path / "whole").trials()
    assert resumed.select(columns).equals(whole.select(columns))


def test_pickled_weights_are_refused(photos, tmp_path):
    import shutil

    folder = tmp_path / "pickled"
    shutil.copytree(registry.ZOO / "natural-32", folder)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    image = next((photos / "car").iterdir())
    sentence = refused("classify", image, "--classes", "car,cat", "--model", folder)
    assert "safetensors" in sentence


def test_a_seed_chooses_the_same_sample_for_every_observer(photos, tmp_path):
    samples = {}
    for model, options in {"natural-32": QUICK, "natural-32-cnn": CPU}.items():
        for seed in ("1", "2"):
            out = tmp_path / f"{model}-{seed}"
            result = command(
                "evaluate", "--stimuli", photos, "--classes", "car,cat,boat", "--limit", "3",
                "--seed", seed, "--model", model, "--out", out, *options,
            )  # fmt: skip
            assert result.returncode == 0, result.stderr
            samples[model, seed] = set(Run.open(out).trials()["stimulus"])
    assert samples["natural-32", "1"] == samples["natural-32-cnn", "1"]
    assert samples["natural-32", "2"] == samples["natural-32-cnn", "2"]
    assert samples["natural-32", "1"] != samples["natural-32", "2"]


def test_training_writes_models_that_can_be_used(photos, tmp_path):
    image = next((photos / "car").iterdir())
    lengths = {"generative": ["--steps", "1"], "discriminative": ["--epochs", "1"]}
    for kind, length in lengths.items():
        # A step of the network takes 128 images; of each, the other fits its weighting.
        data = day_and_night(tmp_path / f"{kind}.parquet", 24 if kind == "generative" else 128)
        options = ["train", kind, "--data", data, "--out", tmp_path / kind, "--device", "cpu"]
        result = command(*options, *length)
        assert result.returncode == 0, result.stderr
        # Bars are not among results, and those of libraries nowhere.
        assert "Decoding images" not in result.stdout
        assert "Loading weights" not in result.stderr
        folder = tmp_path / kind / "model"
        assert str(folder) in result.stdout.replace("\n", "")
        result = command(
            "classify", image, "--model", folder, "--classes", "day,night", "--json",
            *(QUICK if kind == "generative" else CPU),
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["response"] in ("day", "night")
        again = refused(*options, *length, "--seed", "1") if kind == "generative" else ""
        assert "another --out" in again or kind == "discriminative"
    assert "no such file" in refused(
        "train", "generative", "--data", tmp_path / "no", "--out", tmp_path / "z"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_sentence(photos):
    image = next((photos / "car").iterdir())
    for options in ([], ["--json"]):
        with Path("/dev/full").open("w") as full:
            result = process(
                "classify", image, "--model", "natural-32-cnn", *CPU, *options, stdout=full
            )
        assert result.returncode == 2
        assert "No space is left on the device" in sentence(result.stderr)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupted_classify_says_so(tmp_path):
    save(drawn_objects(shapes=SHARED_SEVEN, per_category=8, size=32), tmp_path)
    work = subprocess.Popen(
        [*COMMAND, "classify", str(tmp_path), *CPU, "--model", "natural-32-ar",
         "--classes", "car,cat", "--batch-size", "1", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert json.loads(work.stdout.readline())  # the first of 56 images
    work.send_signal(signal.SIGINT)
    _, errors = work.communicate(timeout=60)
    assert work.returncode == 130
    assert errors.strip().splitlines()[-1] == "synthesight: Stopped."
    assert "Traceback" not in errors
