"""Files: download, check, unpack, read, lock and write them. What touches the outside is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.files.downloading import check_sha256, download, fetch, hash_of
    from synthesight.files.objects import read_json
    from synthesight.files.places import as_path, is_remote, scannable
    from synthesight.files.saving import (
        STALE,
        UNFINISHED,
        alone,
        cache_folder,
        make_folder,
        remove_unfinished,
        sync_folder,
        whole,
        write,
        writing,
    )
    from synthesight.files.unpacking import Packed, read_tar, unpack

__all__ = [
    "STALE",
    "UNFINISHED",
    "Packed",
    "alone",
    "as_path",
    "cache_folder",
    "check_sha256",
    "download",
    "fetch",
    "hash_of",
    "is_remote",
    "make_folder",
    "read_json",
    "read_tar",
    "remove_unfinished",
    "scannable",
    "sync_folder",
    "unpack",
    "whole",
    "write",
    "writing",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "downloading": ["check_sha256", "download", "fetch", "hash_of"],
        "objects": ["read_json"],
        "places": ["as_path", "is_remote", "scannable"],
        "saving": [
            "STALE", "UNFINISHED", "alone", "cache_folder", "make_folder", "remove_unfinished",
            "sync_folder", "whole", "write", "writing",
        ],
        "unpacking": ["Packed", "read_tar", "unpack"],
    },
)  # fmt: skip
