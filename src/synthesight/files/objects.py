"""Read JSON that others wrote, which may be of any size, depth and kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError

LARGEST = 2**24  # bytes; Python's objects take up to thirty times as many


def read_json(path: Path, *, advice: str) -> dict[str, Any]:
    """Return the object in a file of JSON; ``advice`` is for one that is missing or damaged.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "a.json"
    >>> _ = path.write_text('{"side": 32}')
    >>> read_json(path, advice="get it anew")
    {'side': 32}
    """
    try:
        # A pipe would be waited for, and a device read without end.
        if path.exists() and not path.is_file():
            raise SynthesightError(f"{path} is no file: {advice}.")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise SynthesightError(
                f"{path} is larger than {LARGEST // 2**20} MiB, which no settings are: {advice}."
            )
        found = json.loads(content.decode("utf-8"))
    except FileNotFoundError:
        raise SynthesightError(f"The file {path} is missing: {advice}.") from None
    except OSError as error:
        raise SynthesightError(
            f"The file {path} cannot be read ({error.strerror}): {advice}."
        ) from None
    except (ValueError, RecursionError) as error:
        raise SynthesightError(f"The file {path} is not valid JSON: {advice}.") from error
    if not isinstance(found, dict):
        raise SynthesightError(f"The file {path} is not a JSON object: {advice}.")
    return found
