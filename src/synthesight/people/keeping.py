"""Keep the trials that browsers send: checked, appended, and on the disk before the answer."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.people.site import DATA, DESIGN, IMAGE_MS, SESSIONS
from synthesight.stimuli.names import trials_file
from synthesight.trials.exchange import COLUMNS, PERSON

NAME = re.compile(r"[A-Za-z0-9-]{1,40}")
LARGEST_EVENT = 20_000  # characters
MOST_SESSIONS = 99


class Refused(SynthesightError):
    """Say in one sentence why what a browser sent was not kept."""


class Keeper:
    """Append trials to ``data/<dataset>/<dataset>_subject-<name>_session_<n>.csv`` of a site.

    What a browser sends is only numbers: categories, conditions and names of images are those of
    the site's own design. A trial that is there already is not written again.
    """

    def __init__(self, site: Path) -> None:
        self.site = site
        try:
            self.design = json.loads((site / DESIGN).read_text(encoding="utf-8"))
            self.stimuli = self.design["stimuli"]
            self.factors = self.design["factors"]
        except (OSError, ValueError, KeyError, TypeError):
            raise SynthesightError(
                f"{site} is no site of an experiment, or of another version: make one by "
                f"`synthesight experiment people STIMULI --out {site}`."
            ) from None
        self._lock = threading.Lock()
        self._done: dict[tuple[str, int], set[int]] = {}

    def progress(self, participant: str, session: int) -> list[int]:
        """Return the numbers of the trials that are kept of a participant."""
        _check_who(participant, session)
        with self._lock:
            return sorted(self._trials_of(participant, session))

    def finished(self, participant: str, session: int) -> bool:
        """Say whether a participant has done all trials of a session."""
        return len(self.progress(participant, session)) >= self.design["trials"]

    def keep(self, sent: Any) -> tuple[str, int, int]:
        """Append what is new of what a browser sent, and sync it; Refused if any of it cannot be.

        Returns participant, session, and the number of trials that are kept of it.
        """
        if not isinstance(sent, dict) or sent.get("design") != self.design["id"]:
            raise Refused("this is not of the study that is served here: load the page again.")
        participant, session = sent.get("participant"), sent.get("session")
        _check_who(participant, session)
        assert isinstance(participant, str)
        assert isinstance(session, int)
        trials, events = sent.get("trials", []), sent.get("events", [])
        if not isinstance(trials, list) or not isinstance(events, list):
            raise Refused("trials and events are lists.")
        rows = {trial: row for each in trials for trial, row in [self._checked(each)]}
        lines = [_event_line(event) for event in events]
        with self._lock:
            done = self._trials_of(participant, session)
            new: dict[int, list[str]] = defaultdict(list)
            for number, (stimulus, response, rt, image_ms) in sorted(rows.items()):
                if number not in done:
                    cells = self._cells(participant, session, number, stimulus, response, rt)
                    dataset = self.stimuli[stimulus]["dataset"]
                    factors = self.stimuli[stimulus]["factors"]
                    extra = [factors.get(name, "") for name in self.factors]
                    new[dataset].append(_csv([*cells, f"{image_ms:.2f}", *extra]))
            del self._done[participant, session]  # read anew if writing fails half-way
            for dataset, added in new.items():
                name = self.design["datasets"][dataset]["name"]
                path = self.site / DATA / trials_file(name, PERSON + participant, session)
                append(path, added, _csv([*COLUMNS, IMAGE_MS, *self.factors]))
            if lines:
                name = f"{PERSON}{participant}_session_{session}.jsonl"
                append(self.site / SESSIONS / name, lines)
            done.update(rows)
            self._done[participant, session] = done
            return participant, session, len(done)

    def _trials_of(self, participant: str, session: int) -> set[int]:
        key = participant, session
        if key not in self._done:
            found: set[int] = set()
            for dataset in self.design["datasets"]:
                place = trials_file(dataset["name"], PERSON + participant, session)
                path = self.site / DATA / place
                if path.is_file():
                    mend(path)
                    with path.open(encoding="utf-8", newline="") as file:
                        found.update(
                            int(row["trial"])
                            for row in csv.DictReader(file)
                            # Some file systems take Ann's file for ann's.
                            if row["subj"] == PERSON + participant
                        )
            self._done[key] = found
        return self._done[key]

    def _checked(self, trial: Any) -> tuple[int, tuple[int, int | None, float | None, float]]:
        if not isinstance(trial, dict):
            raise Refused("a trial is a table.")
        number = _whole(trial, "trial", 1, self.design["trials"])
        stimulus = _whole(trial, "stimulus", 0, len(self.stimuli) - 1)
        if trial.get("response") is None:
            return number, (stimulus, None, None, _number(trial, "image_ms"))
        response = _whole(trial, "response", 0, len(self.design["classes"]) - 1)
        return number, (stimulus, response, _number(trial, "rt"), _number(trial, "image_ms"))

    def _cells(
        self,
        participant: str,
        session: int,
        number: int,
        stimulus: int,
        response: int | None,
        rt: float | None,
    ) -> list[str]:
        """Return the published columns of a trial."""
        shown: Mapping[str, Any] = self.stimuli[stimulus]
        classes = [each["name"] for each in self.design["classes"]]
        return [
            PERSON + participant,
            str(session),
            str(number),
            "nan" if rt is None else f"{rt:.4f}",
            "na" if response is None else classes[response],
            classes[shown["category"]],
            shown["condition"],
            shown["name"],
        ]


def append(path: Path, lines: list[str], header: str = "") -> None:
    """Append whole lines to a file, after mending it, and sync it to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mend(path)
    new = not path.exists() or path.stat().st_size == 0
    with path.open("ab") as file:
        file.write(((header if new else "") + "".join(lines)).encode())
        file.flush()
        os.fsync(file.fileno())


def mend(path: Path) -> None:
    """Cut off the end of a line that a power cut left; its trial was never acknowledged."""
    if not path.is_file():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("rb+") as file:
            file.truncate(content.rfind(b"\n") + 1)


def _check_who(participant: Any, session: Any) -> None:
    if not isinstance(participant, str) or not NAME.fullmatch(participant):
        raise Refused("the participant's name has 1 to 40 letters, digits and hyphens.")
    if type(session) is not int or not 1 <= session <= MOST_SESSIONS:
        raise Refused(f"the session is a number from 1 to {MOST_SESSIONS}.")


def _whole(trial: dict[str, Any], name: str, least: int, most: int) -> int:
    value = trial.get(name)
    if type(value) is not int or not least <= value <= most:
        raise Refused(f"{name} is a whole number from {least} to {most}.")
    return value


def _number(trial: dict[str, Any], name: str) -> float:
    value = trial.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e7:
        return float(value)  # never NaN, which is not 0 or more
    raise Refused(f"{name} is a number from 0 to 10 million.")


def _event_line(event: Any) -> str:
    text = json.dumps(event)
    if not isinstance(event, dict) or len(text) > LARGEST_EVENT:
        raise Refused(f"an event is a table of at most {LARGEST_EVENT} characters.")
    return json.dumps({"received": datetime.now(UTC).isoformat(), **event}) + "\n"


def _csv(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
