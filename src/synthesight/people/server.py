"""Serve the site of an experiment from one process, and keep the trials that it sends."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from synthesight.errors import SynthesightError
from synthesight.people.keeping import Keeper, Refused
from synthesight.people.site import SCRIPTS, STYLE

LARGEST = 2**20  # bytes of a request
PATIENCE = 20.0  # seconds for a browser to send what it announced

TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".png": "image/png"}
# The page runs its own scripts and the CDN's, and sends nothing elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self' https://cdn.jsdelivr.net; img-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; font-src 'self' data: "
    "https://cdn.jsdelivr.net; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


class PeopleServer(ThreadingHTTPServer):
    """Serve the pages and images of a site, and append trials to its folder ``data``.

    Nothing else of the folder is served: neither trials nor ``study.toml``. Requests that make no
    sense get one answer, and the server goes on.

    Parameters
    ----------
    site
        Folder of :func:`~synthesight.people.site.build_site`.
    host, port
        Where to listen; port 0 takes a free one.
    tell
        Called with participant, session and whether all trials are done, after each that is kept.

    Raises
    ------
    SynthesightError
        If the folder is no such site, or nobody can listen there.
    """

    daemon_threads = True

    def __init__(
        self,
        site: str | Path,
        host: str = "127.0.0.1",
        port: int = 0,
        tell: Callable[[str, int, bool], None] = lambda *_: None,
    ) -> None:
        folder = Path(site)
        self.keeper = Keeper(folder)
        self.tell = tell
        # What is served is listed once, so no address leads anywhere else.
        found = [folder / name for name in ("index.html", STYLE, *SCRIPTS)]
        for part in ("images", "masks", "icons", "lib"):
            found += (path for path in (folder / part).glob("*") if path.suffix in TYPES)
        self.pages = {f"/{path.relative_to(folder).as_posix()}": path for path in found}
        self.pages["/"] = folder / "index.html"
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SynthesightError(
                f"Nobody can listen at {host}:{port} ({reason.lower()}): give another `port` or "
                "`host`."
            ) from None

    def server_bind(self) -> None:
        """Listen, without asking the network for this machine's name, which may take long."""
        TCPServer.server_bind(self)

    @property
    def address(self) -> str:
        """Where the site is, as a browser takes it."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that break off, and everything of mistakes of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: PeopleServer
    protocol_version = "HTTP/1.1"
    server_version = "synthesight"
    sys_version = ""
    timeout = PATIENCE

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/progress":
            return self._progress(parts.query)
        path = self.server.pages.get(parts.path)
        try:
            content = path.read_bytes() if path else None
        except OSError:
            content = None
        if path is None or content is None:
            return self._answer(HTTPStatus.NOT_FOUND, {"error": "There is no such page."})
        # Images never change under their names, and are shown from the browser's cache.
        fixed = path.suffix == ".png"
        return self._send(
            HTTPStatus.OK,
            content,
            f"{TYPES[path.suffix]}; charset=utf-8",
            "max-age=86400" if fixed else "no-cache",
        )

    do_HEAD = do_GET

    def do_POST(self) -> None:
        # The rest of a request that is not read would be taken for the next one.
        self.close_connection = True
        if urlsplit(self.path).path != "/trials":
            return self._answer(HTTPStatus.NOT_FOUND, {"error": "There is no such page."})
        # Other web pages can send forms and texts here, but no JSON without being allowed to.
        kind = self.headers.get_content_type()
        origin = self.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != self.headers.get("Host")
        if kind != "application/json" or foreign:
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON, from this page.")
        lengths = self.headers.get_all("Content-Length") or []
        if "Transfer-Encoding" in self.headers or not lengths:
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "Send a Content-Length.")
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            return self._refuse(HTTPStatus.BAD_REQUEST, "Content-Length is no number.")
        if len(lengths[0]) > 12 or int(lengths[0]) > LARGEST:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This is too much at once.")
        body = self.rfile.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            return self._refuse(HTTPStatus.BAD_REQUEST, "The request broke off.")
        try:
            participant, session, done = self.server.keeper.keep(json.loads(body))
        except Refused as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, f"Not kept: {error}")
        except (ValueError, RecursionError):
            return self._refuse(HTTPStatus.BAD_REQUEST, "This is no JSON.")
        except OSError as error:
            reason = (error.strerror or "the disk refuses").lower()
            return self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, f"Not kept: {reason}.")
        self.close_connection = False
        self.server.tell(participant, session, done >= self.server.keeper.design["trials"])
        return self._answer(HTTPStatus.OK, {"kept": done})

    def _progress(self, query: str) -> None:
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        session = asked.get("session", "1")
        number = int(session) if session.isascii() and session.isdigit() and len(session) < 4 else 0
        try:
            trials = self.server.keeper.progress(asked.get("participant", ""), number)
        except Refused as error:
            return self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        return self._answer(
            HTTPStatus.OK, {"design": self.server.keeper.design["id"], "trials": trials}
        )

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True
        self._answer(status, {"error": reason})

    def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), "application/json", "no-store")

    def _send(self, status: HTTPStatus, content: bytes, kind: str, cache: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", cache)
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
