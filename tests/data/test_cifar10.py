from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcgan_features.data.cifar10 import cifar10
from dcgan_features.data.utils.errors import InputError
from tests.data.conftest import BATCHES, FakeCifar10, Web


def contents(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.mark.parametrize("inside", [False, True], ids=["root holds the folder", "root is the folder"])
def test_images_and_labels_are_those_of_the_batches(fake_cifar10: FakeCifar10, inside: bool) -> None:
    dataset = cifar10(fake_cifar10.folder if inside else fake_cifar10.root, download=False)
    assert np.array_equal(dataset.train_images, np.concatenate([fake_cifar10.images[name] for name in BATCHES[:5]]))
    assert dataset.train_labels is not None
    assert dataset.train_labels.tolist() == [label for name in BATCHES[:5] for label in fake_cifar10.labels[name]]
    assert dataset.test_images is not None
    assert dataset.test_labels is not None
    assert np.array_equal(dataset.test_images, fake_cifar10.images["test_batch"])
    assert dataset.test_labels.tolist() == fake_cifar10.labels["test_batch"]
    assert dataset.classes == tuple(f"class {label}" for label in range(10))
    assert dataset.train_images.flags.c_contiguous
    assert not dataset.stand_in


def test_a_folder_of_batches_may_have_any_name(fake_cifar10: FakeCifar10) -> None:
    renamed = fake_cifar10.folder.rename(fake_cifar10.root / "pictures")
    assert len(cifar10(renamed, download=False).train_images) == 100


def test_the_environment_names_the_root(fake_cifar10: FakeCifar10, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_ROOT", str(fake_cifar10.root))
    assert len(cifar10(download=False).train_images) == 100


@pytest.mark.parametrize("name", [*BATCHES, "batches.meta"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "altered"])
def test_a_damaged_file_is_named_and_nothing_is_written(fake_cifar10: FakeCifar10, name: str, damage: str) -> None:
    file = fake_cifar10.folder / name
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(whole[:-1] if damage == "truncated" else whole[:-1] + bytes([whole[-1] ^ 1]))
    before = contents(fake_cifar10.root)
    with pytest.raises(InputError) as caught:
        cifar10(fake_cifar10.root, download=True)  # a partial folder is not downloaded over
    assert str(file) in str(caught.value)
    assert "missing" in str(caught.value) if damage == "missing" else "truncated or altered" in str(caught.value)
    assert "cifar-10-python.tar.gz" in str(caught.value)
    assert contents(fake_cifar10.root) == before


class Bomb:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.file),)


def test_a_pickle_of_another_digest_is_never_opened(fake_cifar10: FakeCifar10, tmp_path: Path) -> None:
    crater = tmp_path / "crater"
    bomb = pickle.dumps({"data": Bomb(crater)}, protocol=2)
    for name in [*BATCHES, "batches.meta"]:
        (fake_cifar10.folder / name).write_bytes(bomb)
    with pytest.raises(InputError, match="data_batch_1"):
        cifar10(fake_cifar10.root)
    assert not crater.exists()
    pickle.loads(bomb)
    assert crater.exists()  # it would have gone off


def test_absent_and_not_to_be_downloaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--data-root.*--preset demo"):
        cifar10(tmp_path / "none", download=False)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def served(fake_cifar10: FakeCifar10, web: Web, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small CIFAR-10 as an archive on a web server of this machine."""
    archive = web.folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(fake_cifar10.folder, "cifar-10-batches-py")
    monkeypatch.setattr("torchvision.datasets.CIFAR10.url", f"{web.url}cifar-10-python.tar.gz")
    monkeypatch.setattr("torchvision.datasets.CIFAR10.tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    return archive


def test_download(fake_cifar10: FakeCifar10, served: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "new" / "root"
    dataset = cifar10(root)
    assert contents(root / "cifar-10-batches-py") == contents(fake_cifar10.folder)
    assert [entry.name for entry in root.iterdir()] == ["cifar-10-batches-py"]
    assert np.array_equal(dataset.train_images[:20], fake_cifar10.images["data_batch_1"])
    assert capfd.readouterr().out == ""
    served.unlink()
    assert cifar10(root).digest == dataset.digest  # not downloaded again


@pytest.mark.parametrize("failure", ["not found", "truncated", "another archive"])
def test_a_failed_download_leaves_nothing(
    served: Path, tmp_path: Path, failure: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if failure == "not found":
        served.unlink()
    elif failure == "truncated":
        served.write_bytes(served.read_bytes()[:-100])
    else:
        shutil.copy(__file__, served)
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"could not be downloaded.*--data-root.*--preset demo"):
        cifar10(tmp_path / "new" / "root")
    assert set(tmp_path.iterdir()) == before
    assert capfd.readouterr().out == ""


@pytest.mark.real_data
def test_official_sizes_and_label_counts() -> None:
    root = os.environ.get("DATA_ROOT")
    if not root or not Path(root).is_dir():
        pytest.skip("DATA_ROOT does not name the folder that holds cifar-10-batches-py")
    dataset = cifar10(root, download=False)
    assert dataset.train_images.shape == (50_000, 32, 32, 3)
    assert dataset.train_labels is not None
    assert dataset.test_images is not None
    assert dataset.test_labels is not None
    assert dataset.test_images.shape == (10_000, 32, 32, 3)
    assert np.bincount(dataset.train_labels).tolist() == [5_000] * 10
    assert np.bincount(dataset.test_labels).tolist() == [1_000] * 10
    assert dataset.classes[0] == "airplane"
    assert dataset.classes[9] == "truck"
    # Published means of the training images, 0..1, by channel; mixed-up axes would change them.
    means = dataset.train_images.mean((0, 1, 2)) / 255
    assert np.allclose(means, [0.4914, 0.4822, 0.4465], atol=1e-4)
    # Neighbouring pixels of photographs are alike; of rows put together wrongly they are not.
    steps = np.abs(np.diff(dataset.train_images[:1000].astype(int), axis=2)).mean()
    assert steps < 15
