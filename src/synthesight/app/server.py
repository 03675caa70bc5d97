"""Serve the app from one process of this machine, without a request to any other."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from synthesight.app.models import Models
from synthesight.errors import SynthesightError

LARGEST = "50mb"  # of an upload
# The page runs its own scripts and asks nothing of other machines.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'self'"
)


def serve(
    models: Models,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    data: str | Path | None = None,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the app until an interrupt.

    Parameters
    ----------
    models
        What images are shown to.
    host, port
        Where to listen; port 0 takes a free one.
    data
        Folder of the datasets and of people's trials; None for SYNTHESIGHT_DATA, else the cache.
    ready
        Called with the address, once somebody listens there.

    Raises
    ------
    SynthesightError
        If gradio is not installed, or nobody can listen there.
    """
    # Read when gradio is imported: it counts nobody and asks nothing of the network.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with _listening(host, port) as listener, tempfile.TemporaryDirectory() as scratch:
        try:
            import gradio  # noqa: F401
            import uvicorn
        except ImportError as error:
            raise SynthesightError(
                f"The app needs the package {error.name}: pip install 'synthesight[app]'."
            ) from None
        # Images that are dropped go away with the app.
        os.environ["GRADIO_TEMP_DIR"] = str(Path(scratch) / "uploads")
        config = uvicorn.Config(
            application(models, Path(scratch), data),
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        at, number = listener.getsockname()[:2]
        shown = f"[{at}]" if ":" in at else at
        ready(f"http://{shown}:{number}/")
        threading.Thread(target=models.warm, daemon=True).start()
        uvicorn.Server(config).run(sockets=[listener])


def application(models: Models, scratch: Path, data: str | Path | None = None) -> Any:
    """Return the web application: the page, and the trials of its last tab below ``/you``.

    Parameters
    ----------
    models, data
        See :func:`serve`.
    scratch
        Folder for what is drawn and uploaded.
    """
    import gradio as gr
    from fastapi import FastAPI

    from synthesight.app.page import build
    from synthesight.app.you import You, pages

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/you", pages(You(scratch / "you", data)))
    gr.mount_gradio_app(
        app,
        build(models, scratch),
        path="/",
        footer_links=[],
        run_history=False,
        max_file_size=LARGEST,
        ssr_mode=False,
        theme=_theme(),
        css=(resources("synthesight.app") / "page" / "app.css").read_text("utf-8"),
    )
    return _guarded(app)


def _theme() -> Any:
    """Return gradio's theme with this machine's fonts, and text that stands out enough."""
    import gradio as gr

    faint = {"light": "*neutral_600", "dark": "*neutral_300"}
    theme = gr.themes.Default(
        primary_hue="blue",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return theme.set(
        block_info_text_color=faint["light"],
        block_info_text_color_dark=faint["dark"],
        body_text_color_subdued=faint["light"],
        body_text_color_subdued_dark=faint["dark"],
        input_placeholder_color=faint["light"],
        input_placeholder_color_dark=faint["dark"],
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        color_accent="*primary_700",
    )


def _guarded(app: Any) -> Any:
    """Tell browsers with each answer to ask nothing of other machines."""

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        async def told(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await app(scope, receive, told)

    return guarded


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=_family(host))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SynthesightError(
            f"Nobody can listen at {host}:{port} ({reason.lower()}): give another `port` or `host`."
        ) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
