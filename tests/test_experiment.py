"""Test experiments on people from the command line, and the pages in Chromium."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from browser import CHROMIUM, Browser
from builders import COMMAND, ENVIRONMENT, done, picture, refused, save_pictures
from synthesight.errors import SynthesightError
from synthesight.people.libraries import bring
from synthesight.people.server import PeopleServer
from synthesight.people.site import build_site
from synthesight.stimuli.find import find_stimuli, sample
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.reading import read_trials

KEYS = dict(zip("1234qwerasdfzxcv", range(16), strict=True))  # of the published layout


def settings(folder: Path, **groups: dict) -> Path:
    """Write a study.toml, quick to go through."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "timing": {"fixation": 30, "mask": 30, "response": 0},
        "screen": {"blind_spot": 0},
        "design": {"practice": 0, "attention": 0},
    }
    lines = ['contact = "Ann"', 'consent = "Ask {contact}."']
    for name, table in tables.items():
        table |= groups.get(name, {})
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in table.items())]
    (folder / "study.toml").write_text("\n".join(lines))
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Make few masks, which take most of the time."""
    monkeypatch.setattr("synthesight.people.pictures.MASKS", 2)


# ---- the command line ------------------------------------------------------------------------


def test_a_site_is_made_and_says_how_to_go_on(tmp_path):
    save_pictures(tmp_path / "mine", "cat/a.png", "cat/b.png", "dog/c.png", "dog/d.png")
    site = settings(tmp_path / "site")
    said = done("experiment", "people", tmp_path / "mine", "--out", site, "--trials", 2)
    assert f"synthesight experiment serve {site}" in said
    design = json.loads((site / "study.json").read_text())
    assert (len(design["stimuli"]), design["trials"]) == (4, 2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--trials", 9], "--trials 9 of 2 images: give 1 to 2"),
        (["--seed", -1], "--seed"),
    ],
)
def test_a_design_that_cannot_be_is_refused(tmp_path, arguments, reason):
    save_pictures(tmp_path / "mine", "cat/a.png", "dog/c.png")
    site = settings(tmp_path / "site")
    command = ["experiment", "people", tmp_path / "mine", "--out", site]
    assert reason in refused(*command, *arguments)


def test_images_without_categories_are_refused(tmp_path):
    save_pictures(tmp_path / "mine", "a.png", "b.png")
    command = ["experiment", "people", tmp_path / "mine", "--out", tmp_path / "site"]
    assert "has no category" in refused(*command)


def test_a_folder_that_is_no_site_is_not_served(tmp_path):
    assert "is no site of an experiment" in refused("experiment", "serve", tmp_path)


def take_part(address: str) -> bool:
    """Stand in for a browser: do the trials of a site, one request each."""
    place = urlsplit(address)
    asked = {name: values[0] for name, values in parse_qs(place.query).items()}

    def ask(method: str, path: str, **content) -> dict:
        connection = HTTPConnection(place.netloc, timeout=10)
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, json.dumps(content), headers)
        return json.loads(connection.getresponse().read())

    design = ask("GET", f"/progress?{place.query}")["design"]
    for number in (1, 2):
        trial = {"trial": number, "stimulus": number, "response": 0, "rt": 0.5, "image_ms": 200}
        who = {"participant": asked["participant"], "session": int(asked["session"])}
        ask("POST", "/trials", design=design, trials=[trial], **who)
    return True


def test_one_takes_part_oneself_and_is_told_how_to_see_it(tmp_path, monkeypatch):
    save_pictures(tmp_path / "mine", "cat/a.png", "cat/b.png", "dog/c.png", "dog/d.png")
    site = settings(tmp_path / "site")
    monkeypatch.setattr("webbrowser.open", take_part)
    command = ["experiment", "people", tmp_path / "mine", "--out", site, "--trials", 2, "--me"]
    assert f"synthesight report {site / 'data'}" in done(*command)
    done(*command)  # and once more: another session
    trials = read_trials(site / "data")
    assert trials.select("observer", "session", "trial").rows() == [
        ("subject-me", session, trial) for session in (1, 2) for trial in (1, 2)
    ]


def test_serving_ends_by_an_interrupt_and_says_what_is_kept(tmp_path):
    save_pictures(tmp_path / "mine", "cat/a.png", "dog/c.png", "dog/d.png")
    site = settings(tmp_path / "site")
    build_site(find_stimuli(tmp_path / "mine"), site, trials=2)
    serving = subprocess.Popen(
        [*COMMAND, "experiment", "serve", site, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT,
    )
    assert serving.stdout is not None
    address = serving.stdout.readline().split()[0]
    take_part(f"{address}?participant=ann&session=1")
    assert "ann has finished session 1" in serving.stdout.readline()
    serving.send_signal(signal.SIGINT)
    said = serving.communicate(timeout=20)[0]
    assert f"synthesight report {site / 'data'}" in said
    assert re.search(r"subject-ann\W+1\W+2\W+0\.0 %\W+-\W+200\.0", said)
    assert serving.returncode == 0


# ---- the pages -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jspsych(tmp_path_factory):
    """Skip where there is no browser, or no npm that brings jsPsych."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is here to show the pages")
    try:
        bring(tmp_path_factory.mktemp("lib"))
    except SynthesightError as error:
        pytest.skip(f"no jsPsych is here: {error}")


