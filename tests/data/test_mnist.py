import gzip
import hashlib
import os
import pickle
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import MNIST

from dcgan_features.data import load, training_images
from dcgan_features.data.mnist import _UNPACKED_MD5, mnist, read_idx
from dcgan_features.data.utils.errors import InputError

COUNTS = {"train": 30, "t10k": 12}


@pytest.fixture
def arrays():
    generator = np.random.default_rng(2)
    made = {}
    for part, count in COUNTS.items():
        made[f"{part}-images-idx3-ubyte"] = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        made[f"{part}-labels-idx1-ubyte"] = (np.arange(count) % 10).astype(np.uint8)
    return made


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + array.tobytes()


@pytest.fixture
def packed(arrays, monkeypatch):
    """File name: content, of a small MNIST whose digests, packed and unpacked, count as the official ones."""
    files = {f"{name}.gz": gzip.compress(idx(array)) for name, array in arrays.items()}
    listed = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", listed)
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
    for name, array in arrays.items():
        monkeypatch.setitem(_UNPACKED_MD5, name, hashlib.md5(idx(array)).hexdigest())
    return files


@pytest.fixture
def root(packed, tmp_path):
    """A folder that holds it, packed."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in packed.items():
        (raw / name).write_bytes(content)
    return tmp_path / "data"


def unpack(root):
    for file in list((root / "MNIST" / "raw").iterdir()):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()


def part_file(folder, **changes):
    generator = np.random.default_rng(5)
    content: dict[str, Any] = {
        "train_x": generator.integers(0, 256, (20, 28, 28), dtype=np.uint8), "train_y": np.arange(20) % 10,
        "test_x": generator.integers(0, 256, (10, 28, 28), dtype=np.uint8), "test_y": np.arange(10, dtype=np.uint8),
    } | changes  # fmt: skip
    np.savez(folder / "mnist_part.npz", **{key: value for key, value in content.items() if value is not None})
    return content


@pytest.mark.parametrize("as_unpacked", [False, True])
def test_the_official_files_packed_or_not(root, arrays, as_unpacked):
    if as_unpacked:
        unpack(root)
    made: Any = mnist(root, download=False)
    train, train_labels, test, test_labels = arrays.values()
    assert np.array_equal(made.train_images, train[..., None])
    assert np.array_equal(made.train_labels, train_labels)
    assert np.array_equal(made.test_images, test[..., None])
    assert np.array_equal(made.test_labels, test_labels)
    assert made.train_labels.dtype == np.int64
    assert (made.name, made.classes, made.stand_in) == ("mnist", tuple("0123456789"), False)
    assert made.note == "MNIST, official files, the whole training and test set"


def test_torchvision_reads_the_same(root):
    made: Any = mnist(root, download=False)
    unpack(root)
    for train, images, labels in ((True, made.train_images, made.train_labels),
                                  (False, made.test_images, made.test_labels)):  # fmt: skip
        official = MNIST(root, train=train)
        assert np.array_equal(official.data.numpy(), images[..., 0])
        assert np.array_equal(official.targets.numpy(), labels)


def test_the_digests_of_unpacked_files_are_checked_too(root, packed):
    unpack(root)
    file = root / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="t10k-images-idx3-ubyte is truncated or altered"):
        mnist(root, download=False)


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_a_packed_file_that_is_not_the_official_one_is_named(root, packed, damage):
    for name, content in packed.items():
        file = root / "MNIST" / "raw" / name
        file.write_bytes(content[:-1] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(InputError, match=f"{name} is truncated or altered, .* put the official {name} there"):
            mnist(root, download=True)
        file.write_bytes(content)


def test_the_part_is_taken_where_the_whole_is_not_there_and_says_so(root):
    content = part_file(root)
    assert mnist(root, download=False).name == "mnist"  # the whole comes first
    (root / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz").unlink()
    made: Any = mnist(root)  # nothing is downloaded: the address answers nobody
    assert np.array_equal(made.train_images, content["train_x"][..., None])
    assert np.array_equal(made.train_labels, content["train_y"])
    assert np.array_equal(made.test_images, content["test_x"][..., None])
    assert np.array_equal(made.test_labels, content["test_y"])
    assert made.name == "mnist (first 20 training images, 10 test images)"
    assert made.note == "the first 20 of MNIST's 60,000 training images, 10 of its 10,000 test images"
    assert not made.stand_in


def test_the_whole_test_set_is_called_so(tmp_path):
    part_file(tmp_path, test_x=np.zeros((10_000, 28, 28), np.uint8), test_y=np.arange(10_000) % 10)
    made: Any = mnist(tmp_path, download=False)
    assert made.name == "mnist (first 20 training images)"
    assert made.note == "the first 20 of MNIST's 60,000 training images, the whole test set"
    assert training_images(["mnist"], tmp_path)[1] == "mnist (first 20 training images) (20 images)"


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"train_y": None}, "holds no train_y"),
    ({"test_x": None}, "holds no test_x"),
    ({"train_x": np.zeros((20, 28, 28))}, "a train_x of float64"),
    ({"train_x": np.zeros((20, 784), np.uint8)}, r"a train_x of uint8 and shape \(20, 784\)"),
    ({"test_x": np.zeros((0, 28, 28), np.uint8), "test_y": np.zeros(0, int)}, r"a test_x of uint8 and shape \(0, "),
    ({"test_x": np.zeros((10_001, 28, 28), np.uint8)}, "with at most 10,000 images"),
    ({"test_y": np.arange(9)}, r"a test_y of int64 and shape \(9,\)"),
    ({"test_y": np.arange(10) + 1}, "a whole number from 0 to 9 for each of 10 images"),
    ({"train_y": np.arange(20) % 10 - 1}, "a train_y of int64"),
    ({"train_y": np.arange(20) / 4}, "a train_y of float64"),
    ({"train_y": np.array([{}] * 20, object)}, "is not a whole .npz file of numbers"),
])  # fmt: skip
def test_a_part_of_other_arrays_is_refused(tmp_path, changes, sentence):
    part_file(tmp_path, **changes)
    with pytest.raises(InputError, match=f"mnist_part.npz .*{sentence}.*[:;] save train_x, train_y, test_x"):
        mnist(tmp_path, download=False)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("damage", ["empty", "truncated", "altered", "one array", "a pickle"])
def test_a_damaged_part_is_one_sentence(tmp_path, damage):
    part_file(tmp_path)
    file = tmp_path / "mnist_part.npz"
    whole = file.read_bytes()
    if damage == "one array":
        np.save(tmp_path / "array.npy", np.zeros(3))
        (tmp_path / "array.npy").rename(file)
    else:
        middle = len(whole) // 2
        file.write_bytes({
            "empty": b"", "truncated": whole[:-50], "altered": whole[:middle] + b"other" + whole[middle + 5 :],
            "a pickle": pickle.dumps(Bomb(str(tmp_path / "crater"))),
        }[damage])  # fmt: skip
    with pytest.raises(InputError, match=r"mnist_part\.npz is not a whole \.npz file of numbers"):
        mnist(tmp_path, download=False)
    assert not (tmp_path / "crater").exists()


@pytest.mark.parametrize("content", [
    b"", b"\0\0\x08", b"\0\0\x08\x01\0\0", b"\0\0\x08\x01\0\0\0\x03ab", b"\0\0\x0d\x01\0\0\0\x02ab", b"plain text",
    b"\0\0\x08\x00a", b"\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xffa",
])  # fmt: skip
def test_a_damaged_idx_file_is_one_sentence_whatever_its_digest(tmp_path, content):
    (tmp_path / "some").write_bytes(content)
    with pytest.raises(InputError, match="some is no whole idx file"):
        read_idx(tmp_path / "some")
    (tmp_path / "some.gz").write_bytes(gzip.compress(content)[:-4])
    with pytest.raises(InputError, match=r"some\.gz cannot be read"):
        read_idx(tmp_path / "some.gz")


def test_absent_and_not_to_be_downloaded(tmp_path):
    with pytest.raises(
        InputError, match=r"MNIST is not in .*none: pass --data-root .*MNIST/raw or mnist_part.npz.*demo"
    ):
        mnist(tmp_path / "none", download=False)
    assert list(tmp_path.iterdir()) == []


def test_download_of_what_is_absent(packed, web, tmp_path, monkeypatch, arrays, capfd):
    for name, content in packed.items():
        (web.folder / name).write_bytes(content)
    # The first mirror answers, but has nothing.
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [f"{web.url}gone/", web.url])
    root = tmp_path / "new"
    made = load("mnist", root)
    assert np.array_equal(made.train_images[..., 0], arrays["train-images-idx3-ubyte"])
    assert sorted(file.name for file in (root / "MNIST" / "raw").iterdir()) == sorted(packed)
    (web.folder / "train-images-idx3-ubyte.gz").unlink()
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    assert load("mnist", root).digest == made.digest  # only what is absent is asked for
    assert capfd.readouterr().out == ""


def test_a_failed_download_leaves_nothing(packed, web, tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [web.url])
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"MNIST is not in .* could not be downloaded .*--data-root .*--preset demo"):
        mnist(tmp_path / "new" / "root")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.real_data
def test_the_real_images() -> None:
    try:
        dataset = mnist(download=False)
    except InputError as error:
        pytest.skip(str(error))
    assert dataset.test_images is not None
    assert dataset.test_labels is not None
    assert np.bincount(dataset.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # The official test images, whichever file they come from.
    digest = hashlib.md5(idx(np.ascontiguousarray(dataset.test_images[..., 0]))).hexdigest()
    assert digest == _UNPACKED_MD5["t10k-images-idx3-ubyte"]


@pytest.mark.parametrize("place", ["MNIST/raw", "MNIST", "."])
def test_official_files_are_found_under_the_names_that_unpacking_gives(root, tmp_path, place):
    unpack(root)
    folder = tmp_path / "other" / place
    folder.mkdir(parents=True)
    for file in (root / "MNIST" / "raw").iterdir():
        (folder / file.name.replace("-idx", ".idx")).write_bytes(file.read_bytes())
    assert mnist(tmp_path / "other", download=False).name == "mnist"
