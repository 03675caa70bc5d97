"""Commands that cannot be understood: one sentence says what to type."""

from __future__ import annotations

import pytest

from builders import command, sentence


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("version", "There is no command `synthesight version`: type `synthesight --version`."),
        ("modls", "There is no command `synthesight modls`: did you mean `synthesight models`."),
        ("data download x", "synthesight data get NAME"),
        ("train mine", "choose one of generative, discriminative."),
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