@pytest.fixture
def browser(jspsych, tmp_path):
    with Browser(tmp_path / "profile") as opened:
        yield opened
        assert opened.problems == []


@pytest.fixture
def serve():
    servers = []

    def start(site: Path) -> PeopleServer:
        server = PeopleServer(site)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def begin(browser: Browser) -> None:
    """Go through the screens before the trials."""
    browser.click("I agree, and take part")
    browser.click("Continue")  # full screen
    browser.wait("!!document.getElementById('item')")
    for _ in range(10):
        browser.key("ArrowRight")
    browser.click("It is as large as my card")
    browser.wait("document.body.innerText.includes('What to do')")
    browser.click("Continue")


ASKED = "document.querySelector('.stage .choices.shown:not([data-seen])')"


def answer(browser: Browser, how: int) -> int:
    """Answer one trial by key, by mouse, or by arrow keys; return the index of the class."""
    browser.wait(f"!!{ASKED}")
    browser.run(f"{ASKED}.dataset.seen = 'yes'")
    if how % 3 == 0:
        key = list(KEYS)[how % 16]
        browser.key(key)
        return KEYS[key]
    if how % 3 == 1:
        index = how % 16
        box = browser.run(
            "(r => [r.x + r.width / 2, r.y + r.height / 2])"
            f"(document.querySelectorAll('.stage .choice')[{index}].getBoundingClientRect())"
        )
        browser.press_at(*box)
        return index
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        browser.key(key)
    return 5


def kept(site: Path) -> tuple[list[dict], list[dict]]:
    """Return the trials and the events that the server has kept."""
    trials = [
        row for path in (site / "data").rglob("*.csv") for row in pl.read_csv(path).to_dicts()
    ]
    files = (site / "sessions").glob("*.jsonl")
    events = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    return trials, events


@pytest.mark.slow
def test_a_person_goes_through_the_trials_and_stands_beside_the_published(
    browser, serve, tmp_path, data_folder
):
    site = settings(tmp_path / "site", design={"practice": 0, "attention": 20, "block": 10})
    stimuli = sample(find_stimuli(data_folder / "stimuli" / "edge"), per_category=2)
    build_site(stimuli, site, trials=20, offline=True)
    address = serve(site).address + "?PROLIFIC_PID=a_1"
    browser.open(address)
    begin(browser)
    pressed = [answer(browser, number) for number in range(5)]

    def answers() -> int:
        trials, events = kept(site)
        return len(trials) + sum(event["kind"] == "attention" for event in events)

    end = time.monotonic() + 20
    while answers() < 5 and time.monotonic() < end:
        time.sleep(0.02)
    browser.open(address)  # closed and opened again: it goes on after what is kept
    begin(browser)
    while len(pressed) < 21:
        browser.wait(f"!!{ASKED} || document.body.innerText.includes('Take a break')")
        if not browser.run(f"!!{ASKED}"):
            browser.click("Go on")
        pressed.append(answer(browser, len(pressed)))
    browser.wait("document.body.innerText.includes('Your answers are saved')")

    trials, events = kept(site)
    assert [trial["trial"] for trial in trials] == list(range(1, 21))
    assert len({trial["imagename"] for trial in trials}) == 20
    assert len({trial["category"] for trial in trials}) >= 14  # of 16: balanced
    assert all(trial["rt"] > 0 for trial in trials)
    # What was pressed is what was kept, and one of it was for a word.
    (word,) = [event for event in events if event["kind"] == "attention"]
    design = json.loads((site / "study.json").read_text())
    names = [each["name"] for each in design["classes"]]
    responses = [names.index(trial["object_response"]) for trial in trials]
    assert any(
        pressed[:at] + pressed[at + 1 :] == responses and pressed[at] == word["response"]
        for at in range(21)
    )
    # A slow machine shows images for longer, never for less than a frame too little.
    assert all(trial["image_ms"] > 200 - 1000 / 60 for trial in trials)
    measured = events[-1]
    assert measured["kind"] == "finished"
    print(f"image: {measured['mean_image_ms']:.1f} ms, worst {measured['longest_image_ms']:.1f}")

    (person,) = {trial["subj"] for trial in trials}
    assert person.startswith("subject-a-1-")
    people = tmp_path / "people" / "human-trials"
    people.mkdir(parents=True)
    (people / "edge").symlink_to(data_folder / "human-trials" / "edge")
    report = ["report", site / "data", "--data", people.parent, "--out", tmp_path / "report"]
    assert "1 dataset" in done(*report, "--resamples", 10)
    accuracy = pl.read_csv(tmp_path / "report" / "tables" / "accuracy.csv")
    assert {"people", person} <= set(accuracy["observer"])
    right = sum(trial["object_response"] == trial["category"] for trial in trials)
    (own,) = accuracy.filter(observer=person).to_dicts()
    assert own["estimate"] == pytest.approx(right / 20)


