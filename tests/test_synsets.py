"""ImageNet's folders are called by synsets: their words, and the 16 categories that hold them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from builders import encoded, save_pictures
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.evaluation import evaluate
from synthesight.stimuli.categories import SIXTEEN, imagenet_to_16
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.stimulus import Stimulus
from synthesight.stimuli.synsets import CLASSES, coarse, sixteen_of, synsets
from test_evaluation import First


def test_the_table_has_the_classes_of_imagenet_in_their_order():
    numbers = list(synsets())
    assert numbers[:CLASSES] == sorted(numbers[:CLASSES])
    assert len(set(list(synsets().values())[:CLASSES])) == CLASSES
    known = {
        0: "tench",
        207: "golden retriever",
        281: "tabby",
        404: "airliner",
        999: "toilet tissue",
    }
    assert {index: synsets()[numbers[index]] for index in known} == known
    # What a category's classes are called is in the category's name, where that is so.
    of = sixteen_of()
    for category, word in (("bear", "bear"), ("elephant", "elephant")):
        names = [synsets()[numbers[index]] for index in imagenet_to_16()[category]]
        assert sum(word in name for name in names) >= len(names) / 2
    assert set(of.values()) == set(SIXTEEN)
    assert [of[n] for n in ("n02084071", "n02099601", "n02123045")] == ["dog", "dog", "cat"]


def test_folders_of_synsets_are_called_by_their_words(tmp_path):
    save_pictures(tmp_path / "val", "n02084071/1.png", "n02099601/2.png", "n99999999/3.png")
    with pytest.warns(SynthesightWarning, match=r"1 categories are synsets .*\(n99999999\)"):
        found = find_stimuli(tmp_path / "val")
    assert [s.category for s in found] == ["dog", "golden retriever", "n99999999"]
    assert [s.factors.get("synset") for s in found] == ["n02084071", "n02099601", None]
    assert found[0].id == "val/n02084071/1.png"
    assert [s.category for s in coarse(found, ["dog", "cat"])] == ["dog", "dog", "n99999999"]
    among = coarse(found, ["dog", "golden retriever"])
    assert [s.category for s in among][:2] == ["dog", "golden retriever"]


def test_a_run_shows_imagenet_by_its_16_categories(tmp_path):
    save_pictures(tmp_path / "val", "n02099601/1.png", "n02123045/2.png", "n01440764/3.png")
    with pytest.warns(SynthesightWarning, match="1 of 3 stimuli show other categories"):
        run = evaluate(First(), tmp_path / "val", tmp_path / "run", classes=["dog", "cat"])
    assert sorted(run.trials()["category"]) == ["cat", "dog"]


def test_a_range_is_part_of_what_makes_a_run_the_same(tmp_path):
    for n, name in enumerate(("cat", "dog")):
        folder = tmp_path / "deep" / name
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(encoded(Image.fromarray(np.full((8, 8), n + 9, np.uint16))))
    folder, out = tmp_path / "deep", tmp_path / "run"
    run = evaluate(First(), folder, out, range="0,4095")
    assert run.manifest["range"] == ["0,4095"]
    assert len(evaluate(First(), folder, out, range=(0, 4095)).trials()) == 2
    for other in (None, "1%,99%"):
        with pytest.raises(SynthesightError, match="holds a run with range"):
            evaluate(First(), folder, out, range=other)
    with pytest.raises(SynthesightError, match=r"`range='9'` is not black and white"):
        evaluate(First(), folder, tmp_path / "other", range="9")


def test_people_is_the_name_of_all_human_observers(tmp_path):
    shown = [Stimulus(f"{c}.png", encoded(Image.new("RGB", (8, 8))), "people", category=c)
             for c in ("cat", "dog")]  # fmt: skip
    with pytest.raises(SynthesightError, match="called 'people', which is the name of all human"):
        evaluate(First(), shown, tmp_path / "run")
