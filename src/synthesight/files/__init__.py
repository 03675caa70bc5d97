"""Files: download, check, unpack, read, lock and write them. What touches the outside is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.files.downloading import check_sha256 as check_sha256
    from synthesight.files.downloading import download as download
    from synthesight.files.downloading import fetch as fetch
    from synthesight.files.downloading import hash_of as hash_of
    from synthesight.files.objects import read_json as read_json
    from synthesight.files.places import as_path as as_path
    from synthesight.files.places import is_remote as is_remote
    from synthesight.files.places import scannable as scannable
    from synthesight.files.saving import STALE as STALE
    from synthesight.files.saving import UNFINISHED as UNFINISHED
    from synthesight.files.saving import alone as alone
    from synthesight.files.saving import cache_folder as cache_folder
    from synthesight.files.saving import make_folder as make_folder
    from synthesight.files.saving import remove_unfinished as remove_unfinished
    from synthesight.files.saving import sync_folder as sync_folder
    from synthesight.files.saving import whole as whole
    from synthesight.files.saving import write as write
    from synthesight.files.saving import writing as writing
    from synthesight.files.unpacking import Packed as Packed
    from synthesight.files.unpacking import read_tar as read_tar
    from synthesight.files.unpacking import unpack as unpack

__getattr__, __dir__, __all__ = lazy.attach(__name__)
