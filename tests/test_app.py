"""The app: its answers as functions, and its page in a browser."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import CHROMIUM, Browser
from builders import ENVIRONMENT, picture, refused
from coloured_noise import CLASSES, Colours
from synthesight.app import watch as watching
from synthesight.app.dial import dialled, turned
from synthesight.app.html import said
from synthesight.app.models import Models, classes_of
from synthesight.app.pictures import ambiguous, draw_ambiguous, stimulus_of
from synthesight.app.rivals import MINE, rivalled
from synthesight.app.watch import watched
from synthesight.app.where import located
from synthesight.app.you import TRIALS, You
from synthesight.errors import SynthesightError
from synthesight.observers import GenerativeClassifier

TOY = "colours"


@pytest.fixture
def models() -> Models:
    observer = GenerativeClassifier(Colours(), classes=CLASSES, max_draws=30, batch_size=4)
    return Models("cpu", {TOY: observer})


@pytest.fixture
def red(tmp_path) -> str:
    picture(8, (230, 60, 60)).save(tmp_path / "red.png")
    return str(tmp_path / "red.png")


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def answers(models, path, model=TOY, classes=""):
    """What the page shows of a race, mistakes included."""
    return said(lambda: watched(models, stimulus_of(path), model, classes, threading.Event()))()


# ---- watch ----------------------------------------------------------------------------------


def test_evidence_comes_apart_before_the_answer_is_there(models, red, monkeypatch):
    monkeypatch.setattr(watching, "EVERY", 0.0)
    monkeypatch.setattr(watching, "CHART", 0.0)
    states = list(answers(models, red))
    assert "colours is being opened" in states[0]
    assert re.search(r" leads, \d+ of \d+ classes left\. [\d,]+ network", plain(states[-2]))
    assert "red . " in plain(states[-1])
    assert "<s>green</s>" in states[-1]
    assert "data:image/svg+xml;base64," in states[-1]
    assert re.search(r"\d+ network evaluations, \d+\.\d s", plain(states[-1]))
    assert "It is no probability" in plain(states[-1])


def test_stop_keeps_what_is_known(models, red):
    stop = threading.Event()
    states = watched(models, stimulus_of(red), TOY, "", stop)
    next(states)
    stop.set()
    assert "Stopped" in list(states)[-1]
    with models.opened(TOY) as observer:  # and lets the model go
        assert observer.name == TOY


@pytest.mark.parametrize(
    ("name", "model", "classes", "words"),
    [
        (None, TOY, "", "There is no image yet"),
        ("red", TOY, "red", "Name two or more classes"),
        ("red", "natural-23", "", "did you mean natural-32"),
        ("broken", TOY, "", "broken.png"),
    ],
)
def test_a_mistake_is_one_sentence(models, red, tmp_path, name, model, classes, words):
    (tmp_path / "broken.png").write_bytes(b"no image")
    path = name and str(tmp_path / f"{name}.png")
    *_, shown = answers(models, path, model, classes)
    assert words in plain(shown)
    assert 'role="alert"' in shown


def test_a_bomb_is_refused(models, tmp_path):
    bomb = io.BytesIO()
    Image.new("1", (9500, 9500)).save(bomb, "PNG")
    (tmp_path / "bomb.png").write_bytes(bomb.getvalue())
    *_, shown = answers(models, tmp_path / "bomb.png")
    assert "bomb" in plain(shown)
    assert 'role="alert"' in shown


def test_names_of_classes_are_text(models, red):
    hostile = "red <script>alert(1)</script>"
    *_, shown = answers(models, red, TOY, f"{hostile}, blue")
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_network_answers_at_once(red):
    *_, shown = answers(Models("cpu"), red, "natural-32-cnn", "cat, dog")
    assert "discriminative network" in plain(shown)


def test_one_model_is_in_memory_at_a_time():
    models = Models("cpu")
    with models.opened("natural-32-cnn") as first:
        pass
    with models.opened("natural-32-cnn") as second:
        assert second is first
    assert models.names[0] == "natural-32"
    assert {"natural-32-ar", "natural-32-cnn"} <= set(models.names)


def test_classes_are_the_models_own_where_none_are_named(models):
    with models.opened(TOY) as observer:
        assert classes_of(" ", observer) == CLASSES
        assert classes_of("red,red\nblue", observer) == ["red", "blue"]


# ---- where, rivals, dial --------------------------------------------------------------------


def test_where_shows_a_map_for_two_classes(models, red):
    shown = located(models, red, TOY, "", "red", "blue", draws=8)
    assert plain(shown).startswith(" red against blue : +")
    assert shown.count("data:image/png;base64,") == 3
    chosen = plain(located(models, red, TOY, "", draws=8))
    assert chosen.startswith(" red against ")
    with pytest.raises(SynthesightError, match="`of=violet` is no class"):
        located(models, red, TOY, "", "violet", "", draws=8)
    with pytest.raises(SynthesightError, match="discriminative network"):
        located(Models("cpu"), red, "natural-32-cnn", "")


def test_the_right_prompt_leads_and_the_image_is_found_again(models, red):
    shown = rivalled(models, red, TOY, MINE, "a blue thing", "a red thing", 0.5)
    assert "a red thing leads, by" in plain(shown)
    assert "Nearest to the image: as a red thing." in shown
    with pytest.raises(SynthesightError, match="two different prompts"):
        rivalled(models, red, TOY, MINE, "a red thing", "a red thing")


@pytest.mark.parametrize("name", ["duck-rabbit", "bird-airplane"])
def test_ambiguous_pictures_are_drawn(name):
    assert name in ambiguous()
    assert np.ptp(np.asarray(draw_ambiguous(name))) > 100


def test_dials_turn_images(models, red):
    rng = np.random.default_rng(0)
    image, other = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    assert turned("contrast", 10, image, None).std() < 0.2 * image.std()
    assert turned("blur", 4, image, None).std() < 0.2 * image.std()
    apart = [np.abs(turned("hybrid", cut, image, other) - image.astype(float)).mean()
             for cut in (1, 16)]  # fmt: skip
    assert apart[0] > 2 * apart[1]
    *_, shown = dialled(models, red, TOY, "red, blue", "contrast", 50)
    assert "contrast 50" in plain(shown)
    assert "network evaluations" in plain(shown)
    with pytest.raises(SynthesightError, match="second image"):
        next(dialled(models, red, TOY, "", "hybrid", 4))


# ---- you ------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def few_masks(monkeypatch):
    monkeypatch.setattr("synthesight.people.pictures.MASKS", 2)


def test_answers_are_judged_by_shape_and_texture(tmp_path):
    you = You(tmp_path / "you", tmp_path)
    design = you.design("cue-conflict-drawn")
    assert len(design["images"]) == len(set(design["images"])) == TRIALS
    assert all((tmp_path / "you" / name).exists() for name in design["images"])
    assert "category" not in json.dumps(design)
    every = you.trials(design["key"], [None] * TRIALS)
    answers = [*every["category"][:5], *every["texture"][5:10], *[None] * (TRIALS - 10)]
    html = you.result(design["key"], answers)
    assert "right in 5 of 20" in plain(html)
    assert "Of the 10 answers that named either cue, 50 % named the shape" in plain(html)
    assert "synthesight data get people" in plain(html)
    with pytest.raises(SynthesightError, match="begin again"):
        you.trials("unknown", answers)


def test_you_stand_beside_the_people(data_folder, tmp_path):
    you = You(tmp_path / "you", data_folder)
    assert you.people["accuracy"].height == 90
    design = you.design("cue-conflict-drawn")
    answers = you.trials(design["key"], [None] * TRIALS)["category"].to_list()
    html = plain(you.result(design["key"], answers))
    assert "10 people named the shape in 9" in html


# ---- the command and the page ---------------------------------------------------------------

gradio = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="gradio, of the extra app, is not here"
)


@pytest.mark.skipif(importlib.util.find_spec("gradio") is not None, reason="gradio is here")
def test_without_gradio_the_command_says_what_to_install():
    assert "pip install 'synthesight[app]'" in refused("app", "--port", "0")


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused("app", "--port", taken.getsockname()[1])
    assert "address already in use" in said
    assert "--port" in said


SERVE = """
import sys
from contextlib import suppress
sys.path.insert(0, {tests!r})
from coloured_noise import CLASSES, Colours
from synthesight.app import Models, serve
from synthesight.observers import GenerativeClassifier
observer = GenerativeClassifier(Colours(), classes=CLASSES, max_draws=30, batch_size=4)
models = Models("cpu", {{"colours": observer}})
with suppress(KeyboardInterrupt):
    serve(models, port=0, ready=lambda address: print(address, flush=True))
