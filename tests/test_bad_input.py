"""What users get wrong: each a sentence that names file, row and remedy, and exit code 2."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from builders import command, done, encoded, picture, process, refused, save_pictures, sentence
from synthesight.cli.output import response_table
from synthesight.errors import SynthesightError
from synthesight.observers.response import Response
from synthesight.stimuli.arrays import as_stimuli
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.store import Run

HEADER = "subj,session,trial,rt,object_response,category,condition,imagename\n"
GOOD = "m,1,1,NaN,cat,cat,c10,0001_x_cat1.png\n"


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """Write a file of trials of `contrast`, and give its path."""
    monkeypatch.delenv("SYNTHESIGHT_DATA", raising=False)

    def trials(text, observer="m"):
        path = tmp_path / "contrast" / f"contrast_{observer}_session_1.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return trials


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (HEADER.replace("category,", "") + GOOD, ", line 2", "there are 8 fields for 7 columns"),
        (HEADER + GOOD + GOOD.replace("cat,cat", "cat,yak"), ", line 3", "category 'yak' is none"),
        (
            HEADER + GOOD.replace("m,1,1,NaN,cat", "n,1,1,NaN,yak") * 2,
            ", line 2",
            "'yak' 2×; shown",
        ),
        (HEADER + GOOD + GOOD.replace("c10", "c07"), ", line 3", "contrast has no condition 'c07'"),
        (HEADER + GOOD + GOOD.replace("c10", ""), ", line 3", "there is no condition of"),
        (HEADER + GOOD.replace("NaN", "fast"), ", line 2", "rt 'fast' is no number: correct it"),
    ],
)
@pytest.mark.parametrize("command", ["report", "export"])
def test_a_mistake_in_a_file_of_trials(trials, tmp_path, text, place, words, command):
    trials(HEADER + GOOD, "another")
    path = trials(text)
    said = refused(command, path.parent, "--out", tmp_path / "out")
    assert said.startswith(f"synthesight: {path}{place}")
    assert words in said
    assert not (tmp_path / "out").exists()


def test_files_without_trials(trials, tmp_path):
    path = trials(HEADER)
    said = refused("report", path.parent, "--out", tmp_path / "out")
    assert f"{path} has no trials, only the names of columns" in said


@pytest.mark.parametrize("command", ["report", "export"])
def test_a_half_written_part(tmp_path, command):
    run = Run.create(tmp_path / "run", {})
    row = {"observer": "m", "dataset": "edge", "category": "cat", "response": "cat"}
    run.append([{**row, "stimulus": f"edge/cat/{n}.png"} for n in range(200)])
    (part,) = run.folder.glob("part-*")
    part.write_bytes(part.read_bytes()[:-200])
    said = refused(command, run.folder, "--out", tmp_path / "out")
    assert (
        f"{part} is damaged (its content is not what was written): run `synthesight check" in said
    )


def test_observers_who_share_no_image_are_named_and_the_rest_is_reported(trials, tmp_path):
    trials(HEADER + GOOD + GOOD.replace("cat1.png", "cat2.png"))
    trials(HEADER + GOOD.replace("m,", "other,").replace("cat1.png", "dog1.png"), "other")
    options = ("--out", tmp_path / "out", "--resamples", "9")
    result = command("report", tmp_path / "contrast", *options)
    assert result.returncode == 2
    said = result.stderr.splitlines()[-1]
    assert (
        "In contrast, no image of m (such as 0001_x_cat1.png, 0001_x_cat2.png), of other (" in said
    )
    assert "show all the same images" in said
    assert said.removeprefix("synthesight: ") in (tmp_path / "out" / "index.html").read_text()


def test_a_condition_without_images(tmp_path):
    said = refused(
        "data", "make", "--from", tmp_path, "--manipulation", "contrast", "--out", tmp_path / "out"
    )
    assert f"No images in the folder {tmp_path}" in said


def test_a_training_on_a_device_that_is_not_there(tmp_path):
    for kind in ("generative", "discriminative"):
        said = refused("train", kind, "--data", "x", "--out", tmp_path, "--device", "abacus")
        assert "There is no device 'abacus'" in said


def test_two_stimuli_of_one_name_are_not_lost(tmp_path):
    for parent in "ab":
        save_pictures(tmp_path / parent / "photos", "cat/1.png", "dog/1.png")
    where = [f"--stimuli={tmp_path / parent / 'photos'}" for parent in "ab"]
    options = ["--out", tmp_path / "run", "--model", "natural-32-cnn", "--device", "cpu"]
    said = refused("evaluate", *where, *options)
    assert "Two of the stimuli are called photos/cat/1.png" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "sign"),
    [
        (["--weighting", "elbo"], "leave out --weighting"),
        (["--max-draws", "9"], "leave out --max-draws"),
        (["--batch-size", "8"], "leave out --batch-size"),
        (["--dtype", "float32"], "leave out --dtype"),
        (["--prompt", "a {class}"], "leave out --prompt"),
    ],
)
def test_options_that_a_discriminative_network_has_no_use_for(tmp_path, options, sign):
    save_pictures(tmp_path, "a.png", size=32)
    said = refused("classify", tmp_path / "a.png", "--model", "natural-32-cnn", *options)
    assert "natural-32-cnn is a discriminative network" in said
    assert sign in said


def test_options_that_another_option_leaves_without_use(tmp_path):
    save_pictures(tmp_path, "a.png", size=32)
    said = refused("classify", tmp_path / "a.png", "--rule", "staged", "--delta", "0.05")
    assert "The rule staged has no --delta 0.05: leave it out." in said
    (tmp_path / "labels.json").write_text('{"cat": ["a cat"], "dog": ["a dog", "a puppy"]}')
    labels = ["--labels", tmp_path / "labels.json", "--classes", "cat,dog"]
    said = refused("classify", tmp_path / "a.png", *labels, "--prompt", "a {class}")
    assert "leave out --prompt" in said


def test_a_seed_is_not_negative(tmp_path):
    for arguments in (
        ["data", "draw", "--out", tmp_path / "d", "--seed", "-1"],
        ["power", "--accuracy", "0.8", "--accuracy", "0.7", "--kappa", "0.3", "--seed", "-1"],
    ):
        assert "--seed -1 cannot be: give 0 to 4294967295." in refused(*arguments)


def test_labels_are_lists(tmp_path):
    save_pictures(tmp_path, "a.png", size=32)
    (tmp_path / "labels.json").write_text('{"cat": "281", "dog": ["151"]}')
    said = refused("classify", tmp_path / "a.png", "--labels", tmp_path / "labels.json")
    assert "labels.json cannot be read: give a JSON file" in said


def test_folders_that_hold_other_classifiers(tmp_path):
    save_pictures(tmp_path, "a.png", size=32)
    folder = tmp_path / "vit"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"cut")
    for text, words in (
        ('{"architectures": ["ViTForImageClassification"]}', f"--model transformers:{folder}"),
        ("{", "config.json is not valid JSON: get it anew"),
        ("[1]", "config.json is not a JSON object: get it anew"),
    ):
        (folder / "config.json").write_text(text)
        assert words in refused("classify", tmp_path / "a.png", "--model", folder)
    (folder / "config.json").write_text(
        '{"labels": ["cat", "dog"], "widths": [8, 8], "blocks": 1, "resolution": 32}'
    )
    assert "is damaged" in refused("classify", tmp_path / "a.png", "--model", folder)


def test_a_file_where_a_folder_must_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    said = refused("data", "get", "edge", "--data", tmp_path / "file")
    assert "file cannot be used (file exists): check the path" in said
    long = tmp_path / ("x" * 300)
    save_pictures(tmp_path, "a.png", size=32)
    said = refused("classify", tmp_path / "a.png", "--model", long)
    assert "cannot be used (file name too long)" in said


@pytest.mark.parametrize("label", [["cat"], b"\xff"])
def test_labels_that_are_no_text(tmp_path, label):
    save_pictures(tmp_path, "a.png", size=32)
    pl.DataFrame({"image": [encoded(picture())], "label": [label]}).write_parquet(
        tmp_path / "t.parquet"
    )
    said = refused("classify", tmp_path / "t.parquet")
    assert "t.parquet: the column 'label' must hold text or numbers" in said


def test_a_hash_has_nothing_to_check_where_the_dataset_is(tmp_path):
    (tmp_path / "edge").mkdir()
    said = refused("data", "get", "edge", "--data", tmp_path, "--sha256", "00ff")
    assert "leave out --sha256" in said


def test_a_shard_in_other_digits(tmp_path):
    options = ["--stimuli", tmp_path, "--out", tmp_path / "run"]
    assert "--shard ²/3 is no part" in refused("evaluate", *options, "--shard", "²/3")


def test_there_must_be_labels_to_combine(tmp_path):
    save_pictures(tmp_path, "a.png", size=32)
    said = refused("classify", tmp_path / "a.png", "--classes", "cat,dog", "--combine", "best")
    assert "natural-32 has one text a class and nothing to combine: leave out --combine" in said


def test_a_limit_leaves_the_choice_what_it_is(tmp_path):
    save_pictures(tmp_path / "photos", "cat/1.png", "dog/1.png", "truck/1.png")
    for limit in (1, 2):
        out = tmp_path / f"run-{limit}"
        done(
            "evaluate", "--stimuli", tmp_path / "photos", "--out", out, "--limit", limit,
            "--model", "natural-32-cnn", "--device", "cpu",
        )  # fmt: skip
        assert Run.open(out).manifest["classes"] == ["cat", "dog", "truck"]
        assert len(Run.open(out).trials()) == limit


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((0, 0, 3), np.uint8), "has no pixels"),
        ([picture((0, 5))], "has no pixels"),
        (None, "None is no image: give paths"),
        (3, "3 is no image: give paths"),
    ],
)
def test_what_is_no_image(images, words):
    with pytest.raises(SynthesightError, match=words):
        as_stimuli(images)


def test_stimuli_without_categories_need_classes(tmp_path):
    save_pictures(tmp_path, "1.png")
    said = refused("evaluate", "--stimuli", tmp_path, "--out", tmp_path / "run")
    assert "The stimuli have no categories: give --classes" in said


def test_paths_and_names_that_are_empty(tmp_path, monkeypatch):
    save_pictures(tmp_path, "1.png")
    monkeypatch.chdir(tmp_path)
    assert "A path is empty" in refused("classify", "")
    said = refused("evaluate", "--stimuli", "", "--out", tmp_path / "run", "--classes", "a,b")
    assert "A path is empty" in said
    said = refused("classify", tmp_path / "1.png", "--model", "")
    assert "The name of a model is empty" in said


def test_a_weighting_on_the_command_line_is_a_name(tmp_path):
    save_pictures(tmp_path, "1.png")
    said = refused("classify", tmp_path / "1.png", "--weighting", "foo")
    assert "choose one of jaini, epsilon, elbo, uniform" in said
    assert "table" not in said


def test_a_study_that_should_see_no_difference():
    options = ["--accuracy", "0.8", "--accuracy", "0.7", "--kappa", "0.3"]
    assert "--difference 0.0 is none to see" in refused("power", *options, "--difference", "0")


def test_a_warning_is_one_sentence(tmp_path):
    """In a process of its own: a library may have warned before, and pytest catches warnings."""
    save_pictures(tmp_path, "1.png")
    result = process(
        "classify", tmp_path / "1.png", "--json", "--max-draws", "1", "--batch-size", "2",
        "--classes", f"{'cat ' * 1000},dog",
    )  # fmt: skip
    assert result.returncode == 0
    said = sentence(result.stderr)
    assert said.startswith(
        "synthesight: A prompt is too long for the text encoder, which does not "
    )
    assert said.endswith(": shorten the --prompt or the names of the classes.")


def test_the_winner_of_a_tie_is_the_first_row():
    classes = ["a", "b", "c"]
    for winner in range(3):
        values = np.array([0.5, 0.0, 0.0]) if winner else np.zeros(3)
        one = Response(
            Stimulus(id="x", source=b""), classes[winner], values, np.ones(3) / 3, np.zeros(3),
            np.ones(3, dtype=np.int64), 3, "decided",
        )  # fmt: skip
        table = response_table(one, classes)
        assert next(iter(table.columns[0].cells)) == one.response
