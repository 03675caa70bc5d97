"""Archives of any kind are unpacked into their folder, or not at all."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthesight.errors import SynthesightError
from synthesight.files import unpack, unpacking

FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def tar(*entries, format=tarfile.PAX_FORMAT, packed=False):
    """An archive of (name, kind, content or target, pax headers …)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if packed else "w", format=format) as made:
        for name, kind, content, *headers in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.pax_headers = headers[0] if headers else {}
            if kind == FILE:
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                made.addfile(info)
    return buffer.getvalue()


def unpacked(folder: Path, archive: bytes) -> dict[str, bytes | None]:
    """What lies in the folder after it was unpacked."""
    path = folder / "a.tar.gz"
    path.write_bytes(archive)
    unpack(path, folder / "out")
    path.unlink()
    assert [each.name for each in folder.iterdir()] == ["out"]
    return {
        each.relative_to(folder / "out").as_posix(): each.read_bytes() if each.is_file() else None
        for each in (folder / "out").rglob("*")
    }


def says(folder: Path, archive: bytes) -> str:
    """What is said of an archive, which must leave nothing behind."""
    (folder / "in").mkdir()
    path = folder / "in" / "a.tar.gz"
    path.write_bytes(archive)
    with pytest.raises(SynthesightError) as caught:
        unpack(path, folder / "in" / "out")
    assert [each.name for each in folder.rglob("*")] == ["in", "a.tar.gz"]
    return str(caught.value)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("packed", [True, False])
def test_archives_as_others_write_them(tmp_path, format, packed):
    long = "/".join(["folder" * 5] * 6) + "/b.png"  # longer than a header holds
    entries = [
        ("edge", FOLDER, ""),
        ("edge/empty/", FOLDER, ""),
        ("edge/a.png", FILE, b"a" * 700),
        ("./edge/ç/é.png", FILE, b""),
        (f"edge/{long}", FILE, b"b" * 512),
    ]
    found = unpacked(tmp_path, tar(*entries, format=format, packed=packed))
    assert {name: content for name, content in found.items() if content is not None} == {
        "a.png": b"a" * 700, "ç/é.png": b"", long: b"b" * 512,
    }  # fmt: skip
    assert found["empty"] is None


def test_a_folder_is_replaced_whole(tmp_path):
    unpacked(tmp_path, tar(("a/1.png", FILE, b"1"), ("b.png", FILE, b"2")))
    assert unpacked(tmp_path, tar(("a/2.png", FILE, b"3"), ("c.png", FILE, b""))) == {
        "a": None, "a/2.png": b"3", "c.png": b"",
    }  # fmt: skip


def cve_2025_4517() -> bytes:
    """An archive that Python's own unpacker writes outside its folder with, filter or not.

    Its links are so long that ``os.path.realpath`` gives up on them and takes them for harmless.
    """
    component, steps, path = "d" * 247, "abcdefghijklmnop", ""
    entries = []
    for step in steps:
        entries += [
            (path + component, FOLDER, ""),
            (path + step, LINK, component),
        ]
        path += component + "/"
    short = "/".join(steps)
    entries += [
        (f"{short}/{'l' * 254}", LINK, "../" * len(steps)),
        ("escape", LINK, f"{short}/{'l' * 254}/.."),
        ("escape/evil", FILE, b"written outside"),
    ]
    return tar(*entries)


def test_what_python_writes_outside_its_folder_is_refused(tmp_path):
    assert "is a link" in says(tmp_path, cve_2025_4517())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil", "outside its folder"),
        ("a/../../evil", "outside its folder"),
        ("a/..", "outside its folder"),
        ("/tmp/evil-synthesight", "outside its folder"),
        ("//evil", "outside its folder"),
        ("C:evil", "outside its folder"),
        ("C:/evil", "outside its folder"),
        ("a\\..\\..\\evil", "outside its folder"),
        ("a\x1b[31m", "not printed"),
        ("a\nb", "not printed"),
        ("a/\u202egnp.exe", "not printed"),
        ("a" * 300, "far too long"),
        ("a/" * 600 + "b", "far too long"),
        ("a/" * 16 + "b", "in more than 16 folders"),
        (".", "without a name"),
    ],
)
def test_names_that_are_refused(tmp_path, name, words):
    said = says(tmp_path, tar(("a/good.png", FILE, b"x"), (name, FILE, b"x")))
    assert words in said
    assert said.endswith(": nothing was unpacked; do not trust this archive.")
    assert said.isprintable()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (LINK, "is a link"), (HARD, "is a hard link"), (tarfile.CHRTYPE, "is a device"),
        (tarfile.BLKTYPE, "is a device"), (tarfile.FIFOTYPE, "is a pipe"), (b"Z", "unknown kind"),
        (tarfile.GNUTYPE_SPARSE, "is a sparse file"), (tarfile.CONTTYPE, "unknown kind"),
    ],
)  # fmt: skip
def test_kinds_that_are_refused(tmp_path, kind, words):
    assert words in says(tmp_path, tar(("a.png", kind, "a.png")))


