"""The page: what hostile names do to it, and what keyboards and screen readers make of it."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import altair as alt
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from browser import Browser
from builders import noise, trial_table
from synthesight.analysis import confusion, with_people
from synthesight.encoding import short, short_columns
from synthesight.report.confusions import confusion_matrices
from synthesight.report.galleries import thumbnail
from synthesight.report.page import write_page
from synthesight.report.section import Gallery, Picture, Section, spec_of
from synthesight.trials.schema import conform

HOSTILE = (
    "<!--<script>alert(1)</script>", "</script><img src=x onerror=window.hacked=1>", "a\0b",
    "🦒" * 60, "x" * 20_000, "\u202eright to left", "שלום", "{{ 7 * 7 }}", '"><b>', "&lt;",
)  # fmt: skip


class Outline(HTMLParser):
    """Keeps a page's elements in their order, its links within, and its ids."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name == "href" and value.startswith("#"):
                self.links.append(value[1:])


def page_of(names, folder) -> str:
    """A page that has names wherever a name can be."""
    shown = [short(name) for name in names]
    table = short_columns(pl.DataFrame({"observer": names, "n": range(len(names))}))
    chart = alt.Chart(alt.Data(values=[{"name": name} for name in shown])).mark_point()
    pictures = [Picture("data:,", f"Image of {name}", (name, name)) for name in shown]
    section = Section(
        "accuracy", "Accuracy", " ".join(shown), {"accuracy": table},
        {"accuracy": chart.encode(x="name:N")},
        galleries=[Gallery(name, name, pictures) for name in shown],
        copied={"methods.txt": " ".join(names)},
    )  # fmt: skip
    page = write_page(
        [section], {"accuracy": spec_of(section.figures["accuracy"])}, shown, folder / "page.html",
        notes=shown, full={a: b for a, b in zip(shown, names, strict=True) if a != b},
    )  # fmt: skip
    return page.read_text(encoding="utf-8").partition("<script>")[0]  # without Vega


def outline_of(html: str) -> Outline:
    outline = Outline()
    outline.feed(html)
    return outline


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@given(st.lists(st.one_of(st.text(min_size=1, max_size=80), st.sampled_from(HOSTILE)),
                min_size=3, max_size=3, unique_by=short))  # fmt: skip
@settings(max_examples=6, deadline=None)
def test_no_name_adds_an_element_or_leaves_its_script(place, names):
    usual = outline_of(page_of(["one", "two", "three"], place))
    html = page_of(names, place)
    assert outline_of(html).tags == usual.tags
    (spec,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL)
    assert "<!--" not in spec
    assert [row["name"] for row in json.loads(spec)["data"]["values"]] == list(map(short, names))


def test_contents_and_headings_lead_through_the_page(place):
    outline = outline_of(page_of(["one", "two"], place))
    assert outline.links == ["main", "accuracy"]
    assert set(outline.links) <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))
    levels = [int(tag[1]) for tag in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[:3] == [1, 2, 3]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert {"header", "nav", "main"} <= set(outline.tags)


def test_names_cut_short_have_the_whole_as_their_title(place):
    html = page_of(["giraffe " * 30, "cat"], place)
    assert f'title="{"giraffe " * 30}"' in html
    assert 'title="cat"' not in html


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    """A page with figures, tables and galleries of hostile names."""
    rows = conform(
        pl.concat(
            trial_table(
                HOSTILE, observer, HOSTILE[0], condition=HOSTILE[3], kind=kind,
                category=HOSTILE[::-1],
            )
            for observer, kind in ((HOSTILE[1], "generative"), (HOSTILE[4], "discriminative"))
        )
    )  # fmt: skip
    everyone = with_people(short_columns(rows))
    dataset, names = short(HOSTILE[0]), everyone["who"].unique(maintain_order=True).to_list()
    cells = confusion(everyone, by=["who", "dataset"]).rename({"who": "observer"})

    url = thumbnail(noise(np.random.default_rng(0)))
    pictures = [Picture(url, f"Image of {short(name)}", (short(name),) * 3) for name in HOSTILE]
    section = Section(
        "confusion", "Confusion matrices", "Text.", {"confusion": cells},
        {"confusion": confusion_matrices(cells, dataset, names)},
        galleries=[Gallery("Errors", "The model was wrong.", pictures)],
        copied={"methods.txt": "What was done. ", "references.bib": "@misc{a,\n}"},
    )  # fmt: skip
    specs = {"confusion": spec_of(section.figures["confusion"])}
    return write_page(
        [section], specs, names, tmp_path_factory.mktemp("hostile") / "index.html",
        full={short(name): name for name in HOSTILE if short(name) != name},
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser(hostile_page, tmp_path_factory):
    """The page, open; how long that took is in ``took``."""
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        begun = time.monotonic()
        browser.open(hostile_page.as_uri())
        browser.wait("document.querySelector('.marks') !== null")
        browser.took = time.monotonic() - begun
        yield browser


def test_hostile_names_neither_break_nor_slow_the_page(browser):
    assert browser.took < 15
    assert browser.problems == []
    assert browser.run("window.hacked === undefined")
    for width in (390, 1280):
        browser.resize(width, 800)
        assert browser.wait("document.documentElement.scrollWidth <= innerWidth")


def test_it_is_used_by_keyboard(browser):
    browser.key("Tab")
    assert browser.run("document.activeElement.textContent") == "Skip to the report"
    browser.key("Enter")
    assert browser.wait("document.activeElement.id === 'main'")
    # What scrolls sideways can be reached.
    browser.resize(390, 800)
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true; 0")
    assert browser.wait(
        "[...document.querySelectorAll('.scroll')].every("
        "each => each.scrollWidth <= each.clientWidth || each.tabIndex === 0)"
    )
    browser.run("for (const each of document.querySelectorAll('details')) each.open = false; 0")
    browser.click("Copy")
    assert browser.wait("document.body.textContent.includes('Copied methods.txt')")
    assert browser.run("getSelection().toString().trim()") == "What was done."


@pytest.mark.skipif(
    find_spec("axe_playwright_python") is None,
    reason="needs axe-playwright-python",
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, scheme):
    browser.ask(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    folder = Path(find_spec("axe_playwright_python").submodule_search_locations[0])
    browser.run((folder / "axe.min.js").read_text(encoding="utf-8") + "; var found; 0")
    browser.run("found = undefined; 0")
    # Marks are many, and named by Vega itself.
    browser.run("axe.run({exclude: ['.marks']}).then(all => { found = all.violations; }); 0")
    browser.wait("found !== undefined", 60)
    found = browser.run(
        "found.filter(each => ['serious', 'critical'].includes(each.impact))"
        ".map(each => `${each.id}: ${each.nodes[0].html}`)"
    )
    assert found == []
