"""``synthesight info``: what is installed here and what it runs on, for reports of bugs."""

from __future__ import annotations

import json as encoding
import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Annotated, Any

import typer


def info(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show versions, devices, memory, extras and caches: for reports of bugs."""
    facts = _facts()
    if json:
        print(encoding.dumps(facts, indent=2))
        return
    from synthesight.cli.output import print_facts

    print_facts({name: _words(value) for name, value in facts.items()})


def _facts() -> dict[str, Any]:
    import psutil
    import torch
    from huggingface_hub.constants import HF_HUB_CACHE

    from synthesight.observers.registry import entries
    from synthesight.showing import installed
    from synthesight.stimuli.datasets.local import download_root

    memory = psutil.virtual_memory()
    cards = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    return {
        "versions": installed() | {"python": platform.python_version()},
        "platform": platform.platform(),
        "python": sys.executable,
        "processor": f"{os.cpu_count()} cores, {torch.get_num_threads()} threads of torch",
        "memory": f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB free",
        "GPUs": [f"{card.name}, {card.total_memory / 2**30:.0f} GiB" for card in cards],
        "extras": _extras(),
        "caches": {str(place): _size(place) for place in (download_root(), Path(HF_HUB_CACHE))},
        "bundled models": [e.name for e in entries().values() if e.source == "bundled"],
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("SYNTHESIGHT_", "CUDA_VISIBLE", "OMP_NUM", "HF_HOME", "HF_HUB_O"))
        },
    }


def _extras() -> dict[str, str]:
    """Return for each extra whether its packages are here, and which are not."""
    missing: dict[str, list[str]] = {}
    for line in requires("synthesight") or ():
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if extra is None or extra[1] in ("dev", "docs"):
            continue
        package = re.split(r"[\s<>=!~;\[]", line)[0]
        absent = missing.setdefault(extra[1], [])
        try:
            version(package)
        except PackageNotFoundError:
            absent.append(package)
    return {
        name: f"without {', '.join(absent)}" if absent else "installed"
        for name, absent in missing.items()
    }


def _size(folder: Path) -> str:
    """Return the size of a folder's files, each counted once."""
    if not folder.is_dir():
        return "not there"
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            if not path.is_symlink():
                total += path.stat().st_size
    return f"{total / 1e6:.0f} MB"


def _words(value: Any) -> str:
    """Return a fact in words."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {fact}" for name, fact in value.items()) or "none"
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)
