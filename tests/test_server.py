"""Test the server of an experiment: requests that make no sense get one answer, and it goes on."""

from __future__ import annotations

import json
import socket
import threading
from http.client import HTTPConnection
from pathlib import Path

import pytest

from synthesight.errors import SynthesightError
from synthesight.people.server import LARGEST, PeopleServer
from synthesight.people.site import SCRIPTS, STYLE

TRIAL = {"trial": 1, "stimulus": 0, "response": 0, "rt": 0.5, "image_ms": 200}
SENT = {"design": "d1", "participant": "ann", "session": 1, "trials": [TRIAL]}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def site(tmp_path) -> Path:
    design = {
        "id": "d1",
        "trials": 1,
        "classes": [{"name": "cat"}, {"name": "dog"}],
        "datasets": [{"name": "mine"}],
        "factors": [],
        "stimuli": [
            {"category": 0, "dataset": 0, "condition": "0", "name": "x.png", "factors": {}}
        ],
    }
    folder = tmp_path / "site"
    for part in ("images", "data", "sessions"):
        (folder / part).mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps(design))
    (folder / "index.html").write_text("<h1>Study</h1>")
    (folder / "images" / "ab.png").write_bytes(b"image")
    (folder / "study.toml").write_text("secret")
    (folder / "data" / "x.csv").write_text("secret")
    for name in (*SCRIPTS, STYLE):
        (folder / name).write_text("")
    (tmp_path / "secret.png").write_text("secret")
    return folder


@pytest.fixture
def server(site):
    told = []
    with PeopleServer(site, tell=lambda *facts: told.append(facts)) as running:
        running.told = told
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(server, method: str, path: str, body=None, headers=None):
    connection = HTTPConnection(*server.server_address[:2], timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def raw(server, request: bytes) -> bytes:
    """Send bytes as they are, end, and return what comes back."""
    with socket.create_connection(server.server_address[:2], timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(2**16):
            answer += chunk
        return answer


def test_pages_and_images_are_served(server):
    status, content, headers = ask(server, "GET", "/?participant=ann")
    assert (status, content) == (200, b"<h1>Study</h1>")
    assert "script-src 'self' https://cdn.jsdelivr.net;" in headers["Content-Security-Policy"]
    status, content, headers = ask(server, "GET", "/images/ab.png")
    assert (status, content, headers["Content-Type"]) == (200, b"image", "image/png; charset=utf-8")
    assert ask(server, "HEAD", "/images/ab.png")[:2] == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/study.toml", "/data/x.csv", "/../secret.png", "/images/../../secret.png",
        "/images/%2e%2e/%2e%2e/secret.png", "//etc/passwd", "/images/", "/images/none.png",
        "/images/ab.png%00", "/sessions",
    ],
)  # fmt: skip
def test_nothing_else_is_served(server, path):
    status, content, _ = ask(server, "GET", path)
    assert status == 404
    assert b"secret" not in content


def test_trials_are_kept_before_the_answer_and_told(server, site):
    status, content, _ = ask(server, "POST", "/trials", json.dumps(SENT), JSON)
    assert (status, json.loads(content)) == (200, {"kept": 1})
    assert len((site / "data/mine/mine_subject-ann_session_1.csv").read_text().splitlines()) == 2
    assert server.told == [("ann", 1, True)]
    status, content, _ = ask(server, "GET", "/progress?participant=ann&session=1")
    assert json.loads(content) == {"design": "d1", "trials": [1]}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ("Content-Length: -5", b"", 400),
        ("Content-Length: 1e3", b"{}", 400),
        ("Content-Length: ٣", b"{}", 400),
        ("Content-Length: 2\r\nContent-Length: 4", b"{}", 400),
        ("Content-Length: 99999999999999999999999", b"{}", 413),
        (f"Content-Length: {LARGEST + 1}", b"", 413),
        ("Content-Length: 50", b"{}", 400),
        ("Content-Length: 0", b"", 400),
        ("X: y", b"{}", 411),
        ("Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", 411),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2", b"{}", 411),
    ],
)
def test_a_length_that_makes_no_sense_gets_one_answer(server, site, headers, body, status):
    request = (
        f"POST /trials HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n\r\n"
    )
    answer = raw(server, request.encode() + body)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert ask(server, "GET", "/")[0] == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"null", b'{"design": "d1"}', b"NaN", b"1" * 10_000],
)
def test_a_body_that_makes_no_sense_is_refused(server, site, body):
    status, content, _ = ask(server, "POST", "/trials", body, JSON)
    assert status == 400
    assert "error" in json.loads(content)
    assert [path.name for path in (site / "data").iterdir()] == ["x.csv"]
    assert ask(server, "GET", "/")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {},
        JSON | {"Origin": "https://elsewhere.example"},
        JSON | {"Origin": "null"},
    ],
)
def test_other_web_pages_cannot_send_trials(server, headers):
    assert ask(server, "POST", "/trials", json.dumps(SENT), headers)[0] == 415


def test_its_own_page_can(server):
    origin = server.address.rstrip("/")
    status, *_ = ask(server, "POST", "/trials", json.dumps(SENT), JSON | {"Origin": origin})
    assert status == 200


@pytest.mark.parametrize(
    "query", ["", "participant=../x", "participant=a&session=x", "participant=a&session=0"]
)
def test_progress_of_nobody_is_refused(server, query):
    assert ask(server, "GET", f"/progress?{query}")[0] == 400


def test_bytes_that_are_no_request_do_not_stop_it(server):
    for request in (b"\x00\x01\x02", b"GET\r\n\r\n", b"POST /trials", b"PUT / HTTP/1.1\r\n\r\n"):
        raw(server, request)
    assert ask(server, "GET", "/")[0] == 200


def test_a_full_disk_is_said_and_the_trial_comes_again(server, site, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("synthesight.people.keeping.append", full)
    status, content, _ = ask(server, "POST", "/trials", json.dumps(SENT), JSON)
    assert status == 507
    assert b"no space left" in content
    monkeypatch.undo()
    assert ask(server, "POST", "/trials", json.dumps(SENT), JSON)[0] == 200
    assert server.keeper.progress("ann", 1) == [1]


def test_a_port_in_use_is_said(server, site):
    with pytest.raises(SynthesightError, match="give another `port`"):
        PeopleServer(site, port=server.server_address[1])
