"""Commands that cannot be understood: one sentence says what to type."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest
import typer

import builders
from builders import ENVIRONMENT, command, done, picture, process, refused, sentence
from synthesight.cli import mistakes
from synthesight.cli.commands import translate, understood
from synthesight.cli.main import PANELS, app
from synthesight.cli.mistakes import all_commands
from synthesight.cli.words import EXAMPLES


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("modls", "There is no command `synthesight modls`: did you mean `synthesight models`."),
        ("list-models", "type `synthesight models`."),
        ("results runs/1", "type `synthesight report runs/1`."),
        ("rm runs/1", "a run is a folder, which you can delete as any other."),
        ("data download edge", "type `synthesight data get edge`."),
        ("train mine", "choose one of generative, tokens, discriminative."),
        ("cat.jpg", "type `synthesight classify cat.jpg`."),
        ("natural-32 cat.jpg --json", "type `synthesight classify cat.jpg --model natural-32 --js"),
        ("cue-conflict", "type `synthesight evaluate --stimuli cue-conflict`."),
        ("run eval.yaml", "type `synthesight study eval.yaml`."),
        ("data edge", "type `synthesight evaluate --stimuli edge`."),
        ("illusion duck-rabbit", "type `synthesight illusion classics --name duck-rabbit`."),
        ("eval.yaml", "type `synthesight study eval.yaml`."),
        (
            "classify a.png --class cat --class dog",
            "There is no option --class: type --classes cat,dog.",
        ),
        ("classify a.png --promt x", "There is no option --promt: did you mean --prompt."),
        ("classify --image a.png", "There is no option --image: give a.png without an option"),
        ("classify a.png --steps 50", "There is no option --steps: type --max-draws 50."),
        ("classify a.png --csv", "There is no option --csv: type --out results.csv."),
        ("classify a.png --gpu", "There is no option --gpu: type --device cuda."),
        ("classify a.png --quiet", "progress goes to standard error"),
        ("classify a.png --keep-draws", "it is an option of `synthesight evaluate`."),
        ("classify help", "Help is an option: type `synthesight classify -h`."),
        ("classify a.png -n 9", "or sample them by `synthesight evaluate --limit`."),
        ("classify a.png -c cat -c dog", "as in --classes cat,dog."),
        ("train --data mine", "give it after a command, as in `synthesight train generative --dat"),
        ("--model natural-32 classify a", "as in `synthesight classify --model`."),
        ("classify", "`synthesight classify` needs images: type, for example, `synthesight class"),
        ("report natural-32", "is a model and no run: type `synthesight evaluate natural-32"),
        ("evaluate --stimuli edge sketch", "as in --stimuli edge --stimuli sketch."),
        ("compare tests", "1 run is named: name two to compare."),
        ("compare runs/1 runs/2", "There is no run runs/1: check the path."),
        ("classify a.png cat dog", "'cat' is no file or folder: check the path, or write classes"),
        ("classify a[12] b[12]", "There is no file or folder a[12]: check the path."),
        ("evaluate --stimuli a,[b]", "There is no file or folder a,[b]: check the path."),
        (
            "evaluate --stimuli https://x.org/a,b.tar",
            "type `curl -Lo a,b.tar https://x.org/a,b.tar",
        ),
        ("datasets list", "type `synthesight data list`."),
        ("test tests --json", "type `synthesight evaluate --stimuli tests --json`."),
        ("calibrate natural-32", "`synthesight calibrate --self-generated 200 --out calibration."),
        ("evaluate s3://bucket/a", "`synthesight evaluate natural-32 --stimuli s3://bucket/a`."),
        ("help classify", "type `synthesight classify -h`."),
        (
            "evaluate --model hf --model_args x=y",
            "name the model itself, as in --model owner/",
        ),
        ("status tests/test_mistake.py", "There is no run"),
        ("classify tests/test_mistake.py", "did you mean tests/test_mistakes.py?"),
        ("classify a.png --rainbow", "`synthesight classify -h` lists what it takes."),
        (
            "classify a.png --seed x",
            "--seed should be a whole number: correct it, or leave it out",
        ),
        ("classify https://example.org/cat.jpg", "type `curl -Lo cat.jpg https://example.org/cat."),
        (
            "evaluate cue-conflict",
            "type, for example, `synthesight evaluate natural-32 --stimuli",
        ),
        ("evaluate --config eval.yaml", "type `synthesight study eval.yaml`"),
        ("evaluate -m natural-32 -m natural-32 --stimuli a", "natural-32 is given twice"),
        ("evaluate --stimuli a --resume", "the same command goes on with an unfinished run."),
        ("classify a.png -m c --model d", "--model is given 2 times: give it once"),
        ("export runs/1", "type, for example, `synthesight export runs/1 --out csv`."),
        ("power --accuracy 0.8 --kappa 0.3", "as in --accuracy 0.8,0.7."),
        ("models sd-1.5", "did you mean stable-diffusion-1.5."),
        ("data make drawn --out=new", "data make --from drawn --out=new --manipulation contrast`."),
        ("push runs/1", "needs runs and repository: type, for example, `synthesight push runs/1"),
        ("evaluate natural-32 --stimuli -", "save what is piped in as a file, and give its path."),
        ("demo now", "`synthesight demo` takes no 'now'"),
    ],
)
def test_what_is_not_understood_is_answered_by_what_to_type(typed, said):
    result = command(*typed.split())
    assert result.returncode == 2
    assert said in sentence(result.stderr)


def test_a_command_alone_is_answered_by_its_help():
    result = command("data")
    assert result.returncode == 2
    assert "Usage: synthesight data " in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("a.png --classes cat dog car", "a.png --classes cat,dog,car"),
        ("--classes cat, dog, car a.png --json", "--classes cat,dog,car a.png --json"),
        ("-c cat dog missing/a.png", "-c cat,dog missing/a.png"),
        ("--classes cat,dog photos", "--classes cat,dog photos"),
        ("--classes words.txt photos", "--classes words.txt photos"),
        ("--classes cat dog natural-32", "--classes cat,dog natural-32"),
        ("a.png --batch_size=8 --max_draws 4", "a.png --batch-size=8 --max-draws 4"),
        ("a.png -model natural-32", "a.png --model natural-32"),
        ("a.png --classes", "a.png --classes"),
        ("a.png -help", "a.png --help"),
        ("a.png --out=~/b.csv", f"a.png --out={Path.home()}/b.csv"),
        ("a.png --out=~", f"a.png --out={Path.home()}"),
        ("a.png --prompt=~{}~", "a.png --prompt=~{}~"),
    ],
)
def test_what_is_typed_is_read_as_it_is_meant(typed, read):
    command = typer.main.get_command(app).commands["classify"]  # type: ignore[attr-defined]
    assert understood(command, typed.split()) == read.split()


def test_a_class_that_is_a_folder_too_is_not_guessed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "car").mkdir()
    said = refused("classify", "cat.jpg", "--classes", "cat", "dog", "car")
    assert "car is a file or folder here, and may be a class: write commas" in said
    assert "--classes cat,dog,car" in said
    assert "--data car --out trained`" in refused("train", "car")
    (tmp_path / "my cat.jpg").touch()
    assert "write it in quotes, 'my cat.jpg'" in refused("classify", "my", "cat.jpg")


def test_a_parameter_of_another_command_is_named_with_it():
    refused("power", "--accuracy", "1", "--kappa", "0")  # the command that runs
    assert translate("give `keep_draws`, or `kappa=0.5`") == (
        "give `evaluate --keep-draws`, or --kappa 0.5"
    )


@pytest.mark.parametrize(
    "name", [name for name, one in all_commands(typer.main.get_command(app)) if not one.hidden]
)
def test_every_command_has_an_example_and_a_panel(name):
    assert EXAMPLES[name].startswith(name)
    top = typer.main.get_command(app).commands[name.split()[0]]  # type: ignore[attr-defined]
    assert top.rich_help_panel in PANELS


def test_help_has_panels_and_an_example_at_any_width():
    for columns in ("40", "80", "120"):
        with patch.dict(builders.ENVIRONMENT, COLUMNS=columns):
            said = done("evaluate", "--help")
        assert max(map(len, said.splitlines())) <= int(columns)
        assert "Example: synthesight evaluate" in " ".join(said.split())
        assert "repeatable." in said
        assert ("Decision" in said) == (columns != "40")
    assert "synthesight[app]" in done("app", "-h")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_of_few_letters_is_shown_what_it_has(encoding):
    few = {"env": os.environ | ENVIRONMENT | {"PYTHONIOENCODING": encoding}, "encoding": encoding}
    helped = process("evaluate", "-h", **few)
    assert helped.returncode == 0, helped.stderr
    assert "+- Decision -" in helped.stdout
    assert ("cat,dog,..." if encoding == "ascii" else "cat,dog,…") in helped.stdout
    assert "There is no run \\u9d28" in process("status", "鴨", **few).stderr


def test_places_to_write_to_have_the_names_of_other_programs(tmp_path):
    for option in ("--out", "--output", "-o"):
        folder = tmp_path / option.strip("-")
        result = command("data", "draw", "--classes", "cat,car", option, folder)
        assert result.returncode == 0, result.stderr
        assert (folder / "cat" / "cat1-car1.png").is_file()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(27, "File too large"),
            "The system refuses to read or write a file ([errno 27] fi",
        ),
        (OSError(28, "No space left"), "No space is left on the device that was written to"),
        (PermissionError(13, "Permission denied", "a"), "a cannot be used (permission denied)"),
        (MemoryError(), "Memory ran out"),
        (RuntimeError("Could not determine home directory."), "A path begins with ~"),
        (RuntimeError("a bug of ours"), None),
    ],
)
def test_errors_of_the_system_in_words(error, words):
    said = mistakes.in_words(error)
    assert said is None if words is None else said.startswith(words)


def test_a_reader_that_has_seen_enough_is_no_mistake():
    for words in (["models", "--json"], ["evaluate", "-h"]):
        read, write = os.pipe()
        os.close(read)
        result = process(*words, stdout=write)
        os.close(write)
        assert (result.returncode, result.stderr) == (141, "")


def test_what_is_wrong_beside_the_pixels_is_not_said(tmp_path, recwarn):
    picture(32).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    done("classify", tmp_path / "a.jpg", "--model", "natural-32-cnn", "--device", "cpu")
    assert [str(each.message) for each in recwarn if "EXIF" in str(each.message)] == []
