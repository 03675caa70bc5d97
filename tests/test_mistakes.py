"""Commands that cannot be understood: one sentence says what to type."""

from __future__ import annotations

import pytest

from builders import command, done, picture, sentence
from synthesight.cli import mistakes


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("version", "There is no command `synthesight version`: type `synthesight --version`."),
        ("modls", "There is no command `synthesight modls`: did you mean `synthesight models`."),
        ("data download x", "synthesight data get NAME"),
        ("train mine", "choose one of generative, tokens, discriminative."),
        ("classify a.png --classes cat dog", "as in --classes cat,dog."),
        ("classify a.png --class cat", "There is no option --class: type --classes cat,dog."),
        ("classify a.png --promt x", "There is no option --promt: did you mean --prompt."),
        ("classify --image a.png", "There is no option --image: give images without an option"),
        ("classify a.png --quiet", "`synthesight classify -h` lists what it takes."),
        ("evaluate natural-32 mine", "--stimuli is missing: type, for example, `synthesight eval"),
        ("evaluate --stimuli a --out b -m c --model d", "--model is given 2 times: give it once"),
        ("power --accuracy 0.8,0.7 --kappa 0.3", "--accuracy 0.8 --accuracy 0.7 --kappa 0.3`."),
    ],
)
def test_what_is_not_understood_is_answered_by_what_to_type(typed, said):
    result = command(*typed.split())
    assert result.returncode == 2
    assert said in sentence(result.stderr)


def test_a_command_alone_is_answered_by_its_help():
    result = command("data")
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: synthesight data ")


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


def test_a_reader_that_has_seen_enough_is_no_mistake(monkeypatch):
    def closed(**_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("synthesight.cli.main.app", closed)
    result = command("models")
    assert (result.returncode, result.stderr) == (141, "")


def test_what_is_wrong_beside_the_pixels_is_not_said(tmp_path, recwarn):
    picture(32).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    done("classify", tmp_path / "a.jpg", "--model", "natural-32-cnn", "--device", "cpu")
    assert [str(each.message) for each in recwarn if "EXIF" in str(each.message)] == []
