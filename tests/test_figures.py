"""Figures: what is in them, and the files that they are saved to."""

from __future__ import annotations

import altair as alt
import numpy as np
import polars as pl
import pytest
from PIL import Image

from browser import Browser
from builders import trial_table
from synthesight import figures
from synthesight.analysis import shape_bias
from synthesight.errors import SynthesightError
from synthesight.report.consistency import (
    by_similarity,
    consistency_against_accuracy,
    consistency_matrix,
)
from synthesight.report.figures import shape_bias_figure, shape_bias_means
from synthesight.report.layout import on_dark
from synthesight.report.looks import COLOURS
from synthesight.report.saving import save_figure

DICHROMATS = {
    "protan": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip


@pytest.fixture
def trials():
    """Two observers; one names no cue of any dog."""
    cues = [("cat", "dog"), ("dog", "cat"), ("truck", "cat")]
    shown = [(shape, texture, n) for shape, texture in cues for n in range(3)]
    named = {
        "a": [(shape, texture)[n % 2] for shape, texture, n in shown],
        "b": ["car" if s == "dog" else (s, texture)[n % 2] for s, texture, n in shown],
    }
    return pl.concat(
        trial_table(
            responses,
            observer,
            category=[shape for shape, _, _ in shown],
            texture=[texture for _, texture, _ in shown],
            stimulus=[f"c/{s}/{s}{n}-{texture}1.png" for s, texture, n in shown],
        )
        for observer, responses in named.items()
    )


@pytest.fixture
def figure(trials):
    return shape_bias_figure(
        shape_bias(trials),
        shape_bias(trials, by=["observer", "category"]),
        published=pl.DataFrame({"observer": ["people"], "value": [0.96], "source": ["A (2024)"]}),
    )


def test_every_figure_that_is_measured_is_drawn(figure):
    upper, lower = figure.to_dict()["vconcat"]
    points = upper["layer"][2]["data"]["values"]
    assert [(row["observer"], row["category"]) for row in points] == [
        ("a", "cat"), ("a", "dog"), ("a", "truck"), ("b", "cat"), ("b", "truck"),
    ]  # fmt: skip
    assert upper["layer"][2]["encoding"]["y"]["sort"] == ["cat", "dog", "truck"]
    lines = upper["layer"][1]["data"]["values"]
    assert {row["observer"]: row["estimate"] for row in lines} == {
        "a": pytest.approx(2 / 3), "b": pytest.approx(2 / 3),
    }  # fmt: skip
    intervals = lower["layer"][0]["data"]["values"]
    assert [row["label"] for row in intervals] == ["a (n = 9)", "b (n = 6)"]
    assert all(row["low"] <= row["estimate"] <= row["high"] for row in intervals)
    assert lower["layer"][2]["data"]["values"][0] == {
        "label": "people (published)", "estimate": 0.96, "source": "A (2024)",
    }  # fmt: skip


def test_no_two_of_many_observers_look_alike():
    names = [f"o{n:02}" for n in range(50)]
    overall = pl.DataFrame({"observer": names, "estimate": 0.5, "low": 0.4, "high": 0.6, "n": 9})
    by_category = overall.with_columns(category=pl.lit("cat"))
    upper = shape_bias_figure(overall, by_category).to_dict()["vconcat"][0]
    encoding = upper["layer"][2]["encoding"]
    looks = zip(
        encoding["color"]["scale"]["range"], encoding["shape"]["scale"]["range"], strict=True
    )
    assert len(set(looks)) == 50
    # A stroke would be taken for the interval that it lies on.
    assert "stroke" not in encoding["shape"]["scale"]["range"]


def test_the_means_are_in_order_of_shape_bias_and_people_first():
    values = {"a": 0.2, "people": 0.5, "b": 0.9, "c": 0.4}
    overall = pl.DataFrame({"observer": list(values), "estimate": list(values.values())})
    overall = overall.with_columns(low="estimate", high="estimate", n=9)
    published = pl.DataFrame({"observer": ["p", "q"], "value": [0.1, 0.3], "source": ["A", "B"]})
    layer = shape_bias_means(overall, published, list(values)).to_dict()["layer"][0]
    assert layer["encoding"]["y"]["scale"]["domain"] == [
        "people (n = 9)", "b (n = 9)", "c (n = 9)", "a (n = 9)", "q (published)", "p (published)",
    ]  # fmt: skip


def test_only_the_outermost_published_points_are_named():
    rows = [("a", 0.5, 0.1), ("b", 0.6, 0.2), ("c", 0.7, 0.3), ("d", 0.8, 0.25), ("e", None, 0.2)]
    published = pl.DataFrame(
        rows, schema=["observer", "ood_accuracy", "error_consistency"], orient="row"
    ).with_columns(source=pl.lit("A (2024)"))
    own = pl.DataFrame({"observer": ["m"], "ood_accuracy": [0.5], "error_consistency": [0.2]})
    own = own.with_columns(
        pl.lit(0.1).alias(f"{name}_{end}")
        for name in ("ood_accuracy", "error_consistency")
        for end in ("low", "high")
    )
    layers = consistency_against_accuracy(own, ["m"], published).to_dict()["layer"]
    assert len(layers) == 5
    named = {row["observer"]: row["name"] for row in layers[3]["data"]["values"]}
    assert named == {"a": "a (published)", "b": None, "c": "c (published)", "d": "d (published)"}
    assert "datum.name" in layers[4]["transform"][0]["filter"]


@pytest.mark.parametrize("ground", [str, on_dark])
@pytest.mark.parametrize("blindness", [None, "protan", "deutan", "tritan"])
def test_colours_are_told_apart_by_every_reader(blindness, ground):
    """Distances in CIELAB as dichromats see them (Machado, Oliveira & Fernandes 2009)."""
    codes = [ground(code) for code in (*COLOURS, "#000000", "#ffffff")]
    rgb = np.array([[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in codes]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(DICHROMATS.get(blindness, np.eye(3))).T, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = seen @ np.array(to_xyz).T / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert distances[np.triu_indices(len(codes), 1)].min() > 10  # a just noticeable one is 2.3


def test_nothing_to_draw_is_said(trials):
    nothing = shape_bias(trials.clear())
    with pytest.raises(SynthesightError, match="cue-conflict"):
        shape_bias_figure(nothing, nothing)


@pytest.mark.parametrize(
    ("suffix", "start"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_figures_are_saved_in_three_formats(figure, tmp_path, suffix, start):
    path = tmp_path / "new" / f"figure.{suffix}"
    save_figure(figure.to_dict(), path)
    assert path.read_bytes().startswith(start)
    if suffix == "png":
        with Image.open(path) as image:
            assert image.width > 900
            # Something other than white in every quarter.
            assert all(
                len(image.crop(box).convert("RGB").getcolors(1 << 20)) > 3
                for box in _quarters(image.width, image.height)
            )


def _quarters(width, height):
    w, h = width // 2, height // 2
    return [(x, y, x + w, y + h) for x in (0, w) for y in (0, h)]


def test_other_formats_are_refused(figure, tmp_path):
    with pytest.raises(SynthesightError, match=r"\.svg, \.png or \.pdf"):
        save_figure(figure.to_dict(), tmp_path / "figure.gif")


def pairs_of(values: dict[str, float | None]) -> pl.DataFrame:
    rows = [(*names.split(), value, value, value, 9, 1) for names, value in values.items()]
    columns = ["first", "second", "estimate", "low", "high", "n", "conditions"]
    return pl.DataFrame(rows, columns, orient="row")


def test_observers_who_err_alike_are_neighbours_and_people_are_together():
    alike = {"p q": 0.9, "p r": 0.1, "q r": None, "m n": 0.2, "m o": 0.8, "n o": 0.1}
    far = {f"{a} {b}": 0.85 for a in "pqr" for b in "mno"}  # which would mix the groups
    matrix = consistency_matrix(pairs_of(alike | far), "edge", set("pqr")).to_dict()
    order = matrix["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert set(order[:3]) == set("pqr")
    assert abs(order.index("p") - order.index("q")) == abs(order.index("m") - order.index("o")) == 1
    assert matrix["layer"][0]["encoding"]["y"]["scale"]["domain"] == order
    chain = {f"{a} {b}": 1 - abs(a - b) / 9 for a in range(9) for b in range(a)}
    line = by_similarity(pairs_of(chain), [str(n) for n in range(9)])
    assert line in ([*"012345678"], [*"876543210"])


def test_figures_are_drawn_from_trials_by_name_and_in_order(trials, tmp_path):
    style = figures.Style("single", names={"b": "Model B", "a": "Model A"})
    drawn = figures.draw(trials, "accuracy", style=style, resamples=9)
    rows = next(iter(drawn.values())).to_dict()["concat"][0]["layer"]
    assert rows[0]["encoding"]["y"]["sort"] == ["Model B", "Model A"]
    bias = figures.draw(trials, "shape bias", resamples=9)
    figures.save(next(iter(bias.values())), tmp_path / "f.png", style="single")
    with Image.open(tmp_path / "f.png") as image:
        assert image.width == round(85 / 25.4 * 300)
    for section, said in {
        "acuracy": "did you mean accuracy",
        "benchmark": "allow no figure",
    }.items():
        with pytest.raises(SynthesightError, match=said):
            figures.draw(trials, section)
    for old, new, said in [("c", "d", "no observer 'c'"), ("a", "b", "another observer"),
                           ("people", "us", "keeps its name")]:  # fmt: skip
        with pytest.raises(SynthesightError, match=said):
            figures.draw(trials, "accuracy", style=figures.Style(names={old: new}))


def test_notebooks_show_charts_without_a_network(trials, tmp_path):
    """Two of them, as each cell has its own output in one page."""
    usual = alt.renderers.active
    figures.show_offline()
    try:
        chart = next(iter(figures.draw(trials, "accuracy", resamples=9).values()))
        outputs = [chart._repr_mimebundle_()["text/html"] for _ in range(2)]
    finally:
        alt.renderers.enable(usual)
    page = tmp_path / "notebook.html"
    page.write_text("<!doctype html><meta charset=utf-8>" + "<hr>".join(outputs), encoding="utf-8")
    with Browser(tmp_path / "profile") as browser:
        browser.ask("Network.enable")
        browser.ask(
            "Network.emulateNetworkConditions",
            offline=True, latency=0, downloadThroughput=0, uploadThroughput=0,
        )  # fmt: skip
        browser.open(page.as_uri())
        browser.wait("document.querySelectorAll('.vega-embed canvas, .vega-embed svg').length == 2")
        assert browser.problems == []


def test_differences_from_people_have_a_row_a_dataset(trials):
    shown = pl.concat([trials, trials.filter(observer="a").with_columns(
        observer=pl.lit("subject-01"), kind=pl.lit("human"), response="category"
    )])  # fmt: skip
    # The images again, in a condition in which the person is right about one of three.
    hard = shown.with_columns(
        condition=pl.lit("hard"),
        response=pl.when(kind="human")
        .then(pl.when(category="dog").then("category").otherwise(pl.lit("car")))
        .otherwise("response"),
    )
    drawn = figures.draw(shown, "difference from people")
    chart = drawn["difference-from-people"].to_dict()
    zero, intervals, points = chart["layer"]
    assert zero["encoding"]["x"] == {"datum": 0}
    rows = {row["observer"]: row for row in points["data"]["values"]}
    right = trials.group_by("observer").agg((pl.col("response") == pl.col("category")).mean())
    for observer, share in right.iter_rows():
        assert rows[observer]["estimate"] == pytest.approx(share - 1)
        assert rows[observer]["low"] < rows[observer]["estimate"] < rows[observer]["high"]
    assert intervals["encoding"]["x2"]["field"] == "high"
    # By condition, people are 0, and who guesses one of three categories has a line.
    both = figures.draw(pl.concat([shown, hard]), "difference from people")
    (panel,) = both["difference-from-people-by-condition"].to_dict()["concat"]
    guesses = {row["condition"]: row["estimate"] for row in panel["layer"][0]["data"]["values"]}
    assert guesses == {"0": pytest.approx(1 / 3 - 1), "hard": pytest.approx(0)}
    gaps = {(row["observer"], row["condition"]): row["estimate"]
            for row in panel["layer"][-1]["data"]["values"]}  # fmt: skip
    for observer, share in right.iter_rows():
        assert gaps[observer, "0"] == pytest.approx(share - 1)
        assert gaps[observer, "hard"] == pytest.approx(share - 1 / 3)


def test_accuracy_is_shown_by_every_factor_of_the_stimuli():
    views = trial_table([True, True, False, True] * 5, view=[90, 0, 180, 90] * 5)
    views = views.with_columns(pixels=pl.int_range(20), camera=pl.lit("one"))
    (chart,) = figures.draw(views, "factors").values()
    (panel,) = chart.to_dict()["concat"]
    points = panel["layer"][-1]
    assert points["encoding"]["x"]["title"] == "view"
    assert points["encoding"]["x"]["scale"]["domain"] == ["0", "90", "180"]
    shares = {row["condition"]: row["estimate"] for row in points["data"]["values"]}
    assert shares == {"0": 1, "90": 1, "180": 0}
    with pytest.raises(SynthesightError, match="allow no figure"):
        figures.draw(views.drop("view"), "factors")
