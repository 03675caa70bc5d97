"""``synthesight app``: watch models decide, in the browser."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from typing import Annotated

import typer

from synthesight.cli.options import Data, Device


def app(
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 7860,
    open: Annotated[bool, typer.Option("--open", help="Open it in the browser here.")] = False,
    data: Data = None,
    device: Device = None,
) -> None:
    """Watch models decide, in the browser: drop an image, and see the evidence come apart.

    Works offline with the bundled models. Needs the extra app: pip install 'synthesight[app]'.
    """
    from synthesight.app import Models, serve

    def ready(address: str) -> None:
        print(f"{address} shows the app; Ctrl-C stops it.", flush=True)
        if open:
            webbrowser.open(address)

    with suppress(KeyboardInterrupt):
        serve(Models(device), host=host, port=port, data=data, ready=ready)
