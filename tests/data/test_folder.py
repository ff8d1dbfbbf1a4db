from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data.folder import folder, npy, resize
from dcgan_features.data.utils.errors import InputError

QUADRANTS = np.zeros((8, 8, 3), np.uint8)  # red, green / blue, white
QUADRANTS[:4, :4, 0] = QUADRANTS[:4, 4:, 1] = QUADRANTS[4:, :4, 2] = 255
QUADRANTS[4:, 4:] = 255


def save(image: np.ndarray, path: Path, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)  # type: ignore[arg-type]


def level(value: int) -> np.ndarray:
    return np.full((3, 4, 3), value, np.uint8)


def test_pictures_come_sorted_from_all_subfolders(tmp_path: Path) -> None:
    for name, value in (("b.png", 3), ("a/z.bmp", 2), ("a/b/c.webp", 1), ("c.TIFF", 4)):
        save(level(value), tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_text("not a picture")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.png").write_text("not a picture")
    dataset = folder(tmp_path)
    assert dataset.train_images[:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert dataset.train_images.shape == (4, 3, 4, 3)
    assert dataset.train_images.dtype == np.uint8
    assert dataset.train_labels is None
    assert dataset.test_images is None


def test_a_limit_is_spread_over_the_list(tmp_path: Path) -> None:
    for value in range(9):
        save(level(value), tmp_path / f"{value}.png")
    assert folder(tmp_path, limit=3).train_images[:, 0, 0, 0].tolist() == [0, 3, 6]
    assert len(folder(tmp_path, limit=20).train_images) == 9


def test_every_mode_becomes_rgb(tmp_path: Path) -> None:
    grey = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    alpha = np.dstack([QUADRANTS, np.repeat([[255], [0]], 4, axis=0).repeat(8, axis=1).astype(np.uint8)])
    over_white = QUADRANTS.copy()
    over_white[4:] = 255
    keyed = np.where((QUADRANTS == (255, 0, 0)).all(2, keepdims=True), 255, QUADRANTS)
    expected = {}
    for name, array, wanted in (
        ("grey.png", grey, np.dstack([grey] * 3)),
        ("grey16.png", grey.astype(np.uint16) * 257, np.dstack([grey] * 3)),
        ("alpha.png", alpha, over_white),
    ):
        save(array, tmp_path / name)
        expected[name] = wanted
    picture = Image.fromarray(QUADRANTS)
    picture.quantize(8).save(tmp_path / "palette.gif")
    picture.save(tmp_path / "keyed.png", transparency=(255, 0, 0))
    picture.convert("CMYK").save(tmp_path / "cmyk.tif")
    Image.fromarray(grey > 127).save(tmp_path / "bits.png")
    expected |= {"palette.gif": QUADRANTS, "keyed.png": keyed, "cmyk.tif": QUADRANTS}
    expected["bits.png"] = np.dstack([(grey > 127) * np.uint8(255)] * 3)
    for image, name in zip(folder(tmp_path).train_images, sorted(expected), strict=True):
        assert np.array_equal(image, expected[name]), name


def test_the_orientation_a_camera_noted_is_applied(tmp_path: Path) -> None:
    """Orientation 6: the stored picture must be turned clockwise by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((4, 6, 3), np.uint8)
    stored[:, :3] = 255
    save(stored, tmp_path / "a.png", exif=exif)
    (image,) = folder(tmp_path).train_images
    assert np.array_equal(image, np.rot90(stored, -1))
    assert image[:3].min() == 255
    assert image[3:].max() == 0


def test_a_size_crops_the_centre_and_resizes(tmp_path: Path) -> None:
    wide = np.full((8, 20, 3), 99, np.uint8)
    wide[:, 6:14] = QUADRANTS
    save(wide, tmp_path / "a.png")
    save(wide.transpose(1, 0, 2), tmp_path / "b.png")
    first, second = folder(tmp_path, size=8).train_images
    assert np.array_equal(first, QUADRANTS)
    assert np.array_equal(second, QUADRANTS.transpose(1, 0, 2))
    halved = folder(tmp_path, size=4).train_images[0].astype(int)
    assert np.abs(halved[::3, ::3] - QUADRANTS[::7, ::7]).max() < 30  # corners keep their colours


def test_unequal_sizes_name_the_first_that_differs(tmp_path: Path) -> None:
    for name, shape in (("a.png", (3, 4, 3)), ("b.png", (3, 4, 3)), ("c.png", (4, 3, 3)), ("d.png", (9, 9, 3))):
        save(np.zeros(shape, np.uint8), tmp_path / name)
    with pytest.raises(InputError, match=r"c\.png is 3x4 pixels but .*a\.png is 4x3"):
        folder(tmp_path)


@pytest.mark.parametrize("damage", ["text", "empty", "truncated"])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_first_unreadable_file_is_named(tmp_path: Path, damage: str, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in "abcd":
        save(noise, tmp_path / f"{name}.{suffix}")
    whole = (tmp_path / f"b.{suffix}").read_bytes()
    for name in "bd":
        damaged = {"text": b"not a picture", "empty": b"", "truncated": whole[: len(whole) // 2]}[damage]
        (tmp_path / f"{name}.{suffix}").write_bytes(damaged)
    with pytest.raises(InputError, match=rf"b\.{suffix} cannot be read as a picture"):
        folder(tmp_path)


def test_folders_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    with pytest.raises(InputError, match="holds no pictures"):
        folder(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        folder(tmp_path / "none")
    with pytest.raises(InputError, match="0 pixels"):
        folder(tmp_path, size=0)
    with pytest.raises(InputError, match="limit of 0"):
        folder(tmp_path, limit=0)


def test_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    save(np.zeros((4, 4), np.float32), tmp_path / "a.tif")
    with pytest.raises(InputError, match="floating-point"):
        folder(tmp_path)


def test_npy_is_mapped_and_not_read(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "some.npy", images)
    dataset = npy(tmp_path / "some.npy")
    assert isinstance(dataset.train_images, np.memmap)
    assert not dataset.train_images.flags.writeable
    assert np.array_equal(dataset.train_images, images)
    assert dataset.name == "some"


def test_npy_of_one_channel(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    np.save(tmp_path / "grey.npy", images)
    assert np.array_equal(npy(tmp_path / "grey.npy").train_images, images)


def test_npy_files_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "some.npy"
    with pytest.raises(InputError, match="does not exist"):
        npy(file)
    for array, message in (
        (np.zeros((2, 8, 8, 3), np.float32), "float32"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"\(2, 3, 8, 8\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"\(0, 8, 8, 3\)"),
        (np.array([{}], object), "not a whole .npy file of numbers"),
    ):
        np.save(file, array, allow_pickle=True)
        with pytest.raises(InputError, match=message):
            npy(file)
    np.save(file, np.zeros((20, 8, 8, 3), np.uint8))
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole[:60], b"", b"text"):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="not a whole"):
            npy(file)
    with open(file, "wb") as opened:
        np.savez(opened, a=whole[:4])
    with pytest.raises(InputError, match="archive"):
        npy(file)


def test_resize_of_arrays() -> None:
    images = np.stack([QUADRANTS, QUADRANTS[::-1]])
    assert resize(images, 8) is images
    assert np.array_equal(resize(images[:, :, :, :1], 16), resize(images, 16)[..., :1])
    doubled = resize(images, 16)
    assert np.array_equal(doubled[:, ::15, ::15], images[:, ::7, ::7])
