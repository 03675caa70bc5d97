"""The bibliography: whole entries, each key once, and every key that is used."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from synthesight.errors import SynthesightError
from synthesight.references import reference, references


def test_every_entry_is_whole_and_its_key_is_there_once():
    text = (files("synthesight") / "references.bib").read_text("utf-8")
    assert len(re.findall("^@", text, re.MULTILINE)) == len(references())
    for key, entry in references().items():
        assert entry.key == key
        assert entry.bibtex.count("{") == entry.bibtex.count("}")
        fields = set(re.findall(r"^  (\w+) = ", entry.bibtex, re.MULTILINE))
        assert {"title", "author"} <= fields
        assert "year" in fields or key == "synthesight"


def test_a_reference_is_a_key_or_a_whole_entry():
    assert reference("clark2023text").bibtex.startswith("@inproceedings{clark2023text,")
    own = "@misc{mine2026, title = {Mine}}"
    assert reference(own).bibtex == own
    with pytest.raises(SynthesightError, match="no reference 'nobody2020'"):
        reference("nobody2020")