"""


@pytest.fixture(scope="module")
def served():
    """The address of the app with a toy model, in a process that ends by Ctrl-C."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is here to show the pages")
    script = SERVE.format(tests=str(Path(__file__).parent))
    serving = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT | {"SYNTHESIGHT_DATA": "/nowhere"},
    )
    assert serving.stdout is not None
    yield serving.stdout.readline().strip()
    serving.send_signal(signal.SIGINT)
    said = serving.communicate(timeout=20)[1]
    assert serving.returncode == 0
    assert said == ""


def tab(browser: Browser, name: str) -> None:
    find = f"[...document.querySelectorAll('[role=tab]')].find(e => e.innerText.trim() == '{name}')"
    browser.wait(f"!!{find}")
    browser.run(f"{find}.click()")


def shown(browser: Browser, text: str) -> None:
    browser.wait(
        "[...document.querySelectorAll('.status, .mistake')].some(e => e.offsetParent && "
        f"e.innerText.includes({text!r}))"
    )


def serious(browser: Browser) -> list[str]:
    """Run axe-core, where it is (AXE names its axe.min.js), and return what it finds serious."""
    axe = Path(os.environ.get("AXE", "/nowhere/axe.min.js"))
    if not axe.is_file():
        return []
    browser.run(f"{axe.read_text('utf-8')};0")
    return browser.run(
        "axe.run().then(found => found.violations"
        ".filter(each => ['serious', 'critical'].includes(each.impact))"
        ".map(each => each.id + ': ' + each.nodes.map(node => node.html).join(' ')))"
    )


