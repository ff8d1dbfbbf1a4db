import errno
import json
import logging
import multiprocessing
import os
import shutil
import signal
import time

import numpy as np
import pytest
import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features import FeatureStore, RawPixels
from dcgan_features.features.base import Extractor, check_images


class Counting(Extractor):
    """Adds `amount` and the fit images' mean; notes every fit and every block in a file."""

    def __init__(self, notes, amount=1.0, dtype="float32", pause=0.0):
        self.notes = notes
        self.amount = amount
        self.dtype = dtype
        self.pause = pause

    speed_only = ("notes", "pause")

    def note(self, what):
        with open(self.notes, "a") as file:
            file.write(what)

    def fit(self, images, y=None):
        self.note("f")
        self.mean_ = float(check_images(images).mean())
        return self._fitted(images, images[0].size, self.dtype)

    def _block_size(self):
        return 16

    def _transform_block(self, images):
        self.note("t")
        time.sleep(self.pause)
        values = torch.from_numpy(images.reshape(len(images), -1).astype(np.float32))
        return (values + self.amount + self.mean_).to(self.feature_dtype_)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes"
    path.touch()
    return path


def entries(folder):
    return [path for path in folder.iterdir() if path.is_dir()]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_features_come_back_as_made_and_are_made_once(tmp_path, notes, images, dtype):
    extractor = Counting(notes, dtype=dtype)
    expected = extractor.fit(images).transform_tensor(images)
    notes.write_text("")
    for _ in range(2):
        features = FeatureStore(tmp_path / "store").get(Counting(notes, dtype=dtype), images, images)
        assert features.dtype == expected.dtype
        assert torch.equal(features, expected)
    assert notes.read_text() == "ftttt"


def test_another_image_set_shares_the_fit(tmp_path, notes, images):
    store = FeatureStore(tmp_path)
    store.get(Counting(notes), images, images)
    store.get(Counting(notes), images, images[:10])
    assert notes.read_text() == "ftttt" + "t"


def test_other_parameters_data_or_precision_are_other_entries(tmp_path, notes, images):
    other = images.copy()
    other[7, 0, 0, 0] ^= 1
    store = FeatureStore(tmp_path / "store")
    calls = [
        (Counting(notes), images, images),
        (Counting(notes, amount=2.0), images, images),
        (Counting(notes, dtype="bfloat16"), images, images),
        (Counting(notes), other, images),
        (Counting(notes), images, other),
        (RawPixels(), images, images),
    ]
    results = [store.get(*call) for call in calls]
    assert len(entries(tmp_path / "store")) == 6
    assert (results[1] - results[0]).mean() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("damage", ["flip", "truncate", "header", "missing"])
def test_a_damaged_entry_is_computed_again_and_said_so(tmp_path, notes, images, damage, caplog):
    store = FeatureStore(tmp_path / "store")
    expected = store.get(Counting(notes), images, images).clone()
    (entry,) = entries(tmp_path / "store")
    rows = entry / "features.bin"
    if damage == "flip":
        content = bytearray(rows.read_bytes())
        content[1234] ^= 1
        rows.write_bytes(content)
    elif damage == "truncate":
        os.truncate(rows, 100)
    elif damage == "header":
        (entry / "header.json").write_text("{")
    else:
        rows.unlink()
    with caplog.at_level(logging.WARNING):
        features = FeatureStore(tmp_path / "store").get(Counting(notes), images, images)
    assert torch.equal(features, expected)
    assert len(caplog.records) == 1
    assert "damaged" in caplog.text
    assert "computed again" in caplog.text
    caplog.clear()
    FeatureStore(tmp_path / "store").get(Counting(notes), images, images)
    assert not caplog.records


def test_several_chunks_are_verified(tmp_path, notes, images, monkeypatch):
    monkeypatch.setattr(
        "dcgan_features.features.cache.chunks.CHUNK", 1000
    )  # 9,600 bytes: ten chunks, the last one shorter
    store = FeatureStore(tmp_path / "store")
    store.get(Counting(notes), images, images)
    (entry,) = entries(tmp_path / "store")
    assert len(json.loads((entry / "header.json").read_text())["sha256"]) == 10
    assert store._intact(entry) is not None
    content = bytearray((entry / "features.bin").read_bytes())
    content[-1] ^= 128
    (entry / "features.bin").write_bytes(content)
    assert store._intact(entry) is None


# Forked, so that the children need not import torch again, and then with one thread, as forked OpenMP wants it.
FORK = multiprocessing.get_context("fork")


