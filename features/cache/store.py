"""The feature store: features are computed once, kept on disk, and found again by content.

An entry is a folder named by its key, which holds `features.bin` (the rows, as they lie in memory) and `header.json`
(shape, type, a SHA-256 of each 16 MiB, and what the key was made of). The folder appears complete or not at all.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import itertools
import logging
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dcgan_features.data.utils.distributed import ALONE, Processes
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, writing
from dcgan_features.data.utils.formats import opened, read_json, write_sealed
from dcgan_features.data.utils.hashing import digest_array, digest_of
from dcgan_features.data.utils.locks import Lock
from dcgan_features.data.utils.versions import versions
from dcgan_features.features.base import DTYPES, Extractor, Images, check_images
from dcgan_features.features.cache.chunks import CHUNK, ChunkWriter, as_bytes, complete, verify
from dcgan_features.features.cache.fingerprint import describe
from dcgan_features.features.wrappers import as_extractor, as_rows

FORMAT = 1
_HEADER = {"format", "shape", "dtype", "chunk_bytes", "sha256", "content", "versions", "created"}
_FOREIGN_ROWS = 512  # images a block for an object that has no `transform_blocks`
_MARGIN = 2**20  # bytes beside the features: the header, the file system's own

Progress = Callable[[int, int], None]

log = logging.getLogger(__name__)


class FeatureStore:
    """Features on disk, under `folder`, which is made when it is first written to.

    The key of an entry is a SHA-256 of the images' bytes, the bytes of the images the extractor is fitted on, the
    extractor's class, parameters and weights, the type of the features, and the version of this package's arithmetic.
    Parameters that only change the speed, such as the device, are not part of it. Several processes may share a folder:
    the second that wants an absent entry waits for the first and reads what it wrote.

    Parameters
    ----------
    folder : Path or str
        Of the entries.
    processes : Processes, default one alone
        Those that share the work, on one folder. All of them call `get` with the same arguments. Each fits the
        extractor, for which they must be alike (processor, libraries, threads), and computes a part of the rows, in the
        blocks in which one process would: the bytes are the same.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from dcgan_features.features import FeatureStore, RawPixels
    >>> images = np.zeros((4, 8, 8, 3), np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     FeatureStore(folder).get(RawPixels(), images, images).shape
    torch.Size([4, 192])
    """

    def __init__(self, folder: Path | str, processes: Processes = ALONE) -> None:
        self.folder = Path(folder)
        self.processes = processes
        self._last: tuple[str, Any] | None = None  # the extractor fitted last, for the next call's other images

    def get(self, extractor: Any, fit_images: Images, images: Images, *, progress: Progress | None = None) -> Tensor:
        """Features of `images` by the extractor fitted on `fit_images`, without labels: (n, d), memory-mapped.

        extractor : whatever `as_extractor` takes; a copy is fitted, and only if the features are not here yet.
        fit_images, images : uint8 (n, height, width, channels).
        progress : called with the images done and in all while features are computed.
        Returns bfloat16 or float32, as the extractor makes them; writing to the tensor does not change the file.
        Raises InputError when the disk has no room or may not be written, and when features are not finite.
        """
        processes = self.processes
        with processes.together():
            extractor = as_extractor(extractor)
            fit_images, images = check_images(fit_images), check_images(images)
            learnt, content = _contents(extractor, fit_images, images)
        key = digest_of(content)
        if len(set(processes.gather(key))) > 1:
            raise ValueError("the processes were given other images or another extractor; give all of them the same")
        entry = self.folder / key
        header = processes.first(lambda: self._intact(entry))
        if header is None:
            with self._alone(entry):
                header = processes.first(lambda: self._intact(entry, report=True))  # it may have been written meanwhile
                if header is None:
                    processes.first(lambda: self._remove_remains(entry))
                    with processes.together():
                        fitted = self._fit(extractor, digest_of(learnt), fit_images)
                    self._write(entry, fitted, images, content, progress)
                    header = processes.first(lambda: self._intact(entry, report=True))
        if header is None:
            raise InputError(f"the features written to {entry} do not read back; check the disk of {self.folder}")
        with processes.together():
            return _mapped(entry, header)

    @property
    def fitted(self) -> Any | None:
        """The extractor that `get` fitted last; None where all that was asked for was here already."""
        return None if self._last is None else self._last[1]

    @contextlib.contextmanager
    def _alone(self, entry: Path) -> Iterator[None]:
        """Keep other commands from making the same entry; wait for one that does."""
        lock = Lock(self.folder / f"{entry.name}.lock")
        self.processes.first(lock.acquire)
        try:
            yield
        finally:
            lock.release()

    def find(self, extractor: Any, fit_images: Images, images: Images) -> Path | None:
        """Where these features lie, or None when they are not here; arguments as for `get`, and nothing is computed.

        What lies there is not verified; `get` computes damaged features again.
        """
        content = _contents(as_extractor(extractor), check_images(fit_images), check_images(images))[1]
        entry = self.folder / digest_of(content)
        return entry if (entry / "header.json").is_file() else None

    def _fit(self, extractor: Any, key: str, images: Images) -> Any:
        if self._last is None or self._last[0] != key:
            # A shallow copy: fitting adds attributes and leaves the parameters alone.
            own = copy.copy(extractor)
            if hasattr(own, "fit"):
                own.fit(images if isinstance(own, Extractor) else _read_only(images))
            self._last = (key, own)
        return self._last[1]

    def _intact(self, entry: Path, report: bool = False) -> dict[str, Any] | None:
        """The entry's header, or None when it is absent or damaged; a damaged one is mentioned if `report`."""
        if not entry.is_dir():
            return None
        try:
            # Entries of earlier versions have no seal, and can say nothing else.
            header = opened(read_json(entry / "header.json"), entry / "header.json", required=False)
            if set(header) != _HEADER or digest_of(header["content"]) != entry.name:
                raise ValueError("its header is of another entry")
            path, size = entry / "features.bin", _size(header)
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']} instead of {FORMAT}")
            if path.stat().st_size != size:
                raise ValueError(f"{path.name} has {path.stat().st_size} bytes instead of {size}")
            verify(path, size, header["sha256"])
        except (InputError, OSError, KeyError, IndexError, TypeError, ValueError) as error:
            if report:
                log.warning("The stored features %s are damaged (%s); they are computed again.", entry, error)
            return None
        return header

    def _remove_remains(self, entry: Path) -> None:
        """Remove a damaged entry and what a killed process left of this one; the caller holds its lock."""
        with writing(entry):
            for remains in [entry, *self.folder.glob(f".{entry.name}.*.tmp")]:
                if remains.is_symlink() or remains.is_file():
                    remains.unlink()
                elif remains.is_dir():
                    shutil.rmtree(remains)

    def _write(
        self, entry: Path, extractor: Any, images: Images, content: dict[str, Any], progress: Progress | None
    ) -> None:
        processes = self.processes
        starts = _starts(extractor, images)
        with processes.together():
            first = next(_blocks(extractor, images, starts[:1]))
        width, dtype = first.shape[1], first.dtype
        if len(set(processes.gather((width, dtype, hashlib.sha256(as_bytes(first)).hexdigest())))) > 1:
            raise InputError(
                f"the processes' copies of {type(extractor).__name__} make other features of the same images; fit with "
                "a fixed seed, on machines that are alike, with as many threads in each process"
            )
        about = {"format": FORMAT, "shape": [len(images), width], "dtype": str(dtype).removeprefix("torch.")}
        size = _size(about)
        own, rows = _share(starts, len(images), processes)
        with contextlib.ExitStack() as stack:
            temporary = processes.first(lambda: self._begin(stack, entry, size))
            with processes.together(), writing(entry), open(temporary / "features.bin", "r+b") as file:
                file.seek(rows.start * width * dtype.itemsize)
                chunks, done = ChunkWriter(file, file.tell(), size), 0
                made = [first] if processes.rank == 0 else []
                for block in itertools.chain(made, _blocks(extractor, images, own[len(made) :])):
                    if block.shape[1] != width:
                        name = type(extractor).__name__
                        raise ValueError(f"{name} made {width} features of some images, {block.shape[1]} of others")
                    chunks.write(block)
                    done += len(block)
                    if progress is not None and processes.rank == 0:
                        progress(done * len(images) // len(rows), len(images))
                if done != len(rows):
                    raise ValueError(f"{type(extractor).__name__} made {done} rows of {len(rows)} images")
            digests = {number: digest for part in processes.gather(chunks.digests) for number, digest in part.items()}

            def publish() -> None:
                header = {
                    **about,
                    "chunk_bytes": CHUNK,
                    "sha256": complete(temporary / "features.bin", size, digests),
                    "content": content,
                    "versions": versions(),
                    "created": datetime.now(UTC).isoformat(timespec="seconds"),
                }
                write_sealed(temporary / "header.json", header)
                stack.close()

            processes.first(publish)

    def _begin(self, stack: contextlib.ExitStack, entry: Path, size: int) -> Path:
        """The folder in which an entry grows, with room for its rows; it becomes the entry when the stack closes."""
        self._check_room(size)
        temporary = stack.enter_context(atomic_path(entry))
        temporary.mkdir()
        with open(temporary / "features.bin", "wb") as file:
            file.truncate(size)
        return temporary

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if size + _MARGIN > free:
            raise InputError(
                f"the features need {size / 2**30:.2f} GiB, but {self.folder} has {free / 2**30:.2f} GiB free; "
                "free some space or choose another folder"
            )


def _contents(extractor: Any, fit_images: Images, images: Images) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a fitted extractor depends on, and what its features of `images` depend on."""
    fit_digest = digest_array(fit_images)
    learnt = {"extractor": describe(extractor), "fitted_on": fit_digest}
    return learnt, {**learnt, "images": fit_digest if images is fit_images else digest_array(images)}


def _size(header: dict[str, Any]) -> int:
    rows, width = header["shape"]
    return int(rows * width * DTYPES[header["dtype"]].itemsize)


def _mapped(entry: Path, header: dict[str, Any]) -> Tensor:
    path, dtype = entry / "features.bin", DTYPES[header["dtype"]]
    if not path.is_file():
        raise InputError(f"{path} is not there; give one folder for features that all processes see")
    features = torch.from_file(str(path), shared=False, size=_size(header) // dtype.itemsize, dtype=dtype)
    return features.view(header["shape"])


def _share(starts: range, count: int, processes: Processes) -> tuple[range, range]:
    """The blocks and the rows that are this process's, of `count` rows in blocks from `starts` on.

    The first process, which shows progress, gets one block more than others do where they do not come out even.
    """
    bounds = [-(-len(starts) * rank // processes.count) for rank in (processes.rank, processes.rank + 1)]
    own = starts[bounds[0] : bounds[1]]
    return own, range(own.start, max(min(own.stop, count), own.start))


def _read_only(images: Images) -> Images:
    """A view that other people's code cannot write through: what it altered would be in all that comes after."""
    view = images[:]
    view.flags.writeable = False
    return view


def _starts(extractor: Any, images: Images) -> range:
    if isinstance(extractor, Extractor):
        return extractor.block_starts(images)
    return range(0, len(images), _FOREIGN_ROWS)


def _blocks(extractor: Any, images: Images, starts: range) -> Iterator[Tensor]:
    """The features of the blocks, as contiguous tensors of a stored type, on the CPU."""
    if isinstance(extractor, Extractor):
        yield from extractor.transform_blocks(images, starts)
        return
    for start in starts:
        part = _read_only(images[start : start + _FOREIGN_ROWS])
        block = as_rows(extractor.transform(part), len(part), extractor)
        finite = torch.isfinite(block).all(dim=1)
        if not bool(finite.all()):
            number = start + int((~finite).int().argmax())
            raise InputError(
                f"{type(extractor).__name__} gives features that are not finite (NaN or infinite), first for image "
                f"{number} of {len(images)}; mend its transform"
            )
        yield block
