"""Files of figures: their size on paper, their ground, and many at once."""

from __future__ import annotations

import re

import altair as alt
import polars as pl
import pytest
from PIL import Image

from synthesight.analysis import get_metric
from synthesight.errors import SynthesightError
from synthesight.report import Style, saving
from synthesight.report.metrics import axis_of, lines_of
from synthesight.report.saving import save_figure, save_figures

MM = 72 / 25.4


@pytest.fixture(scope="module")
def lines():
    """Three panels of three observers."""
    rows = [
        (who, dataset, condition, 0.5)
        for who in ("people", "m", "n")
        for dataset, conditions in {"contrast": ("c100", "c01"), "rotation": ("0", "90"),
                                    "own": ("a rather long condition", "b")}.items()
        for condition in conditions
    ]  # fmt: skip
    table = pl.DataFrame(rows, ["observer", "dataset", "condition", "estimate"], orient="row")
    table = table.with_columns(low=0.4, high=0.6, n=9)
    return lines_of(table, ["people", "m", "n"], axis_of(get_metric("accuracy")))


def texts(svg: str) -> list[tuple[float, str]]:
    """Sizes in the drawing's own units, and words."""
    found = re.findall(r'<text [^>]*font-size="([\d.]+)px"[^>]*>([^<]*)', svg)
    return [(float(size), words) for size, words in found]


@pytest.mark.parametrize(
    ("style", "mm", "points"),
    [(Style("single"), 85, 7), (Style("double"), 180, 7), (Style(120, 9), 120, 9)],
)
def test_files_have_the_size_that_was_asked_for(lines, tmp_path, style, mm, points):
    paths = [tmp_path / f"f{suffix}" for suffix in (".svg", ".png", ".pdf")]
    save_figure(lines, *paths, style=style)
    svg = paths[0].read_text()
    width, height, _, _, wide, high = map(
        float, re.search(r'width="(.*?)mm" height="(.*?)mm" viewBox="(\S+) (\S+) (\S+) (\S+)"', svg)
        .groups(),
    )  # fmt: skip
    assert width == pytest.approx(mm, abs=0.001)
    assert width / height == pytest.approx(wide / high, rel=1e-3)
    with Image.open(paths[1]) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert image.width == round(mm / 25.4 * 300)
        assert image.height == round(height / 25.4 * 300)
    box = re.search(rb"/MediaBox \[([^\]]*)\]", paths[2].read_bytes())
    assert [float(each) for each in box[1].split()] == pytest.approx(
        [0, 0, mm * MM, height * MM], abs=0.01
    )
    # A unit of the drawing is so many points that axis labels have their size, or a little less.
    scale = width * MM / wide
    labels = [size * scale for size, words in texts(svg) if words in ("50%", "c100", "people")]
    assert len(labels) > 3
    assert points * 0.93 <= min(labels) <= max(labels) <= points * 1.001


def test_narrow_pages_have_fewer_columns_and_all_words(lines, tmp_path):
    wide, narrow = tmp_path / "wide.svg", tmp_path / "narrow.svg"
    save_figure(lines, wide, style=Style("double"))
    save_figure(lines, narrow, style=Style("single"))
    drawn = [path.read_text() for path in (wide, narrow)]
    heights = [float(re.search(r'height="([\d.]+)mm"', svg)[1]) for svg in drawn]
    assert heights[1] > heights[0]
    words = [sorted(word for _, word in texts(svg)) for svg in drawn]
    assert words[0] == words[1]
    assert "a rather long condition" in words[1]


def test_a_dark_ground(lines, tmp_path):
    path = tmp_path / "dark.png"
    save_figure(lines, path, style=Style("single", dark=True))
    with Image.open(path) as image:
        colours = image.convert("RGB").getcolors(1 << 20)
    assert max(colours)[1] == (27, 27, 27)
    # People are black on white, and white here; no black text is left.
    assert (255, 255, 255) in {colour for _, colour in colours}
    assert min(sum(colour) for _, colour in colours) >= 60


def test_names_that_sound_like_colours_stay(tmp_path):
    rows = pl.DataFrame({"observer": ["black", "#000000"], "x": [1, 2]})
    chart = alt.Chart(alt.Data(values=rows.to_dicts())).mark_point()
    chart = chart.encode(x="x:Q", y=alt.Y("observer:N", sort=["black", "#000000"]))
    path = tmp_path / "f.svg"
    save_figure(chart, path, style=Style(dark=True))
    assert {"black", "#000000"} <= {words for _, words in texts(path.read_text())}


def test_many_figures_are_written_by_several_processes(lines, tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "MANY", 1)
    spec = {"data": {"values": [{"a": 1}]}, "mark": "bar", "encoding": {"x": {"field": "a"}}}
    jobs = [(spec, [tmp_path / f"{n}.svg", tmp_path / f"{n}.png"]) for n in range(3)]
    seen: list[int] = []
    save_figures(jobs, Style("single"), seen.append)
    assert sorted(seen) == [1, 2, 3]
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{n}.{suffix}" for n in range(3) for suffix in ("svg", "png")
    }
    save_figure(spec, tmp_path / "alone.svg", style=Style("single"))
    assert (tmp_path / "alone.svg").read_text() == (tmp_path / "0.svg").read_text()
    with pytest.raises(SynthesightError, match="cannot be drawn"):
        save_figures([({"mark": "nothing"}, jobs[0][1])] * 2, Style("single"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": "wide"}, "single, double, slide"),
        ({"width": 8}, "40 to 1000 millimetres"),
        ({"font_size": 0}, "4 to 40 points"),
        ({"names": {"a": "c", "b": "c"}}, "calls two observers 'c'"),
        ({"names": {"a": ""}}, "empty name"),
    ],
)
def test_styles_that_cannot_be_are_refused(settings, said):
    with pytest.raises(SynthesightError, match=said):
        Style(**settings)
