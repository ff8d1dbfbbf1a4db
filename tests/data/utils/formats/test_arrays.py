"""`.npy` and `.npz`: what is whole comes back, and whatever else is one sentence that names the file."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import keep_array, kept_array, map_array, read_archive, read_array

ARRAYS = [
    np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.zeros((0, 3), np.int64),
    np.array(2.5),
    np.array(["a", "bc"]),
    np.arange(5, dtype=">i4"),
]


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_come_back_as_numpy_saved_them(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    for save, name in ((np.savez, "s.npz"), (np.savez_compressed, "c.npz")):
        save(tmp_path / name, a=array, b=array)
    found = [map_array(tmp_path / "a.npy"), read_array(tmp_path / "a.npy")]
    found += [archive[name] for archive in map(read_archive, (tmp_path / "s.npz", tmp_path / "c.npz")) for name in "ab"]
    for made in found:
        assert (made.dtype, made.shape) == (array.dtype, array.shape)
        assert np.array_equal(made, array)
    assert not isinstance(found[1], np.memmap)


def test_every_bit_of_a_header_is_a_sentence_or_changes_no_place(tmp_path: Path) -> None:
    """A tokenize.TokenError, or a shorter header that shifts all pixels, came of single bits here."""
    file, images = tmp_path / "a.npy", np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
    whole = npy(images)
    for place in range(len(whole) - images.nbytes):
        for bit in range(8):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            with contextlib.suppress(InputError):
                assert map_array(file).tobytes() == images.tobytes()


@pytest.mark.parametrize("header", [
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 9999999999), }",
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 4), }",
    b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    b"(" * 3000, b"{'descr': '|u1'", b"{1: 2}", b"'''", b"\x00" * 20,
])  # fmt: skip
def test_odd_headers(tmp_path: Path, header: bytes) -> None:
    file = tmp_path / "a.npy"
    file.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    with pytest.raises(InputError, match=r"a\.npy is not a whole \.npy file of numbers"):
        map_array(file)


def test_what_is_no_file_is_said_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "circle.npy").symlink_to(tmp_path / "circle.npy")
    for name, sentence in (
        ("pipe", "is a pipe or a device"), ("folder", "is a folder"), ("circle", "leads in a circle"),
        ("none", "does not exist"), ("x" * 300, "too long"), ("a\x1b[2Jb", r"a\\x1b\[2Jb"),
    ):  # fmt: skip
        for read in (map_array, read_array, read_archive):
            with pytest.raises(InputError, match=sentence):
                read(tmp_path / f"{name}.npy")


def archive_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return path


def test_members_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    file, array = tmp_path / "a.npz", npy(np.arange(3000) % 7)
    for members, sentence in (
        ({"a_npy": b"words"}, r"a\.npy is no array of numbers"),
        ({"a_npy": array[:-1]}, "bytes where its header asks for"),
        ({"a_npy": array, "notes_txt": b"words"}, r"notes\.txt is no array"),
        ({"b_npy": array}, "holds no a, only b"),
    ):
        archive_of(file, **members)
        with pytest.raises(InputError, match=rf"a\.npz .*{sentence}"):
            read_archive(file, None if "notes_txt" in members else ["a"])
    assert read_archive(archive_of(file, a_npy=array, notes_txt=b"x"), ["a"], optional=["c"]).keys() == {"a"}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", array)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", array)
    with pytest.raises(InputError, match="two members are named a"):
        read_archive(file, ["a"])


@pytest.mark.parametrize(("offset", "value", "sentence"), [
    (8, 1, "encrypted"), (10, 99, "compression"), (24, 255, "impossible size|ends early|longer|Overlapped|asks for"),
])  # fmt: skip
def test_directories_of_archives_that_lie(tmp_path: Path, offset: int, value: int, sentence: str) -> None:
    """What zipfile says of it: RuntimeError, NotImplementedError; and a size that would take all memory."""
    file = archive_of(tmp_path / "a.npz", a_npy=npy(np.zeros(3000)))
    content = bytearray(file.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + offset] |= value
    if offset == 24:
        content[directory + 24 : directory + 28] = (2**31).to_bytes(4, "little")
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.npz is not a whole .*({sentence})"):
        read_archive(file, ["a"])


def test_a_member_whose_name_was_changed_is_not_taken_as_absent(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train=np.arange(3), labels=np.arange(3))
    content = (tmp_path / "a.npz").read_bytes()
    place = content.rindex(b"labels.npy")
    (tmp_path / "a.npz").write_bytes(content[:place] + b"m" + content[place + 1 :])
    with pytest.raises(InputError, match=r"a\.npz is not a whole"):
        read_archive(tmp_path / "a.npz", ["train"], optional=["labels"])


def test_what_is_kept_is_read_back_or_made_again(tmp_path: Path) -> None:
    file, array = tmp_path / "a.npy", np.arange(60, dtype=np.uint8).reshape(5, 12)
    keep_array(file, [array[:2], array[2:]], array.dtype, array.shape)
    found = kept_array(file, array.dtype, array.shape)
    assert found is not None
    assert np.array_equal(found, array)
    assert np.array_equal(np.load(file), array)
    assert kept_array(file, array.dtype, (12, 5)) is None
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert kept_array(file, array.dtype, array.shape) is None
