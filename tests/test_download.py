"""Downloads from a server that truncates, changes its mind, and sends hostile archives."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from builders import command, done, encoded, refused
from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.stimuli.datasets import dataset, datasets, local
from synthesight.stimuli.datasets.local import fetch
from synthesight.stimuli.find import find_stimuli


def archive_of(entries: dict[str, bytes], link: tuple[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link[0])
            info.type, info.linkname = tarfile.SYMTYPE, link[1]
            tar.addfile(info)
    return buffer.getvalue()


def picture(level: int) -> bytes:
    pixels = bytes((level * n * 7919) % 251 for n in range(64 * 64 * 3))
    return encoded(Image.frombytes("RGB", (64, 64), pixels))


class Server:
    """Serves one archive; ``cut`` is how many bytes it sends before it drops the connection."""

    def __init__(self) -> None:
        self.body = archive_of({f"edge/cat/cat{n}.png": picture(n) for n in range(1, 4)})
        self.cut: int | None = None
        self.ranges = True
        self.length: str | None = None  # said instead of the real one
        self.sends_to: str | None = None
        self.tag: str | None = None
        self.asked: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if outer.sends_to is not None:
                    self.send_response(302)
                    self.send_header("Location", outer.sends_to)
                    self.end_headers()
                    return
                if not self.path.endswith("/edge.tar.gz"):
                    self.send_error(404)
                    return
                wanted = self.headers.get("Range")
                outer.asked.append(wanted)
                start = int(wanted[6:-1]) if wanted and outer.ranges else 0
                if self.headers.get("If-Range", outer.tag) != outer.tag:
                    start = 0
                if start >= len(outer.body):
                    self.send_error(416)
                    return
                body = outer.body[start:]
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", outer.length or str(len(body)))
                if outer.tag:
                    self.send_header("ETag", outer.tag)
                if start:
                    whole = len(outer.body)
                    self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
                self.end_headers()
                self.wfile.write(body if outer.cut is None else body[: outer.cut])

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.http.server_port}/"


@pytest.fixture
def server(monkeypatch):
    made = Server()

    def served(name):
        return replace(dataset(name), url=f"{made.base}{name}.tar.gz")

    monkeypatch.setattr(local, "dataset", served)
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_a_dataset_is_downloaded_on_first_use_and_only_then(server, tmp_path, monkeypatch):
    found = find_stimuli("edge", data=tmp_path)
    assert [s.id for s in found] == [f"edge/cat/cat{n}.png" for n in (1, 2, 3)]
    assert find_stimuli("edge", data=tmp_path) == found
    assert len(server.asked) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edge", "sha256.json"]


def test_processes_that_want_a_dataset_at_once_download_it_once(server, tmp_path, monkeypatch):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: find_stimuli("edge", data=tmp_path), range(4)))
    assert len({tuple(s.id for s in each) for each in found}) == 1
    assert len(server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_is_resumed(server, tmp_path, ranges):
    server.cut, server.ranges = 300, ranges
    with pytest.raises(SynthesightError, match="what has arrived is kept"):
        fetch("edge", tmp_path)
    assert not (tmp_path / "edge").exists()
    server.cut = None
    fetch("edge", tmp_path)
    assert server.asked == [None, "bytes=300-"]
    assert len(list((tmp_path / "edge").rglob("*.png"))) == 3


def test_another_hash_than_expected_is_thrown_away(server, tmp_path):
    right, wrong = hashlib.sha256(server.body).hexdigest(), "00ff" * 16
    with pytest.raises(SynthesightError, match=f"{right}, not {wrong}"):
        fetch("edge", tmp_path, sha256=wrong)
    assert not list(tmp_path.iterdir())
    fetch("edge", tmp_path, sha256=right.upper())
    # What was fetched once must be the same ever after.
    before = sorted((tmp_path / "edge").rglob("*.png"))
    server.body = archive_of({"edge/cat/other.png": picture(9)})
    changed = hashlib.sha256(server.body).hexdigest()
    with pytest.raises(SynthesightError, match=f"{changed}, not {right} as at its first use"):
        fetch("edge", tmp_path)
    assert sorted((tmp_path / "edge").rglob("*.png")) == before
    # Whoever knows the new one says it, and from then on it holds.
    fetch("edge", tmp_path, sha256=changed)
    fetch("edge", tmp_path)


@pytest.mark.parametrize("sha256", ["", "0", "00ff", "x" * 64, "0" * 65])
def test_a_hash_is_whole(tmp_path, sha256):
    said = refused("data", "get", "edge", "--data", tmp_path, "--sha256", sha256)
    assert "is no hash: give all of its 64 hexadecimal digits" in said


@pytest.mark.parametrize(
    ("entries", "link"),
    [
        ({"edge/cat/a.png": b"x", "edge/../../evil.png": b"x"}, None),
        ({"/tmp/evil-synthesight.png": b"x", "../evil.png": b"x"}, None),
        ({"edge/cat/a.png": b"x"}, ("edge/out", "../../..")),
    ],
)
def test_an_archive_that_would_write_elsewhere_is_refused(server, tmp_path, entries, link):
    server.body = archive_of(entries, link)
    root = tmp_path / "data"
    with pytest.raises(SynthesightError, match=r"outside its folder|is a link"):
        fetch("edge", root)
    assert [path.name for path in root.rglob("*")] == []
    assert not (tmp_path / "evil.png").exists()


@pytest.mark.parametrize(
    "body", [b"no archive at all", archive_of({"edge/a.png": picture(1)})[:200]]
)
def test_a_damaged_archive_leaves_nothing(server, tmp_path, body):
    server.body = body
    with pytest.raises(SynthesightError, match="truncated or damaged"):
        fetch("edge", tmp_path)
    assert not list(tmp_path.iterdir())


def test_server_errors_are_one_sentence(server, tmp_path):
    with pytest.raises(SynthesightError, match="answered 404") as caught:
        fetch("sketch", tmp_path)
    assert "set SYNTHESIGHT_DATA" in str(caught.value)
    server.base = "http://127.0.0.1:9/"
    with pytest.raises(SynthesightError, match="connection failed"):
        fetch("sketch", tmp_path)


def test_the_command_line_lists_gets_and_checks(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(tmp_path))
    assert done("data", "list").count("not here") == len(datasets()) + 1  # and people
    assert f"edge is in {tmp_path / 'edge'}" in done("data", "get", "edge")
    assert "edge: 3 images, 1 conditions, 1 categories, 0 unreadable" in done("data", "check")
    (tmp_path / "edge/cat/cat2.png").write_bytes(b"")
    result = command("data", "check", "edge")
    assert result.returncode == 2
    assert "1 unreadable" in result.stdout
    assert "cat2.png is empty" in result.stderr
    assert "no dataset 'edges': did you mean edge." in refused("data", "get", "edges")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("truncated", "what has arrived is kept"),
        ("other hash", f"not {'00ff' * 16}"),
        ("../", "outside its folder"),
        ("damaged", "truncated or damaged"),
        ("not there", "answered 404"),
    ],
)
def test_the_command_line_says_why_a_download_failed(server, tmp_path, monkeypatch, case, words):
    arguments = ["data", "get", "sketch" if case == "not there" else "edge"]
    if case == "truncated":
        server.cut = 300
    elif case == "other hash":
        arguments += ["--sha256", "00ff" * 16]
    elif case == "../":
        server.body = archive_of({"edge/../../evil.png": b"x"})
    elif case == "damaged":
        server.body = server.body[:200]
    said = refused(*arguments, "--data", tmp_path / "data")
    assert words in said
    assert "http" in said or "edge" in said
    assert not (tmp_path / "evil.png").exists()


def test_what_is_said_of_a_length(server, tmp_path):
    for length in ("abc", "-5", "9" * 30):
        server.length = length
        with pytest.raises(SynthesightError, match="the server's answer makes no sense"):
            fetch("edge", tmp_path)
    server.length = str(10**12)
    with pytest.raises(SynthesightError, match=r"larger than 17\.2 GB"):
        fetch("edge", tmp_path)
    assert not list(tmp_path.iterdir())


def test_whom_a_server_may_send_us_to(server, tmp_path):
    for place, words in (
        ("http://example.com/edge.tar.gz", "is not encrypted"),
        ("//[::1", "makes no sense: it sent us to no address"),
        ("ftp://127.0.0.1/edge.tar.gz", "is not encrypted"),
        ("file:///etc/passwd", "is not encrypted"),
        ("edge.tar.gz", "more than 5 redirects"),
    ):
        server.sends_to = place
        with pytest.raises(SynthesightError, match=words):
            fetch("edge", tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_here_is_checked_ever_after(server, tmp_path):
    url, path = f"{server.base}edge.tar.gz", tmp_path / "edge"
    files.fetch(url, path, otherwise="x")
    right = hashlib.sha256(server.body).hexdigest()
    assert json.loads((tmp_path / "sha256.json").read_text()) == {url: right}
    assert files.fetch(url, path, sha256=right[:8], otherwise="x") == path
    path.write_bytes(b"other")
    with pytest.raises(SynthesightError, match=f"not {right} as at its first use, and is not used"):
        files.fetch(url, path, otherwise="x")
    with pytest.raises(SynthesightError, match=f"not {right[:8]}, and is not used"):
        files.fetch(url, path, sha256=right[:8], otherwise="x")
    path.unlink()
    assert files.fetch(url, path, otherwise="x") == path
    assert len(server.asked) == 2
    (tmp_path / "sha256.json").write_text('{"a": 3}')
    with pytest.raises(SynthesightError, match="holds what is no SHA-256: delete it"):
        files.fetch(url, path, otherwise="x")


def test_the_rest_of_another_version_is_not_appended(server, tmp_path):
    """The server says by its tag which version it has."""
    server.cut, path = 300, tmp_path / "edge"
    url = f"{server.base}edge.tar.gz"
    server.tag = '"1"'
    with pytest.raises(SynthesightError, match="is kept"):
        files.download(url, path, otherwise="x")
    server.cut, server.tag, server.body = None, '"2"', archive_of({"edge/b.png": picture(7)})
    files.download(url, path, otherwise="x")
    assert path.read_bytes() == server.body
    assert sorted(each.name for each in tmp_path.iterdir()) == ["edge", "sha256.json"]
