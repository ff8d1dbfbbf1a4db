"""A user's own images: a folder of pictures, or one `.npy` array. Neither has labels."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dcgan_features.data.dataset import Dataset, Images
from dcgan_features.data.listing import list_pictures, readable_formats
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.formats import map_array
from dcgan_features.data.utils.raw import printable

_WITH_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
_AHEAD = 512  # pictures decoded ahead of the one being stored
_FULL = "give the path in full"
_TWELVE_BITS = 4096
_LARGE, _MOST_TIMES = 1 << 24, 1100  # pixels; and pixels a byte, which no damage makes but a lie about the size
_DRAFT = 4  # a JPEG may be decoded at a fraction of its size that is at least so many times what is wanted


def folder(path: Path | str, size: int | None = None, limit: int | None = None) -> Dataset:
    """All pictures under `path`, subfolders included, sorted by path, as uint8 RGB (n, height, width, 3).

    Any format that Pillow decodes is taken, by the file's suffix; other files are counted by kind in the data set's
    note, and hidden ones passed over; linked subfolders are followed, each once. The EXIF orientation is applied, grey,
    palette and CMYK become RGB, transparency is laid over white, and of an animation the first frame is used.

    size : centre-crop to a square and resize to size x size pixels, bicubic. None: all pictures must be of one size.
    limit : at most so many pictures, spread evenly over the sorted list.

    Raises `InputError`, naming the first offending file, for a folder without pictures, pictures of unequal size
    and files that cannot be read. `data.picture_cache.cached_folder` passes over those, and needs little memory.
    """
    root = home_path(path, _FULL)
    if size is not None and size < 1:
        raise InputError(f"pictures cannot be resized to {size} pixels; give a size of at least 1")
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} pictures leaves none; give at least 1")
    listed = list_pictures(root)
    files = listed.files
    if limit is not None and limit < len(files):
        files = [files[index * len(files) // limit] for index in range(limit)]
    images: Images | None = None
    with contextlib.closing(decoded(files, size)) as pictures:
        for index, picture in enumerate(pictures):
            if isinstance(picture, str):
                raise InputError(f"{files[index]} cannot be read as a picture ({picture}); repair or remove it")
            if images is None:
                images = np.empty((len(files), *picture.shape), np.uint8)
            elif picture.shape != images.shape[1:]:
                (height, width), (first_height, first_width) = picture.shape[:2], images.shape[1:3]
                raise InputError(
                    f"{files[index]} is {width}x{height} pixels but {files[0]} is {first_width}x{first_height}; "
                    "make them equal, or give a size to which all are cropped and resized"
                )
            images[index] = picture
    assert images is not None
    name = root.resolve().name
    resized = f", cropped and resized to {size}x{size}" if size else ""
    note = "; ".join([f"{len(images)} pictures of the folder {name}{resized}", *listed.remarks()])
    return Dataset(name, images, note=printable(note))


def npy(path: Path | str) -> Dataset:
    """A `.npy` file of uint8 images (n, height, width, 3 or 1), memory-mapped read-only: it may exceed the memory.

    Raises `InputError` when the file is absent, damaged, holds Python objects or is of another type or shape.
    """
    file = home_path(path, _FULL)
    images = map_array(file)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or images.size == 0:
        raise InputError(
            f"{file} holds {images.dtype} of shape {images.shape}; "
            "save uint8 images of shape (n, height, width, 3), or 1 for grey"
        )
    return Dataset(file.stem, images, note=f"{len(images)} images of the file {file.name}")


def resize(images: Images, size: int) -> Images:
    """Centre-crop each image to a square and resize it to size x size, bicubic; what fits already is returned as is.

    images : uint8 (n, height, width, channels), of 1 or 3 channels.
    """
    if images.shape[1:3] == (size, size):
        return images
    result = np.empty((len(images), size, size, images.shape[3]), np.uint8)
    for index, image in enumerate(images):
        picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
        result[index] = np.asarray(_fit(picture, size)).reshape(size, size, -1)
    return result


def decoded(files: Sequence[Path], size: int | None) -> Generator[Images | str, None, None]:
    """The pictures in the order of `files`, uint8 (height, width, 3), or in a word why one cannot be read.

    size : as for `folder`. Several threads decode (Pillow releases the interpreter's lock), at most 512 pictures ahead.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), _AHEAD):
            yield from pool.map(_decode, files[start : start + _AHEAD], [size] * _AHEAD)


def _decode(file: Path, size: int | None) -> Images | str:
    try:
        if not file.is_file():  # a pipe, for one, would be waited for without end
            return "it is a link that leads nowhere" if file.is_symlink() else "it is not a file"
        with Image.open(file, formats=readable_formats()) as opened:
            if opened.width * opened.height > max(_LARGE, _MOST_TIMES * file.stat().st_size):
                return f"its header states {opened.width}x{opened.height} pixels, for which the file is too short"
            if size is not None:
                opened.draft(None, (_DRAFT * size, _DRAFT * size))  # large JPEGs: decode fewer pixels
            opened.load()
            picture = _to_rgb(_upright(opened))
        return np.asarray(picture if size is None else _fit(picture, size))
    except MemoryError:
        return "there is not enough memory to decode it"
    except Exception as error:  # Pillow's decoders raise nearly every kind of exception over a damaged file
        return _reason(file, error)


def _reason(file: Path, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is of no format that Pillow knows" if file.stat().st_size else "it is empty"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged notes of the camera; the picture itself has been decoded
        return picture


def _fit(picture: Image.Image, size: int) -> Image.Image:
    return ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow's own conversion would cut off at 255
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its values exceed 16 bits")
        if 0 < values.max() < _TWELVE_BITS:  # as 16 bits they would nearly be black
            raise ValueError(
                f"its {values.dtype.itemsize * 8} bits a pixel hold no value above {values.max()}, as pictures of 8 or "
                "12 bits do, so that its white is not known: convert it to 8 bits"
            )
        picture = Image.fromarray((values // 257).astype(np.uint8))
    elif picture.mode == "F":
        raise ValueError("it holds floating-point numbers, whose range is not known")
    if picture.mode in _WITH_ALPHA or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
