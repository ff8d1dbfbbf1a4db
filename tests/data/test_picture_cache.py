"""Folders with all that can be wrong with them, and processes that are killed while they decode."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data.folder import folder
from dcgan_features.data.picture_cache import CachedPictures, UnreadablePictures, _header, cached_folder
from dcgan_features.data.utils.errors import InputError

ROOT = Path(__file__).parents[2]
SIZE = 8


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    root = tmp_path / "pictures"
    (root / "below").mkdir(parents=True)
    for index in range(12):
        shape = (*generator.integers(5, 40, 2), 3)
        image = Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8))
        image.save(root / ("below" if index % 3 else "") / f"{index:02d}.{('png', 'jpg', 'webp')[index % 3]}")
    return root


def read(root: Path, **options: object) -> CachedPictures:
    return cached_folder(root, SIZE, cache=root.parent / "cache", **options)  # type: ignore[arg-type]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    result = io.BytesIO()
    image.save(result, kind, **options)
    return result.getvalue()


def png(width: int, height: int) -> bytes:
    """The beginning of a PNG of that size, with a few bytes of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def break_in_every_way(root: Path) -> dict[str, str]:
    """Add files that cannot be read; returns part of the reason for each."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    jpeg, whole = encoded(noise, "JPEG"), encoded(noise, "PNG")
    content = {
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "runcated"),
        "truncated.png": (whole[: len(whole) // 2], ""),
        "header only.jpg": (jpeg[:20], ""),
        "text.jpg": (b"This is not a picture.\n", "no format"),
        "page.gif": (b"<html>404</html>", "no format"),
        "zeros.png": (bytes(3000), "no format"),
        "empty.png": (b"", "empty"),
        "huge.png": (png(60_000, 60_000), "exceeds limit"),
        "flipped.png": (whole[:60] + bytes([whole[60] ^ 255]) + whole[61:], ""),
        "postscript.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no format"),
        "archive.webp": (b"PK\x03\x04" + bytes(60), "no format"),
    }
    for name, (value, _) in content.items():
        (root / name).write_bytes(value)
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(root / "nan.tif")
    os.symlink(root / "gone.png", root / "dangling.png")
    os.mkfifo(root / "pipe.png")
    reasons = {name: reason for name, (_, reason) in content.items()}
    return {**reasons, "nan.tif": "floating-point", "dangling.png": "leads nowhere", "pipe.png": "not a file"}


def odd_but_readable(root: Path) -> list[str]:
    """Add files that look wrong and are not."""
    image = Image.fromarray(np.random.default_rng(2).integers(0, 256, (16, 12, 3), dtype=np.uint8))
    (root / "wrong suffix.jpg").write_bytes(encoded(image, "PNG"))
    image.save(root / "animated.gif", save_all=True, append_images=[image.rotate(90), image.rotate(180)])
    exif = Image.Exif()
    exif[0x0112] = 6
    damaged = exif.tobytes()[:-6] + b"\xff\xff\xff\xff\xff\xff"
    (root / "damaged notes.jpg").write_bytes(encoded(image, "JPEG", exif=damaged))
    (root / "a folder.png").mkdir()
    image.save(root / "a folder.png" / "inside.png")
    (root / "notes.txt").write_text("passed over")
    return ["wrong suffix.jpg", "animated.gif", "damaged notes.jpg", "a folder.png/inside.png"]


def test_the_images_are_those_of_the_folder(pictures: Path) -> None:
    decoded = read(pictures)
    assert isinstance(decoded.images, np.memmap)
    assert not decoded.images.flags.writeable
    assert np.array_equal(decoded.images, folder(pictures, SIZE).train_images)
    assert decoded.array.name == "pictures.npy"
    assert np.array_equal(np.load(decoded.array), decoded.images)
    assert decoded.files[0] == "00.png"
    assert len(decoded.files) == 12
    assert decoded.unreadable == []


def test_everything_that_is_broken_is_listed_and_nothing_else(pictures: Path) -> None:
    whole = read(pictures)
    readable, broken = odd_but_readable(pictures), break_in_every_way(pictures)
    decoded = read(pictures, unreadable=len(broken))
    assert {one.path for one in decoded.unreadable} == set(broken)
    for one in decoded.unreadable:
        assert one.reason.strip()
        assert broken[one.path] in one.reason, one
        assert "\n" not in one.reason
    assert set(decoded.files) == {*whole.files, *readable}
    rows = dict(zip(decoded.files, decoded.images, strict=True))
    for name, image in zip(whole.files, whole.images, strict=True):
        assert np.array_equal(rows[name], image), name
    assert read(pictures, unreadable=len(broken)).unreadable == decoded.unreadable  # from the cache
    with pytest.raises(UnreadablePictures, match=f"more than 2 of {len(decoded.files) + len(broken)} pictures"):
        read(pictures, unreadable=2)


@pytest.mark.parametrize(("unreadable", "allowed"), [(0, 0), (0.1, 1), (0.2, 3), (1, 1), (3, 3)])
def test_how_many_may_be_unreadable(pictures: Path, unreadable: float, allowed: int) -> None:
    for count in range(allowed + 2):
        if count:
            (pictures / f"bad{count}.png").write_bytes(b"bad")
        for extra in range(3 - count):  # 15 pictures in all
            (pictures / f"good{extra}.png").write_bytes((pictures / "00.png").read_bytes())
        for extra in range(max(3 - count, 0), 3):
            (pictures / f"good{extra}.png").unlink(missing_ok=True)
        if count <= allowed:
            assert len(read(pictures, unreadable=unreadable).unreadable) == count
    with pytest.raises(UnreadablePictures, match=r"bad1\.png \(it is of no format.*'unreadable'") as raised:
        read(pictures, unreadable=unreadable)
    assert len(raised.value.unreadable) == allowed + 1


def test_a_folder_of_nothing_but_broken_pictures(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        read(tmp_path / "a")
    (tmp_path / "a" / "x.png").write_bytes(b"bad")
    with pytest.raises(UnreadablePictures, match=r"none of the 1 pictures .* x\.png"):
        read(tmp_path / "a", unreadable=5)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is denied to the superuser")
def test_what_may_not_be_read(pictures: Path) -> None:
    (pictures / "00.png").chmod(0)
    (pictures / "below").chmod(0)
    try:
        decoded = read(pictures, unreadable=2)
    finally:
        (pictures / "below").chmod(0o755)
    assert [(one.path, one.reason) for one in decoded.unreadable] == [
        ("below", "Permission denied"), ("00.png", "Permission denied")]  # fmt: skip
    (pictures / "00.png").chmod(0o644)
    assert len(read(pictures).files) == 12


def test_permission_is_asked_for(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the superuser, who may read everything: the system's answers are made up."""
    opened = Image.open

    def denied(file: Path, **options: object) -> Image.Image:
        if Path(file).name == "00.png":
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", denied)
    monkeypatch.setattr(os, "access", lambda file, mode: Path(file).name != "00.png")
    assert [str(one) for one in read(pictures, unreadable=1).unreadable] == ["00.png (Permission denied)"]
    monkeypatch.undo()
    assert read(pictures).unreadable == []  # though neither size nor time of the file has changed


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    opened, names = Image.open, []

    def counted(file: Path, **options: object) -> Image.Image:
        names.append(Path(file).name)
        return opened(file, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", counted)
    return names


def test_pictures_are_decoded_once_and_again_when_they_change(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = count_decoded(monkeypatch)
    first = read(pictures)
    assert len(names) == 12
    assert np.array_equal(read(pictures).images, first.images)
    assert len(names) == 12
    cached_folder(pictures, SIZE + 1, cache=pictures.parent / "cache")
    assert len(names) == 24
    Image.new("RGB", (9, 9), "red").save(pictures / "00.png")
    assert read(pictures).images[0].tolist() == [[[255, 0, 0]] * SIZE] * SIZE
    assert len(names) == 36
    assert first.images[0, 0, 0].tolist() != [255, 0, 0]  # who trains on the former array keeps it
    (pictures / "00.png").rename(pictures / "zz.png")
    assert read(pictures).files[-1] == "zz.png"
    (pictures / "zz.png").unlink()
    assert len(read(pictures).files) == 11


@pytest.mark.parametrize("damage", ["array cut", "array gone", "json cut", "json gone", "other array", "json text"])
def test_a_damaged_entry_is_made_again(pictures: Path, damage: str) -> None:
    first = np.array(read(pictures).images)
    array = read(pictures).array
    about = array.with_suffix(".json")
    part, how = damage.split()
    damaged = array if "array" in damage else about
    if damage == "other array":
        np.save(array, np.zeros((12, SIZE, SIZE + 1, 3), np.uint8))
    elif how == "gone":
        damaged.unlink()
    else:
        damaged.write_bytes(damaged.read_bytes()[:-1] if how == "cut" and part == "array" else b"{")
    assert np.array_equal(read(pictures).images, first)


def test_the_json_says_what_the_array_was_made_from(pictures: Path) -> None:
    (pictures / "bad.png").write_bytes(b"bad")
    decoded = read(pictures, unreadable=1)
    about = json.loads(decoded.array.with_suffix(".json").read_text())
    assert (about["size"], about["pictures"], about["folder"]) == (SIZE, 12, str(pictures.resolve()))
    files = [name for name, *_ in about["files"]]
    assert sorted(files) == sorted([*decoded.files, "bad.png"])
    name, size, modified = about["files"][0]
    assert (size, modified) == ((pictures / name).stat().st_size, (pictures / name).stat().st_mtime_ns)
    assert [files[index] for index, _ in about["unreadable"]] == ["bad.png"]


def test_a_header_is_as_long_for_many_images_as_for_few() -> None:
    assert len({len(_header(rows, (64, 64, 3))) for rows in (0, 1, 999, 10**7, 10**12)}) == 1


# Decodes slowly and notes its position after each picture, to be killed in the midst of it.
PROGRAM = """
import sys, time
from pathlib import Path
import dcgan_features.data.picture_cache as cache
decoded = cache.decoded
def slowly(files, size):
    for picture in decoded(files, size):
        time.sleep(0.02)
        yield picture
cache.decoded, cache._SAVE_SECONDS = slowly, 0.0
cache.cached_folder(sys.argv[1], 8, 1, sys.argv[2])
"""


def test_a_killed_process_leaves_its_work_to_the_next(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pictures / "00a.png").write_bytes(b"bad")
    for index in range(40):
        (pictures / f"{index + 20}.png").write_bytes((pictures / "00.png").read_bytes())
    place = pictures.parent / "cache"
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(pictures), str(place)], cwd=ROOT)
        before = [position(place)]
        while position(place) < before[0] + 8:
            assert child.poll() is None, "it ended before it could be killed"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    done = position(place)
    assert 16 <= done < 53
    assert not list(place.rglob("*.npy"))
    names = count_decoded(monkeypatch)
    decoded = read(pictures, unreadable=1)
    assert len(names) == 53 - done
    assert [one.path for one in decoded.unreadable] == ["00a.png"]
    (pictures / "00a.png").unlink()
    assert np.array_equal(decoded.images, folder(pictures, SIZE).train_images)
    (entry,) = place.iterdir()
    assert sorted(file.name for file in entry.iterdir()) == [".lock", "pictures.json", "pictures.npy"]


