"""Downloads of people's trials, from a server that errs, truncates and is killed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builders import command, done, refused, sentence
from synthesight.errors import SynthesightError
from synthesight.references import reference
from synthesight.report import report, sources
from synthesight.report.sources import gather
from synthesight.stimuli.datasets import datasets
from synthesight.trials import get_people, load_human_trials, obtain, published_people
from synthesight.trials.obtain import People

HEADER = "subj,session,trial,rt,object_response,category,condition,imagename\n"


class Server:
    """Serves files by path; ``broken`` says what it sends instead, so many times each."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.broken: dict[str, list[object]] = {}
        self.asked: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                outer.asked[path] += 1
                wrong = outer.broken.get(path)
                what = wrong.pop(0) if wrong else None
                if path not in outer.files or isinstance(what, int):
                    self.send_error(what if isinstance(what, int) else 404)
                    return
                if what == "wait":
                    outer.gate.wait(20)
                whole = what if isinstance(what, bytes) else outer.files[path]
                start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(whole) - start))
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(whole)}/{len(whole)}")
                self.end_headers()
                self.wfile.write(whole[start:] if what != "cut" else whole[start : start + 9])

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.gate.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    """Three persons in each of two datasets, whose hashes are known."""
    files = {
        f"{name}/{name}_subject-0{n}_session_1.csv": (
            HEADER + f"subject-0{n},1,1,0.5,cat,cat,0,{n}_x_s_0_cat_00_cat1.png\n"
        ).encode()
        for name in ("edge", "silhouette")
        for n in (1, 2, 3)
    }
    hashes: dict[str, dict[str, str]] = {"edge": {}, "silhouette": {}}
    for path, content in files.items():
        name, file = path.split("/")
        hashes[name][file] = hashlib.sha256(content).hexdigest()
    papers = (reference("geirhos2021partial"),)
    known = {
        "edge": People(hashes["edge"], "none stated", papers),
        "silhouette": People(hashes["silhouette"], "CC BY 4.0", papers),
    }
    for module in (obtain, sources):
        monkeypatch.setattr(module, "published_people", lambda: known)
    monkeypatch.setattr(obtain, "PAUSE", 0.01)
    made = Server(files)
    monkeypatch.setattr(obtain, "URL", made.url)
    yield made
    made.close()


def entries(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_what_is_published_of_people_is_known():
    people = published_people()
    assert set(people) == set(datasets())
    assert sum(len(each.hashes) for each in people.values()) == 90
    assert sum(each.licence.startswith("CC BY 4.0") for each in people.values()) == 12
    assert all(paper.bibtex for each in people.values() for paper in each.papers)


def test_people_are_fetched_once_and_read(server, tmp_path):
    folder = get_people(tmp_path)
    assert folder == tmp_path / "human-trials"
    assert entries(tmp_path) == sorted(
        ["human-trials", "human-trials/edge", "human-trials/silhouette"]
        + [f"human-trials/{path}" for path in server.files]
    )
    assert len(load_human_trials(tmp_path)) == 6
    get_people(tmp_path)
    assert set(server.asked.values()) == {1}


def test_datasets_can_be_chosen(server, tmp_path):
    get_people(tmp_path, ["edge"])
    assert [path.name for path in (tmp_path / "human-trials").iterdir()] == ["edge"]
    with pytest.raises(SynthesightError, match="'edges': choose among edge, silhouette"):
        get_people(tmp_path, ["edges"])


def test_processes_that_want_people_at_once_fetch_them_once(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: get_people(tmp_path), range(4)))
    assert set(server.asked.values()) == {1}


def test_a_server_that_errs_twice_is_asked_again(server, tmp_path):
    errors = ([500, 503], ["cut"], [b"another file"])
    for path, wrong in zip(server.files, errors, strict=False):
        server.broken[path] = list(wrong)
    assert len(load_human_trials(get_people(tmp_path).parent)) == 6
    assert sorted(server.asked.values()) == [1, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (404, "answered 404"),
        (b"another file", "has the SHA-256"),
        ("cut", "the connection failed or ended early"),
    ],
)
def test_what_cannot_be_had_is_said_and_the_rest_kept(server, tmp_path, wrong, words):
    bad = list(server.files)[-1]
    server.broken[bad] = [wrong] * 9
    # Three attempts at nine bytes each are not the whole file.
    with pytest.raises(SynthesightError, match=words) as caught:
        get_people(tmp_path)
    assert bad in str(caught.value)
    assert not (tmp_path / "human-trials").exists()
    server.broken.clear()
    before = Counter(server.asked)
    get_people(tmp_path)
    assert server.asked - before == Counter([bad])
    assert not (tmp_path / ".human-trials.part").exists()


