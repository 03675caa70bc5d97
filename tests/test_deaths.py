"""Let a process die, or its disk fail, at every single file operation of a run."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from synthesight.errors import SynthesightError
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials import parts
from synthesight.trials import store as trial_store
from synthesight.trials.merging import merge
from synthesight.trials.repair import check
from synthesight.trials.store import Run

MADE = {"observer": {"model": "m"}, "classes": ["cat", "dog"]}
SHOWN = [Stimulus(f"a/{n}.png", b"", "a") for n in range(12)]
FEW = SHOWN[:3]
CHANGES = ("open", "fsync", "rename", "replace", "link", "unlink", "mkdir", "rmdir", "utime")
READS = ("scandir", "listdir", "stat")


class Killed(BaseException):
    """What a process does not survive."""


class Disk:
    """Count the operations on files, and fail at one of them.

    Parameters
    ----------
    at
        Which one fails, from 0.
    error
        What it raises; after :class:`Killed`, nothing is done any more.
    reads
        Whether to count also what changes nothing.
    """

    def __init__(
        self, at: int | None, error: BaseException | None = None, *, reads: bool = False
    ) -> None:
        self.at, self.error, self.reads = at, error, reads
        self.count, self.log = 0, []
        self.dead = False

    def step(self, what: str) -> bool:
        """Count an operation; whether it is the one that fails."""
        if self.dead:
            raise Killed
        if what in (*READS, "read") and not self.reads:
            return False
        self.log.append(what)
        self.count += 1
        if self.count - 1 != self.at:
            return False
        self.dead = isinstance(self.error, Killed)
        return True

    def fail(self) -> None:
        raise self.error


class File:
    """A file of which writing and closing are operations; half of what fails is written."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self.file, self.disk = file, disk

    def write(self, content: bytes) -> int:
        if self.disk.step("write"):
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            self.disk.fail()
        return self.file.write(content)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Let every operation on files pass by a disk."""

    def passing(name: str, call: Callable) -> Callable:
        def passed(*arguments, **keywords):
            if disk.step(name):
                disk.fail()
            return call(*arguments, **keywords)

        return passed

    def opened(file, *arguments, **keywords):
        mode = arguments[0] if arguments else keywords.get("mode", "r")
        if isinstance(file, int) or not set(mode) & set("wax+"):
            if disk.step("read"):
                disk.fail()
            return original(file, *arguments, **keywords)
        if disk.step("create"):
            disk.fail()
        return File(original(file, *arguments, **keywords), disk)

    original = io.open
    with pytest.MonkeyPatch.context() as patch:
        for name in (*CHANGES, *READS):
            patch.setattr(os, name, passing(name, getattr(os, name)))
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        yield disk


def trial(stimulus: Stimulus) -> dict[str, Any]:
    return {"observer": "m", "dataset": "a", "stimulus": stimulus.id, "response": "cat",
            "evidence": [0.0, -float(stimulus.id[2:-4])]}  # fmt: skip


def show(folder: Path, stimuli: list[Stimulus], kept: set[str]) -> None:
    """Do what an evaluation does, a stimulus a part; note what the run has taken."""
    run = Run.create_or_resume(folder, MADE, stimuli=stimuli)
    done = run.done()
    for stimulus in stimuli:
        if stimulus.id not in done:
            run.append([trial(stimulus)])
            kept.add(stimulus.id)


def work(folder: Path, kept: set[str], stimuli: list[Stimulus] = FEW) -> None:
    """Begin a run, go on with it, let it grow, and join its parts."""
    show(folder, stimuli[: len(stimuli) // 2], kept)
    show(folder, stimuli, kept)
    Run.create_or_resume(folder, MADE, stimuli=stimuli)


@pytest.fixture
def small_parts(monkeypatch):
    for module in (parts, trial_store):
        monkeypatch.setattr(module, "MANY", 3)


def undisturbed(folder: Path, stimuli: list[Stimulus] = FEW, *, reads: bool = False):
    """Return the trials of a run that nothing disturbed, and the operations that it took."""
    disk = Disk(None, reads=reads)
    with failing(disk):
        work(folder, set(), stimuli)
    return Run.open(folder).trials(), disk.log


def check_whole(folder: Path, kept: set[str], whole, stimuli: list[Stimulus] = FEW) -> None:
    """Check that nothing is lost or half, and that the run can go on to its end."""
    if (folder / "run.json").exists():
        found = Run.open(folder).trials()
        assert kept <= set(found["stimulus"])
        assert found.equals(whole.filter(whole["stimulus"].is_in(found["stimulus"].implode())))
    else:
        assert not kept
    work(folder, set(), stimuli)
    assert Run.open(folder).trials().equals(whole)
    assert check(folder) == []


def die(tmp_path: Path, stimuli: list[Stimulus] = FEW, *, reads: bool = False) -> int:
    """Let a process die at each operation; return how many there were."""
    whole, log = undisturbed(tmp_path / "undisturbed", stimuli, reads=reads)
    for at in range(len(log)):
        folder, kept = tmp_path / f"run{at}", set()
        with failing(Disk(at, Killed(), reads=reads)), suppress(Killed):
            work(folder, kept, stimuli)
        check_whole(folder, kept, whole, stimuli)
    return len(log)


@pytest.mark.usefixtures("small_parts")
def test_a_process_may_die_at_every_operation_that_changes_files(tmp_path):
    count = die(tmp_path)
    print(f"{count} deaths")
    assert count >= 52


@pytest.mark.stress
@pytest.mark.usefixtures("small_parts")
def test_a_process_may_die_at_every_operation_on_files(tmp_path):
    count = die(tmp_path, SHOWN, reads=True)
    print(f"{count} deaths")
    assert count > 400


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ENOMEM, errno.EFBIG])
def test_the_disk_may_fail_at_every_operation_that_changes_files(tmp_path, number):
    whole, log = undisturbed(tmp_path / "undisturbed")
    for at in range(number % 8, len(log), 8):  # all of them in the stress test
        folder, kept = tmp_path / f"run{at}", set()
        error = OSError(number, os.strerror(number), "the file")
        with failing(Disk(at, error)), suppress(SynthesightError):
            work(folder, kept)
        check_whole(folder, kept, whole)


@pytest.mark.stress
@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ENOMEM])
def test_the_disk_may_fail_at_every_operation_on_files(tmp_path, number):
    whole, log = undisturbed(tmp_path / "undisturbed", SHOWN, reads=True)
    print(f"{len(log)} failures")
    for at in range(len(log)):
        folder, kept = tmp_path / f"run{at}", set()
        disk = Disk(at, OSError(number, os.strerror(number), "the file"), reads=True)
        try:
            with failing(disk), suppress(SynthesightError):
                work(folder, kept, SHOWN)
        except OSError:
            # The command line makes one sentence of what cannot be read at all.
            assert disk.log[at] in (*READS, "read")
        check_whole(folder, kept, whole, SHOWN)


@pytest.mark.usefixtures("small_parts")
def test_a_merge_may_die_at_every_second_operation_that_changes_files(tmp_path):
    work(tmp_path / "a", set())
    work(tmp_path / "b", set(), SHOWN[2:5])
    disk, both = Disk(None), [tmp_path / "a", tmp_path / "b"]
    with failing(disk):
        whole = merge(both, tmp_path / "all")[0].trials()
    for at in range(0, disk.count, 2):
        with failing(Disk(at, Killed())), suppress(Killed):
            merge(both, tmp_path / f"run{at}")
        run, remarks = merge(both, tmp_path / f"run{at}")
        assert run.trials().equals(whole)
        assert remarks == []