def position(place: Path) -> int:
    found = list(place.glob("*/decoding.json"))
    return int(json.loads(found[0].read_text())["done"]) if found else 0


def test_what_is_half_done_is_given_up_when_the_folder_changes(pictures: Path) -> None:
    (pictures / "zz.png").write_bytes(b"bad")
    with pytest.raises(UnreadablePictures):
        read(pictures)
    assert position(pictures.parent / "cache") == 13
    Image.new("RGB", (9, 9), "red").save(pictures / "zz.png")
    assert len(read(pictures).files) == 13


def test_two_that_want_the_same_folder_wait_for_one_another(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, results = count_decoded(monkeypatch), []
    threads = [threading.Thread(target=lambda: results.append(read(pictures))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 12
    assert all(np.array_equal(result.images, results[0].images) for result in results)


def test_where_the_cache_lies(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTURE_CACHE", str(pictures.parent / "elsewhere"))
    assert pictures.parent / "elsewhere" in cached_folder(pictures, SIZE).array.parents
    (pictures.parent / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write the cache of pictures.*PICTURE_CACHE"):
        cached_folder(pictures, SIZE, cache=pictures.parent / "file" / "below")
    with pytest.raises(InputError, match="0 pixels"):
        cached_folder(pictures, 0)


def test_large_jpegs_keep_their_look_when_fewer_pixels_are_decoded(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    small = generator.integers(60, 200, (9, 12, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((1200, 900), Image.Resampling.BICUBIC)
    (tmp_path / "jpeg").mkdir()
    (tmp_path / "png").mkdir()
    image.save(tmp_path / "jpeg" / "a.jpg", quality=95)
    image.save(tmp_path / "png" / "a.png")
    images = [
        cached_folder(tmp_path / kind, 32, cache=tmp_path / "cache").images.astype(int) for kind in ("jpeg", "png")
    ]
    assert np.abs(images[0] - images[1]).max() <= 4
