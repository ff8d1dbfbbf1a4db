"""One feature store filled by several processes against the same store filled by one."""

import os
import signal

import numpy as np
import pytest
import torch

from dcgan_features.data.utils.distributed import AllProcesses, ProcessLost
from dcgan_features.data.utils.errors import InputError
from dcgan_features.features import DiscriminatorFeatures, FeatureStore, RawPixels
from dcgan_features.gan.networks import Discriminator
from tests.features.cache.test_store import Counting, entries
from tests.gan.tiny import TINY, tiny_images
from tests.processes import in_processes, results


class Columns:
    """Somebody's object, which knows no blocks."""

    def transform(self, images):
        return images.reshape(len(images), -1)[:, ::3].astype(np.float32)


IMAGES = tiny_images(210)
TEST = tiny_images(3, seed=1)  # one block, for four processes


def extractors(notes):
    network = Discriminator(TINY, torch.Generator().manual_seed(0))
    return [Counting(notes), DiscriminatorFeatures(network, grid=2, batch_size=32), Columns(), RawPixels()]


def fill(rank, folder, notes):
    store = FeatureStore(folder, AllProcesses())
    digests = []
    for extractor in extractors(notes / str(rank)):
        seen: list[tuple[int, int]] = []
        for images in (IMAGES, TEST):
            rows = store.get(extractor, IMAGES, images, progress=lambda *what, seen=seen: seen.append(what))
            digests.append(rows.double().sum().item())
        assert seen == [] if rank else seen[-1] in [(210, 210), (3, 3)]
    return digests


@pytest.mark.parametrize("count", [2, 4])
def test_the_bytes_are_those_of_one_process(tmp_path, monkeypatch, count):
    monkeypatch.setattr("dcgan_features.features.cache.chunks.CHUNK", 1000)  # chunks that two processes write
    for folder in ("notes", "alone"):
        (tmp_path / folder).mkdir()
    everyones = results(in_processes(count, fill, tmp_path / "shared", tmp_path / "notes"))
    assert all(digests == everyones[0] for digests in everyones)
    alone = FeatureStore(tmp_path / "alone")
    for extractor in extractors(tmp_path / "note"):
        for images in (IMAGES, TEST):
            alone.get(extractor, IMAGES, images)
    assert sorted(os.listdir(tmp_path / "shared")) == sorted(os.listdir(tmp_path / "alone"))
    for entry in entries(tmp_path / "alone"):
        assert (tmp_path / "shared" / entry.name / "features.bin").read_bytes() == (entry / "features.bin").read_bytes()
        assert alone._intact(tmp_path / "shared" / entry.name) is not None
    # Each fits once; of 14 blocks and one each makes its share, and the first one of either to compare.
    noted = [(tmp_path / "notes" / str(rank)).read_text() for rank in range(count)]
    assert [text.count("f") for text in noted] == [1] * count
    assert sum(text.count("t") for text in noted) == 14 + (count - 1) + 1 + (count - 1)
    assert max(text.count("t") for text in noted) <= -(-14 // count) + 3


class Failing(Counting):
    """Has a feature of the last image that is not finite, or is killed there; or fits at random."""

    def __init__(self, notes, how, rank):
        super().__init__(notes)
        self.how = how
        self.rank = rank

    speed_only = ("notes", "rank")

    def _transform_block(self, images):
        block = super()._transform_block(images)
        if np.array_equal(images[-1], IMAGES[-1]):
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "infinite":
                block[-1, 0] = np.inf
        return block + self.rank if self.how == "random" else block


def fail(rank, folder, how):
    FeatureStore(folder, AllProcesses()).get(Failing(folder.with_name(f"{how}-{rank}"), how, rank), IMAGES, IMAGES)


def test_what_fails_in_one_process_fails_in_all_and_leaves_nothing(tmp_path):
    folder = tmp_path / "store"
    first, second = in_processes(2, fail, folder, "infinite")
    assert isinstance(first, InputError)
    assert str(first) == f"{second} (process 1 of 2)"
    assert "not finite, first among images 208 to 209" in str(second)
    both = in_processes(2, fail, folder, "random")
    assert all(isinstance(error, InputError) for error in both)
    assert all("make other features of the same images" in str(error) for error in both)
    assert entries(folder) == []


def test_after_a_process_was_killed_one_alone_begins_anew(tmp_path):
    folder = tmp_path / "store"
    first, second = in_processes(2, fail, folder, "killed")
    assert isinstance(first, ProcessLost)
    assert second is None
    found = FeatureStore(folder).get(Counting(tmp_path / "notes"), IMAGES, IMAGES)
    assert len(found) == 210
