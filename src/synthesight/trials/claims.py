"""The files by which processes share the stimuli of a run, and keep what is not decided yet.

A process claims a few stimuli at a time: it writes a file that lists them, appends to it what it
finds out about them, and removes it once their trials are in the run. A claim counts as long as
its process lives. What a dead process leaves is another's to take over, with all that it knows.

Nothing depends on claims but who does what: were two processes to show one stimulus, their trials
would be the same, and the run would hold one of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil

from synthesight import files

FOLDER = "processes"
CLAIM, FREE = ".claim", ".kept"  # claimed by a process; left by one that has ended
STALE = 60.0  # seconds without a sign of life, after which a process elsewhere counts as dead
EVALUATIONS = np.dtype([("stimulus", "<u4"), ("draw", "<u4"), ("unit", "<u4"), ("nats", "<f8")])
DIGESTS, NATS = b"read", b"nats"
ACTIVE: set[str] = set()  # beginnings of the names of claims that are worked on in this process
_HEAD = struct.Struct("<4sII")  # kind, bytes, and CRC-32 of what follows


@dataclass(frozen=True)
class Claim:
    """A file that claims stimuli, whose ids it has, for the process that wrote it.

    What is known about them begins at ``start`` in the file.
    """

    path: Path
    owner: Mapping[str, Any]
    stimuli: Sequence[str]
    start: int

    @classmethod
    def write(cls, path: Path, stimuli: Sequence[str], content: bytes = b"") -> Claim:
        """Write a claim of this process, and what is known already."""
        owner = this_process()
        head = json.dumps({"owner": owner, "stimuli": list(stimuli)}).encode() + b"\n"
        files.write(path, head + content)
        return cls(path, owner, stimuli, len(head))

    @classmethod
    def read(cls, path: Path) -> Claim | None:
        """Read a claim; None where it is gone, or was never one."""
        try:
            with path.open("rb") as file:
                head = file.readline()
            content = json.loads(head)
            owner, stimuli = dict(content["owner"]), [str(each) for each in content["stimuli"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return cls(path, owner, stimuli, len(head))

    def lives(self, now: float) -> bool:
        """Tell whether its process works on it still.

        Parameters
        ----------
        now
            The time, by the clock of the file system.
        """
        if self.path.suffix == FREE:
            return False
        here = this_process()
        if self.owner == here:
            return self.path.name.partition("-")[0] in ACTIVE
        if self.owner.get("host") == here["host"]:
            return is_alive(self.owner.get("pid"), self.owner.get("begun"))
        with suppress(OSError):
            return now - self.path.stat().st_mtime < STALE
        return False

    def known(self) -> dict[str, tuple[str | None, np.ndarray]]:
        """Return what is known: of each stimulus, its digest and its network evaluations.

        What a process was writing as it died is left out.
        """
        with suppress(OSError):
            content = self.path.read_bytes()[self.start :]
            digests: dict[int, str] = {}
            found = [np.zeros(0, EVALUATIONS)]
            for kind, body in _frames(content):
                if kind == NATS and len(body) % EVALUATIONS.itemsize == 0:
                    found.append(np.frombuffer(body, EVALUATIONS))
                elif kind == DIGESTS:
                    digests |= {int(key): text for key, text in json.loads(body).items()}
            table = np.concatenate(found)
            table = table[np.argsort(table["stimulus"], kind="stable")]
            numbers, first = np.unique(table["stimulus"], return_index=True)
            return {
                self.stimuli[number]: (digests.get(number), own)
                for number, own in zip(numbers.tolist(), np.split(table, first[1:]), strict=False)
                if number < len(self.stimuli)
            }
        return {}


def place_of_claims(run: Path) -> Path:
    """Return the folder of a run's claims: in the run, or of one in an object store, in the cache.

    An object store cannot lock, append and rename; there, the processes of one machine share a
    run, and machines by shards.
    """
    if not files.is_remote(run):
        return run / FOLDER
    return files.cache_folder() / FOLDER / hashlib.sha256(str(run).encode()).hexdigest()[:16]


def frame(kind: bytes, body: bytes) -> bytes:
    """Return what is appended to a claim: it is read whole or not at all."""
    return _HEAD.pack(kind, len(body), zlib.crc32(body)) + body


def _frames(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + _HEAD.size <= len(content):
        kind, size, check = _HEAD.unpack_from(content, place)
        body = content[place + _HEAD.size : place + _HEAD.size + size]
        if len(body) < size or zlib.crc32(body) != check:
            return
        yield kind, body
        place += _HEAD.size + size


_HERE: dict[int, dict[str, Any]] = {}


def this_process() -> dict[str, Any]:
    """Return what tells this process from all others: machine, number and time of its start."""
    if (pid := os.getpid()) not in _HERE:
        host = socket.gethostname()
        with suppress(OSError):  # containers of one machine number their processes on their own
            host += f" {Path('/proc/self/ns/pid').readlink()}"
        _HERE[pid] = {"host": host, "pid": pid, "begun": psutil.Process(pid).create_time()}
    return _HERE[pid]


def is_alive(pid: object, begun: object) -> bool:
    """Tell whether a process of this machine, which began at a time, has not ended."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - float(begun)) < 2.0  # type: ignore[arg-type]
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except (psutil.Error, TypeError, ValueError, OverflowError):
        return False


class OwnClaim:
    """A claim of this process."""

    def __init__(self, path: Path, stimuli: list[str]) -> None:
        self.path, self.stimuli = path, stimuli
        self.left = set(stimuli)
        self.places = {stimulus: place for place, stimulus in enumerate(stimuli)}
        self.known = b""  # when it was written
        self.keeps = False
        self.file: BinaryIO | None = None

    def recall(self, stimulus: str, digest: str | None, table: np.ndarray) -> None:
        """Take over what is known of a stimulus."""
        table = table.copy()
        table["stimulus"] = place = self.places[stimulus]
        self.known += frame(DIGESTS, json.dumps({place: digest}).encode()) if digest else b""
        self.known += frame(NATS, table.tobytes())
        self.keeps = True

    def open(self) -> None:
        Claim.write(self.path, self.stimuli, self.known)
        self.file = self.path.open("ab", buffering=0)

    def append(self, kind: bytes, body: bytes) -> None:
        # A claim that is gone was taken over, by a process that thought this one dead.
        if self.file is not None and self.path.exists():
            self.file.write(frame(kind, body))
            self.keeps |= kind == NATS

    def close(self, *, keep: bool) -> None:
        """Give the claim up; what is known is kept for others, if anything is."""
        if self.file is not None:
            self.file.close()
            self.file = None
        with suppress(OSError):
            if keep and self.keeps:
                self.path.rename(self.path.with_suffix(FREE))
            else:
                self.path.unlink()