@pytest.mark.parametrize(
    "entries",
    [
        [("a", FILE, b"1"), ("a", FILE, b"2")],
        [("a", FILE, b"1"), ("./a/", FOLDER, "")],
        [("a", FILE, b"1"), ("a/b", FILE, b"2")],
        [("a/b", FILE, b"1"), ("a", FILE, b"2")],
    ],
)
def test_two_entries_of_one_name(tmp_path, entries):
    assert "has two entries of one name ('a" in says(tmp_path, tar(*entries))


def test_archives_that_hold_far_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "FREE", 2**20)
    monkeypatch.setattr(unpacking, "MOST_ENTRIES", 50)
    for n, archive in enumerate(
        [
            gzip.compress(tar(("a", FILE, bytes(2**24))), 9),
            gzip.compress(tar(("a", FILE, b"1"))[:-1024] + bytes(2**24), 9),
            gzip.compress(tar(("a" * 200, FILE, b"", {"comment": "x" * 2**20})), 9),
            tar(*((f"{n}.png", FILE, b"") for n in range(51))),
        ]
    ):
        (tmp_path / str(n)).mkdir()
        words = "to far more than" if n < 2 else "name that is far too long"
        assert (words if n < 3 else "more than 50 entries") in says(tmp_path / str(n), archive)


def header(size: bytes, kind: bytes = FILE, name: bytes = b"a") -> bytes:
    block = bytearray(512)
    block[: len(name)], block[156:157], block[124 : 124 + len(size)] = name, kind, size
    block[148:156] = b"%06o\0 " % (sum(block) + 8 * 32)
    return bytes(block)


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"", "it is no .tar"),
        (b"PK\x03\x04" * 300, "is truncated or damaged"),
        (gzip.compress(b"no archive"), "it is no .tar"),
        (gzip.compress(tar(("a", FILE, b"x" * 9000)))[:-20], "ended before"),
        (tar(("a", FILE, b"x" * 900))[:1024], "it ends early"),
        (bytes(1024), "is empty"),
        (header(b"-0000000001"), "a number is wrong"),
        (header(b"\xff" * 12), "a number is wrong"),  # −1, which made Python's own loop for ever
        (header(b"\x80" + b"\xff" * 11), "far more than"),
        (header(b"77777777777"), "far more than"),
        (header(b"0", b"x") + header(b"0"), None),
        (header(b"10", b"x") + b"7 path=\n".ljust(512, b"\0"), "a header is wrong"),
        (header(b"10", b"x") + b"0 a=bcd\n".ljust(512, b"\0"), "a header is wrong"),
        (header(b"12", b"x") + b"10 size=-1".ljust(512, b"\0"), "a size is wrong"),
    ],
    # By number: compressed archives hold the time, and all processes must name a test alike.
    ids=map(str, range(14)),
)
def test_damaged_archives(tmp_path, archive, words):
    if words is None:
        assert unpacked(tmp_path, archive) == {"a": b""}
    else:
        assert words in says(tmp_path, archive)


def test_a_large_archive_takes_little_memory(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar(("a", FILE, bytes(2**25))), 1))
    tracemalloc.start()
    unpack(path, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert (tmp_path / "out" / "a").stat().st_size == 2**25


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.text("abcä./\\:\0\x1b ", max_size=12),
            st.sampled_from([FILE, FOLDER, LINK, HARD]),
            st.binary(max_size=600),
        ),
        max_size=5,
    ),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=9))),
    st.booleans(),
)
def test_any_archive_is_unpacked_into_its_folder_or_refused(entries, changes, packed):
    """Nothing is ever written elsewhere."""
    from tempfile import TemporaryDirectory

    archive = bytearray(
        tar(*(e if e[1] == FILE else (e[0], e[1], e[0] + "x") for e in entries), packed=packed)
    )
    for where, new in changes:
        place = int(where * len(archive))
        archive[place : place + len(new)] = new
    with TemporaryDirectory() as name:
        folder = Path(name) / "in"
        folder.mkdir()
        (folder / "a.tar").write_bytes(archive)
        said = ""
        try:
            unpack(folder / "a.tar", folder / "out")
        except SynthesightError as error:
            said = str(error)
        assert said.isprintable()
        there = ["a.tar"] if said else ["a.tar", "out"]
        assert sorted(each.name for each in folder.iterdir()) == there
        assert all(each.is_dir() or each.is_file() for each in folder.rglob("*"))
        assert [each.name for each in Path(name).iterdir()] == ["in"]