def test_a_file_that_is_not_the_published_one_is_left_alone(server, tmp_path):
    own = tmp_path / "human-trials" / next(iter(server.files))
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(SynthesightError, match="is not the published file"):
        get_people(tmp_path)
    assert own.read_text() == "mine"
    # Files of other names stay, and the published ones come beside them.
    own.rename(own.with_name("edge_subject-99_session_1.csv"))
    get_people(tmp_path)
    assert len(list(own.parent.iterdir())) == 4


def test_a_folder_that_cannot_be_written_is_one_sentence(server, tmp_path):
    (tmp_path / "data").write_text("a file")
    assert "cannot be written" in refused("data", "get", "people", "--data", tmp_path / "data")


def test_the_command_line_gets_people_and_says_licence_and_papers(server, tmp_path, monkeypatch):
    said = done("data", "get", "people", "--data", tmp_path)
    assert f"are in {tmp_path / 'human-trials'}" in said
    assert "CC BY 4.0" in said
    assert "none stated" in said
    assert "@inproceedings{geirhos2021partial" in said
    assert "trials of 2 datasets" in done("data", "list", "--data", tmp_path)
    assert "sha256" in refused("data", "get", "people", "--sha256", "00")
    monkeypatch.setattr(obtain, "URL", "http://127.0.0.1:9")
    said = refused("data", "get", "people", "--data", tmp_path / "other")
    assert "could not be downloaded" in said
    assert "or copy the folder human-trials" in said


def person(folder, name: str, answer: str = "dog") -> Path:
    """Write the trial of one person on edge, and return the file's folder."""
    folder.mkdir()
    (folder / f"edge_{name}_session_1.csv").write_text(
        HEADER + f"{name},1,1,0.5,{answer},cat,0,1_x_s_0_cat_00_cat1.png\n"
    )
    return folder


def test_a_report_fetches_the_people_it_needs(server, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    notes: list[str] = []
    (tmp_path / "data").mkdir()
    run = person(tmp_path / "run", "subject-me")
    found = gather([run], tmp_path / "data", fetch=True, note=notes.append)
    assert notes == []
    assert set(server.asked) == {path for path in server.files if path.startswith("edge/")}
    # Beside people, a person of one's own is compared with them.
    assert dict(found.select("observer", "kind").unique().sort("observer").rows()) == {
        "subject-01": "human", "subject-02": "human", "subject-03": "human",
        "subject-me": "participant",
    }  # fmt: skip
    # Without a run, people are the report.
    everyone = gather([], tmp_path / "data", fetch=True)
    assert everyone["dataset"].unique().sort().to_list() == ["edge", "silhouette"]
    # One of them is no participant, wherever the file lies.
    again = gather([person(tmp_path / "same", "subject-01", "cat")], tmp_path / "data")
    assert again["kind"].unique().to_list() == ["human"]
    assert len(again) == 3
    # And without people, one's own are people.
    (tmp_path / "empty").mkdir()
    assert gather([run], tmp_path / "empty")["kind"].to_list() == ["human"]


def test_a_report_says_that_people_are_missing(server, tmp_path, monkeypatch):
    """On standard error, and on the page itself."""
    monkeypatch.setattr(report, "save_figures", lambda *_: None)  # which takes seconds
    (tmp_path / "data").mkdir()
    run = person(tmp_path / "run", "net")
    result = command(  # with HF_HUB_OFFLINE
        "report", run, "--out", tmp_path / "out", "--data", tmp_path / "data", "--resamples", 1
    )
    assert result.returncode == 0, result.stderr
    said = sentence(result.stderr)
    assert "The published people who saw edge are not in this report." in said
    assert "`synthesight data get people`" in said
    page = (tmp_path / "out/index.html").read_text().split("<script")[0]
    assert "The published people who saw edge are not in this report." in page
    assert "There are no trials of people on edge." in page
    assert not server.asked


def test_a_report_of_nothing_says_how_to_get_people(tmp_path):
    assert "synthesight data get people" in refused("report", "--data", tmp_path)


def test_a_killed_download_goes_on_where_it_was(data_folder, tmp_path):
    """With the published files, whole: the hashes that ship are theirs."""
    folder = data_folder / "human-trials"
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.csv")
    }
    server = Server(files)
    try:
        last = sorted(files)[60]
        server.broken[last] = ["wait"]
        server.gate.clear()
        code = "import sys; from synthesight.trials import get_people; get_people(*sys.argv[1:2], "
        child = subprocess.Popen(
            [sys.executable, "-c", code + "url=sys.argv[2])", tmp_path, server.url], env=os.environ
        )
        part = tmp_path / ".human-trials.part"
        end = time.monotonic() + 60
        while len(list(part.rglob("*.csv"))) < 89 and time.monotonic() < end:
            time.sleep(0.02)
        child.kill()
        child.wait()
        assert not (tmp_path / "human-trials").exists()
        before = Counter(server.asked)
        server.gate.set()
        get_people(tmp_path, url=server.url)
        assert server.asked - before == Counter([last])
    finally:
        server.close()
    got = tmp_path / "human-trials"
    assert {path: (got / path).read_bytes() for path in files} == files
