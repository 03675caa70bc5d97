"""One vocabulary of categories: spelling, synonyms, and the words of a prompt."""

from __future__ import annotations

from synthesight.observers.prompts import write_prompts
from synthesight.stimuli.categories import SIXTEEN, SYNONYMS, Vocabulary, canonical, words


def test_synonyms_are_one_category():
    assert canonical("Automobile") == canonical("car") == "car"
    assert canonical("ship") == "boat"
    assert canonical("deer") == "deer"
    assert {canonical(name) for name in SYNONYMS} <= set(SIXTEEN)


def test_case_blanks_underscores_and_hyphens_make_no_difference():
    spellings = ("alarm clock", "Alarm_Clock", "alarm-clock", " alarm  clock ")
    assert {canonical(name) for name in spellings} == {"alarm clock"}
    assert canonical("Computer-Keyboard") == "keyboard"
    assert canonical("-1") != canonical("1")


def test_names_of_folders_become_words_before_they_enter_a_prompt():
    assert words("alarm_clock") == "alarm clock"
    assert words("T-shirt") == "T-shirt"
    assert words("_") == "_"
    prompts, _ = write_prompts(["alarm_clock", "cat"], ["A {class}"])
    assert prompts == ["A alarm clock", "A cat"]


def test_the_first_spelling_holds():
    vocabulary = Vocabulary(["car", "A", "a"], ["automobile", "teddy_bear"])
    assert [vocabulary.spelled(name) for name in ("Automobile", "A", "a", "Teddy Bear")] == [
        "car", "A", "a", "teddy_bear",
    ]  # fmt: skip
    assert vocabulary.spelled("yak") == "yak"
    assert "YAK" not in vocabulary
    assert "CAR" in vocabulary
