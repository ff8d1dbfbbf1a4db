"""A user's own clips: a folder with a folder of frames for each clip, or video files, or both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcgan_features.data.folder import decoded, resize
from dcgan_features.data.listing import list_pictures
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.raw import check_file, printable
from dcgan_features.data.video.clips import ArrayClips

VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".webm"})
_LARGEST = 1 << 24  # pixels of a frame; more is the lie of a damaged header


def clip_folder(root: Path, length: int, size: int, grey: bool = False) -> ArrayClips:
    """All clips under `root`, cut into pieces of `length` frames of size x size pixels, in memory.

    A subfolder that holds pictures, sorted by name, is one clip, and so is a video file; clips are sorted by path,
    hidden ones passed over. Pieces follow each other without overlap; what is left over is left out. Frames are cropped
    to a square in the middle and resized, bicubic.
    grey : one channel in place of three, of the weights of ITU-R 601.

    Raises `InputError`, naming it, for a file that cannot be read, and where no clip has enough frames.
    """
    if not root.is_dir():
        raise InputError(f"{printable(root)} is not a folder; check the path")
    pieces, short = [], 0
    for source in _sources(root):
        frames = list(_frames(source, size, grey))
        short += len(frames) < length
        for start in range(0, len(frames) - length + 1, length):
            pieces.append(np.stack(frames[start : start + length]))
    if not pieces:
        found = f"{short} clip(s) of fewer than {length} frames" if short else "no folder of pictures and no video file"
        raise InputError(
            f"{printable(root)} holds {found}; give a folder with a subfolder of frames for each clip, or video files, "
            f"of at least {length} frames"
        )
    left = f"; {short} shorter one(s) left out" if short else ""
    note = f"{len(pieces)} clips of the folder {root.resolve().name}{left}"
    return ArrayClips(np.stack(pieces), printable(note))


def _sources(root: Path) -> list[Path]:
    """Video files, and folders whose own files are pictures, sorted by path."""
    videos = [
        file
        for file in root.rglob("*")
        if file.suffix.lower() in VIDEOS and not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    with contextlib.suppress(InputError):  # of a folder without pictures
        videos += {file.parent for file in list_pictures(root).files}
    return sorted(videos)


def _frames(source: Path, size: int, grey: bool) -> Iterator[NDArray[np.uint8]]:
    """The frames of one clip, uint8 (size, size, 1 or 3)."""
    pictures = _of_folder(source, size) if source.is_dir() else _of_video(source, size)
    for picture in pictures:
        yield np.asarray(Image.fromarray(picture).convert("L"))[..., None] if grey else picture


def _of_folder(source: Path, size: int) -> Iterator[NDArray[np.uint8]]:
    files = [file for file in list_pictures(source).files if file.parent == source]
    with contextlib.closing(decoded(files, size)) as pictures:
        for file, picture in zip(files, pictures, strict=True):
            if isinstance(picture, str):
                raise InputError(f"{printable(file)} cannot be read as a picture ({picture}); repair or remove it")
            yield picture


def _of_video(file: Path, size: int) -> Iterator[NDArray[np.uint8]]:
    try:
        import av  # an extra, and slow to import
    except ImportError:
        raise InputError(
            f"{printable(file)} needs the package av to be read; install it with pip install 'dcgan-features[video]'"
        ) from None
    check_file(file)
    found = 0
    try:
        with av.open(str(file)) as container:
            for frame in container.decode(video=0):
                if frame.width * frame.height > _LARGEST:
                    raise ValueError(f"a frame of {frame.width}x{frame.height} pixels")
                found += 1
                yield resize(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)[None], size)[0]
    except (av.FFmpegError, ValueError, IndexError, MemoryError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{printable(file)} cannot be read as a video ({said}, after {found} frames); repair or remove it"
        ) from None
    if not found:
        raise InputError(f"{printable(file)} holds no frame; repair or remove it")
