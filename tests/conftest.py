"""Fixtures that more than one test file uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes: each keeps to one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The published human trials and stimuli, which are not part of this repository."""
    folder = Path(os.environ.get("SYNTHESIGHT_DATA", SHARED))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set SYNTHESIGHT_DATA to its folder")
    return folder


@pytest.fixture
def metrics_as_before():
    """Forget the metrics that a test declares."""
    from synthesight.analysis.registry import REGISTERED, metrics

    before = dict(metrics())
    yield
    REGISTERED.clear()
    REGISTERED.update(before)
