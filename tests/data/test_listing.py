"""What a folder of pictures holds, and what of it is left out is said."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data import load
from dcgan_features.data.folder import folder
from dcgan_features.data.listing import list_pictures
from dcgan_features.data.picture_cache import cached_folder
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed
from dcgan_features.gan.folders.prepare import prepare_folders


def picture(path: Path, value: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)
    return path


def names(root: Path, output: Path | None = None) -> list[str]:
    return [file.relative_to(root).as_posix() for file in list_pictures(root, output=output).files]


def test_linked_subfolders_are_followed_each_once(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    picture(root / "a.png")
    picture(tmp_path / "elsewhere" / "b.png")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "circle").symlink_to(root)
    assert names(root) == ["a.png", "again/b.png"]


def test_other_files_are_counted_by_kind(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        image.save(tmp_path / "b.mpo", "MPO", append_images=[image])
    for name in ("c.heic", "d.HEIC", "README", "e.txt", ".hidden"):
        (tmp_path / name).write_text("x")
    listed = list_pictures(tmp_path)
    assert [file.name for file in listed.files] == ["a.png", "b.mpo"]
    (line,) = listed.remarks()
    assert line.endswith("are left out: 2 .heic, 1 .txt, 1 without a suffix")
    assert line in folder(tmp_path).note
    assert folder(tmp_path).train_images.shape == (2, 8, 8, 3)
    prepared = prepare_folders([str(tmp_path)], 8, 0, tmp_path.parent / "out")
    assert line in prepared.notes


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_text("x")
    with pytest.raises(InputError, match=r"holds no pictures.*1 \.heic"):
        list_pictures(tmp_path)


def test_what_trainings_write_is_no_picture_to_train_on(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    out = tmp_path / "run"
    assert names(tmp_path, output=out) == ["a.png"]
    picture(out / "samples" / "00000010.png")
    assert names(tmp_path, output=out) == ["a.png"]  # a killed run resumes on the same pictures
    (out / ".lock").touch()
    listed = list_pictures(tmp_path)  # and so does the next one, into another folder
    assert ([file.name for file in listed.files], listed.runs) == (["a.png"], [out])
    assert "what trainings wrote is left out: run" in listed.remarks()[0]
    with pytest.raises(InputError, match="is the folder of the pictures themselves"):
        list_pictures(tmp_path, output=tmp_path)


@pytest.mark.parametrize(("dtype", "suffix", "most", "reason"), [
    (np.uint16, "png", 4095, "hold no value above 4095"), (np.int32, "tif", 255, "hold no value above 255"),
    (np.uint16, "png", 65535, ""), (np.uint16, "png", 0, ""),
])  # fmt: skip
def test_deep_pictures_are_scaled_or_refused_but_never_black(
    tmp_path: Path, dtype: type, suffix: str, most: int, reason: str
) -> None:
    values: Any = np.linspace(0, most, 64).astype(dtype).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    if reason:
        with pytest.raises(InputError, match=reason):
            folder(tmp_path)
    else:
        assert folder(tmp_path).train_images.max() == most // 257


def test_a_local_folder_of_a_data_sets_name_is_said(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "stand-in-plain" / "a.png")
    monkeypatch.setitem(load.__globals__["LOADERS"], "stand-in-plain", lambda root, download: folder("stand-in-plain"))
    with caplog.at_level(logging.WARNING):
        load("stand-in-plain")
    assert "for the folder here write ./stand-in-plain" in caplog.text


def test_every_pixel_of_the_cache_is_under_its_digest(tmp_path: Path) -> None:
    root, cache = tmp_path / "pictures", tmp_path / "cache"
    for number in range(3):
        picture(root / f"{number}.png", 40 * number)
    whole = cached_folder(root, 8, cache=cache)
    expected, content = np.array(whole.images), whole.array.read_bytes()
    for place in (len(content) - 1, len(content) - 3 * 64 * 3, len(content) // 2, 60, 80):
        whole.array.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert np.array_equal(cached_folder(root, 8, cache=cache).images, expected)
    assert read_sealed(whole.array.with_suffix(".json"))["pictures"] == 3


def test_a_finished_cache_may_be_read_only(tmp_path, monkeypatch):
    root, cache = tmp_path / "pictures", tmp_path / "cache"
    picture(root / "a.png")
    expected = np.array(cached_folder(root, 8, cache=cache).images)

    def refuse(*arguments: object, **options: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert np.array_equal(cached_folder(root, 8, cache=cache).images, expected)


def test_folders_with_long_names_are_cached(tmp_path: Path) -> None:
    root = tmp_path / ("\u6f22" * 80)
    picture(root / "a.png")
    assert len(cached_folder(root, 8, cache=tmp_path / "cache").images) == 1


def test_a_header_that_lies_about_the_size_takes_no_memory(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.tif")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    for tag in (b"\x00\x01", b"\x01\x01"):  # width and height
        place = content.index(tag + b"\x03\x00\x01\x00\x00\x00") if tag + b"\x03\x00\x01\x00\x00\x00" in content else -1
        place = place if place >= 0 else content.index(tag + b"\x04\x00\x01\x00\x00\x00")
        content[place + 2 : place + 4] = b"\x04\x00"
        content[place + 8 : place + 12] = (12_000).to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InputError, match="its header states 12000x12000 pixels, for which the file is too short"):
        folder(tmp_path, size=8)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    from dcgan_features.data.svhn import read
    from dcgan_features.gan.figures.history import _opened

    os.mkfifo(tmp_path / "pipe")
    for reader in (read, _opened):
        with pytest.raises(InputError, match="is a pipe"):
            reader(tmp_path / "pipe")