@gradio
@pytest.mark.slow
def test_the_page_shows_a_race_by_keyboard_and_asks_nothing_of_other_machines(served, tmp_path):
    with Browser(tmp_path / "profile") as browser:
        browser.open(served)
        browser.wait("!!document.querySelector('button.primary')")
        assert browser.run("document.title").startswith("Synthesight")
        browser.run("document.querySelector('button.primary').focus()")
        browser.key("Enter")
        shown(browser, "All other classes are struck out.")
        assert browser.run("!!document.querySelector('table.answer s')")
        assert serious(browser) == []
        tab(browser, "Where")
        browser.click("Show where")
        shown(browser, " against ")
        assert serious(browser) == []
        tab(browser, "Dial")
        browser.click("Answer")
        shown(browser, "struck out.")
        assert serious(browser) == []
        browser.resize(390, 844)
        browser.wait("innerWidth == 390")
        assert browser.run("document.documentElement.scrollWidth") <= 390
        assert browser.problems == []
    hosts = {each.split("/")[2] for each in browser.asked if each.startswith("http")}
    assert hosts == {served.split("/")[2]}


@gradio
@pytest.mark.slow
def test_twenty_trials_are_flashed_and_judged(served, tmp_path):
    with Browser(tmp_path / "profile") as browser:
        browser.open(f"{served}you/")
        browser.click("Begin")
        image = "document.getElementById('said').innerText.startsWith('Image {} ')"
        for number in range(TRIALS):
            browser.wait(image.format(number + 1))
            browser.wait("!!document.querySelector('.choices.shown')")
            browser.key("a")
            browser.wait("!" + image.format(number + 1))
        browser.wait("document.body.innerText.includes('You were right in')")
        assert "synthesight data get people" in browser.run("document.body.innerText")
        assert serious(browser) == []
        assert browser.problems == []