def work(folder, notes, images, queue, pause):
    torch.set_num_threads(1)
    queue.put(FeatureStore(folder).get(Counting(notes, pause=pause), images, images).double().sum().item())


def test_of_two_processes_one_computes_and_the_other_reads(tmp_path, notes, images):
    queue = FORK.Queue()
    both = [FORK.Process(target=work, args=(tmp_path / "store", notes, images, queue, 0.2)) for _ in range(2)]
    for process in both:
        process.start()
    sums = {queue.get(timeout=60) for _ in both}
    for process in both:
        process.join(60)
    assert len(sums) == 1
    assert notes.read_text() == "ftttt"


def test_a_process_killed_while_writing_leaves_no_entry_and_no_lock(tmp_path, notes, images):
    folder = tmp_path / "store"
    process = FORK.Process(target=work, args=(folder, notes, images, FORK.Queue(), 3.0))
    process.start()
    deadline = time.monotonic() + 60
    while notes.read_text() != "ftt" and time.monotonic() < deadline:  # the first block is being written
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    (remains,) = entries(folder)
    assert remains.name.endswith(".tmp")
    features = FeatureStore(folder).get(Counting(notes), images, images)
    assert torch.equal(features, Counting(notes).fit(images).transform_tensor(images))
    assert not remains.exists()
    assert len(entries(folder)) == 1


def test_writing_to_the_features_leaves_the_file_as_it_was(tmp_path, notes, images):
    store = FeatureStore(tmp_path)
    first = store.get(Counting(notes), images, images)
    kept = first.clone()
    first.zero_()
    assert torch.equal(store.get(Counting(notes), images, images), kept)


def test_too_little_room_is_refused_before_anything_is_written(tmp_path, notes, images, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(InputError, match=r"the features need .* GiB free; free some space"):
        FeatureStore(tmp_path / "store").get(Counting(notes), images, images)
    assert not entries(tmp_path / "store")


def test_a_disk_that_fills_up_is_one_sentence_and_leaves_nothing(tmp_path, notes, images, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("dcgan_features.features.cache.store.ChunkWriter.write", full)
    with pytest.raises(InputError, match="the disk is full"):
        FeatureStore(tmp_path / "store").get(Counting(notes), images, images)
    assert not entries(tmp_path / "store")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, notes, images):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        FeatureStore(tmp_path / "file" / "store").get(Counting(notes), images, images)


def test_progress_and_objects_of_the_users(tmp_path, images):
    class Mean:
        def fit(self, images):
            return self

        def transform(self, images):
            return images.mean((1, 2))

    seen = []
    features = FeatureStore(tmp_path).get(Mean(), images, images, progress=lambda *what: seen.append(what))
    np.testing.assert_allclose(features.numpy(), images.mean((1, 2)), rtol=1e-6)
    assert seen == [(50, 50)]


def test_features_are_found_without_computing_any(tmp_path, images):
    store = FeatureStore(tmp_path / "store")
    assert store.find(RawPixels(), images, images) is None
    assert not (tmp_path / "store").exists()
    store.get(RawPixels(), images, images[:3])
    found = store.find(RawPixels(), images, images[:3])
    assert found is not None
    assert (found / "features.bin").exists()
    assert store.find(RawPixels(), images, images) is None


@pytest.mark.parametrize("kind", ["link to a folder", "link to nowhere", "file"])
def test_what_is_in_the_place_of_an_entry_is_replaced(tmp_path, images, kind):
    store, elsewhere = FeatureStore(tmp_path / "store"), tmp_path / "elsewhere"
    expected = store.get(RawPixels(), images, images).clone()
    (entry,) = [path for path in store.folder.iterdir() if path.is_dir()]
    shutil.rmtree(entry)
    if kind == "file":
        entry.write_text("x")
    else:
        entry.symlink_to(elsewhere)
    if kind == "link to a folder":
        elsewhere.mkdir()
        (elsewhere / "precious").write_text("x")
    assert torch.equal(store.get(RawPixels(), images, images), expected)
    assert kind != "link to a folder" or (elsewhere / "precious").exists()


def test_a_changed_header_is_damage(tmp_path, images):
    store = FeatureStore(tmp_path)
    expected = store.get(RawPixels(), images, images).clone()
    (entry,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    header = json.loads((entry / "header.json").read_text())
    rows, width = header["shape"]
    for changed in ({**header, "shape": [width, rows]}, {**header, "sean": header["seal"]}, {**header, "content": {}}):
        (entry / "header.json").write_text(json.dumps(changed))
        assert torch.equal(FeatureStore(tmp_path).get(RawPixels(), images, images), expected)