@pytest.mark.slow
def test_from_a_file_answers_are_saved_by_the_participant(browser, tmp_path):
    hostile = '<!--<script>document.title = "taken"</script>'
    stimuli = [
        Stimulus(
            f"mine/{number}.png",
            picture(8, (number, 0, 0)),
            "mine",
            category=category,
            factors={"view": f"{number},"},
        )
        for number, category in enumerate([hostile, 'b,"c"'])
    ]
    site = settings(tmp_path / "site", timing={"response": 60})
    build_site(stimuli, site, offline=True)
    browser.open(f"{(site / 'index.html').as_uri()}?participant=bob&session=2")
    begin(browser)
    browser.click("Save mine_subject-bob_session_2.csv")
    href = "document.querySelector('a[download]')"
    text = browser.run(f"fetch({href}.href).then((file) => file.text())")
    assert browser.run("document.title") != "taken"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / browser.run(f"{href}.download")).write_text(text)
    trials = read_trials(tmp_path / "mine")
    assert trials["response"].to_list() == [None, None]
    assert sorted(trials["category"]) == sorted([hostile, 'b,"c"'])
    assert trials["kind"].to_list() == ["human", "human"]
    log = "document.querySelector('a[download$=jsonl]')"
    events = browser.run(f"fetch({log}.href).then((file) => file.text())").splitlines()
    assert [json.loads(line)["kind"] for line in events][::3] == ["browser", "finished"]
    saved = pl.read_csv(io.StringIO(text))
    assert saved.columns[-2:] == ["image_ms", "view"]
    assert sorted(saved["view"]) == ["0,", "1,"]


@pytest.mark.slow
def test_a_library_that_does_not_come_is_said(browser, tmp_path):
    stimuli = [Stimulus(f"{name}.png", picture(), category=name) for name in ("cat", "dog")]
    site = settings(tmp_path / "site")
    build_site(stimuli, site, offline=True)
    next((site / "lib").glob("plugin-preload-*.js")).unlink()
    browser.open((site / "index.html").as_uri())
    browser.wait("document.body.innerText.includes('could not be loaded')")
    assert all("ERR_FILE_NOT_FOUND" in problem for problem in browser.problems)
    browser.problems.clear()


@pytest.mark.slow
def test_a_small_window_is_asked_to_grow(browser, serve, tmp_path):
    stimuli = [Stimulus(f"{name}.png", picture(), category=name) for name in ("cat", "dog")]
    site = settings(tmp_path / "site")
    build_site(stimuli, site, offline=True)
    browser.resize(400, 700)
    browser.open(serve(site).address)
    browser.click("I agree")
    browser.wait("document.body.innerText.includes('Please use a larger screen')")
    assert browser.run("document.documentElement.scrollWidth") <= 400
    browser.resize(1000, 800)
    browser.click("Continue")
    browser.wait("!!document.getElementById('item')")
    browser.open("about:blank")
