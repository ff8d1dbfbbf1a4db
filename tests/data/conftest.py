"""A small CIFAR-10 in the official format, whose digests count as the official ones for the length of a test.

And a web server of this machine, for downloads.
"""

from __future__ import annotations

import hashlib
import http.server
import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest

BATCHES = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
PER_BATCH = 20


@dataclass
class FakeCifar10:
    """Where it lies, and what was put into it before torchvision saw it."""

    root: Path
    images: dict[str, np.ndarray] = field(default_factory=dict)  # batch: uint8 (20, 32, 32, 3)
    labels: dict[str, list[int]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / "cifar-10-batches-py"


@pytest.fixture
def fake_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCifar10:
    fake = FakeCifar10(tmp_path / "fake")
    fake.folder.mkdir(parents=True)
    generator = np.random.default_rng(7)
    for name in BATCHES:
        fake.images[name] = generator.integers(0, 256, (PER_BATCH, 32, 32, 3), dtype=np.uint8)
        fake.labels[name] = generator.integers(0, 10, PER_BATCH).tolist()
        rows = fake.images[name].transpose(0, 3, 1, 2).reshape(PER_BATCH, -1)  # red plane, green plane, blue plane
        (fake.folder / name).write_bytes(pickle.dumps({"data": rows, "labels": fake.labels[name]}, protocol=2))
    meta = pickle.dumps({"label_names": [f"class {label}" for label in range(10)]}, protocol=2)
    (fake.folder / "batches.meta").write_bytes(meta)

    def listed(names: list[str]) -> list[list[str]]:
        return [[name, hashlib.md5((fake.folder / name).read_bytes()).hexdigest()] for name in names]

    official = "torchvision.datasets.CIFAR10"
    monkeypatch.setattr(f"{official}.train_list", listed(BATCHES[:5]))
    monkeypatch.setattr(f"{official}.test_list", listed(BATCHES[5:]))
    entry = {"filename": "batches.meta", "key": "label_names", "md5": hashlib.md5(meta).hexdigest()}
    monkeypatch.setattr(f"{official}.meta", entry)
    return fake


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *message: object) -> None:
        pass


@dataclass
class Web:
    """What lies in `folder` is served below `url`, which ends in a slash."""

    folder: Path
    url: str


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    yield Web(folder, f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()
    server.server_close()
    thread.join()
