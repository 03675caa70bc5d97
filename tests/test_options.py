"""Options: the same names and words in Python, on the command line and in a run's record."""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import typer
from PIL import Image

import synthesight
from synthesight.cli.commands import flags, translate
from synthesight.cli.main import app
from synthesight.cli.options import split_or_file
from synthesight.likelihood import rules
from synthesight.likelihood.opening import open_pipeline
from synthesight.observers import options, registry
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.options import EvaluateOptions, ModelOptions

OWN = {"load": {"model"}, "evaluate": {"model", "stimuli", "out", "progress"}}


@pytest.mark.parametrize(
    ("kind", "keywords"),
    [(ModelOptions, options.ModelKeywords), (EvaluateOptions, options.EvaluateKeywords)],
)
def test_checkers_and_python_know_the_same_options(kind, keywords):
    fields = {each.name: each.type for each in dataclasses.fields(kind)}
    assert {name: own.__forward_arg__ for name, own in keywords.__annotations__.items()} == fields


@pytest.mark.parametrize(
    ("function", "kind"), [("load", ModelOptions), ("evaluate", EvaluateOptions)]
)
def test_signatures_name_each_option(function, kind):
    shown = inspect.signature(getattr(synthesight, function)).parameters
    names = [each.name for each in dataclasses.fields(kind)]
    assert [name for name in shown if name not in OWN[function]] == names
    for each in dataclasses.fields(kind):
        assert shown[each.name].default == each.default


@pytest.mark.parametrize(
    ("name", "kind", "own"),
    [
        ("classify", ModelOptions, {"model", "out", "json", "range", "map", "of", "against"}),
        ("evaluate", EvaluateOptions, {"model", "stimuli", "out", "print_sbatch"}),
    ],
)
def test_the_command_line_has_the_options_of_python(name, kind, own):
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    names = {each.name for each in dataclasses.fields(kind)}
    assert set(flags(command)) - own - {"help"} == names
    for each in dataclasses.fields(kind):
        assert flags(command)[each.name] == "--" + each.name.replace("_", "-")


def test_a_classifier_takes_the_same_names():
    # Of the model, which is open already.
    elsewhere = {
        "config",
        "lora",
        "without",
        "quantise",
        "resolution",
        "device",
        "dtype",
        "protocol",
        "smoothing",
        "test_noise",
        "calibration",  # of any observer, once it is open
    }
    names = {each.name for each in dataclasses.fields(ModelOptions)} - elsewhere
    assert names <= set(inspect.signature(GenerativeClassifier).parameters)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("leave out `batch_size`", "leave out --batch-size"),
        ("`max_draws=50` cannot be", "--max-draws 50 cannot be"),
        ("as in `classes=['cat', 'dog']`.", "as in --classes cat,dog."),
        ("There is no `rule='best'`:", "There is no --rule best:"),
        ("`prompt='A {class}'` is", '--prompt "A {class}" is'),
        ("`source=photos`", "--from photos"),
        ("`synthesight models` lists them", "`synthesight models` lists them"),
        ("`resamples=0` is none", "`resamples=0` is none"),
    ],
)
def test_messages_are_translated_into_options(message, said):
    words = {"batch_size", "max_draws", "classes", "rule", "prompt"}
    known = {name: "--" + name.replace("_", "-") for name in words} | {"source": "--from"}
    assert translate(message, known) == said


@pytest.mark.parametrize("typed", ["cat,dog", "[cat, dog]", "['cat', \"dog\"]", "(cat,dog)"])
def test_classes_may_be_written_as_python_does(typed):
    assert split_or_file(typed) == ["cat", "dog"]


def test_flags_are_those_that_a_command_has():
    def command(
        out: str, count: Annotated[int, typer.Option("-n", "--many")] = 1, quiet: bool = False
    ) -> None: ...

    alone = typer.Typer(add_completion=False)
    alone.command()(command)
    assert flags(typer.main.get_command(alone)) == {
        "count": "--many",
        "quiet": "--quiet",
    }


def test_a_record_can_be_kept_as_json():
    given = ModelOptions(
        classes=("cat", "dog"),
        rule=rules.Exhaustive(8),
        weighting=np.array([1.0, 0.5]),
        labels=Path("labels.json"),
        seed=0,
    )
    record = json.loads(json.dumps(given.record()))
    assert record == {
        "classes": ["cat", "dog"],
        "rule": "Exhaustive(max_draws=8)",
        "weighting": [1.0, 0.5],
        "labels": "labels.json",
    }


def test_a_run_records_the_options_and_sources_are_text(tmp_path):
    for category in ("cat", "dog", "truck"):
        (tmp_path / "photos" / category).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / category / "1.png")
    with pytest.warns(synthesight.errors.SynthesightWarning, match="1 of 3 stimuli show other"):
        run = synthesight.evaluate(
            "natural-32-cnn", str(tmp_path / "photos"), tmp_path / "run",
            classes=["cat", "dog"], device="cpu", shard="1/2",
        )  # fmt: skip
    assert run.manifest["options"] == {
        "model": "natural-32-cnn",
        "classes": ["cat", "dog"],
        "device": "cpu",
        "shard": "1/2",
        "stimuli": [str(tmp_path / "photos")],  # where a gallery finds them
    }
    assert len(run.trials()) == 1
    observer = synthesight.load("natural-32-cnn", device="cpu")
    sources = [tmp_path / "photos" / name for name in ("cat", "dog")]
    both = synthesight.evaluate(observer, sources, tmp_path / "two", classes=["cat", "dog"])
    assert len(both.trials()) == 2
    with pytest.raises(synthesight.SynthesightError, match="already: leave out `delta`"):
        synthesight.evaluate(observer, sources, tmp_path / "three", delta=0.1)


def test_an_observer_is_returned_and_objects_are_opened():
    observer = synthesight.load("natural-32-cnn", device="cpu")
    assert synthesight.load(observer) is observer
    generative = synthesight.load("natural-32", device="cpu", rule="exhaustive", max_draws=9)
    assert isinstance(generative, GenerativeClassifier)
    assert generative.rule == rules.Exhaustive(9)
    again = synthesight.load(generative.model, classes=["cat", "dog"], prompt="a {class}")
    assert isinstance(again, GenerativeClassifier)
    assert again.prompts == ["a {class}"]
    with pytest.raises(synthesight.SynthesightError, match="is open already: leave out `dtype`"):
        synthesight.load(generative.model, dtype="float32")
    with pytest.raises(synthesight.SynthesightError, match="of the type dict is no model"):
        synthesight.load({})


def test_pipelines_and_single_networks_are_opened():
    folder = registry.ZOO / "natural-32"
    options = {"classes": ["cat", "dog"], "weighting": "jaini", "rule": "exhaustive"}
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    pipeline = open_pipeline(folder).pipeline
    found = [
        synthesight.load(model, max_draws=4, **options, **more).classify(image).evidence
        for model, more in (
            ("natural-32", {"device": "cpu"}),
            (pipeline, {}),
            (folder / "transformer", {"config": folder, "device": "cpu"}),
        )
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-4)
    with pytest.raises(synthesight.SynthesightError, match="leave `config` out"):
        synthesight.load("natural-32", config=folder)
    with pytest.raises(synthesight.SynthesightError, match="network: leave out `lora`"):
        synthesight.load("natural-32-cnn", lora="style.safetensors:0.8")


@pytest.mark.parametrize("wrong", ["big", "8x", 0, -8, 8.5, (8, 8, 8), ("a", "b")])
def test_a_resolution_that_is_none_is_refused(wrong):
    with pytest.raises(synthesight.SynthesightError, match="is no size of an image: give a side"):
        synthesight.load("natural-32", resolution=wrong)


def test_a_resolution_that_the_network_cannot_divide_is_refused():
    with pytest.raises(synthesight.SynthesightError, match=r"no images of `resolution=33`: give"):
        synthesight.load("natural-32", resolution=33, device="cpu")
