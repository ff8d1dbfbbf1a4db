import numpy as np
import pytest

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.features.cache.store import FeatureStore
from dcgan_features.features.precomputed import StoredFeatures


@pytest.fixture
def images():
    made = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    return made[:30], made[30:]


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        random = np.random.default_rng(1)
        content = {"train": random.normal(size=(30, 5)), "test": random.normal(size=(20, 5)), **arrays}
        np.savez(tmp_path / "f.npz", **{name: array for name, array in content.items() if array is not None})
        return tmp_path / "f.npz", content

    return write


def test_rows_come_back_in_the_order_of_the_images(images, save, tmp_path):
    path, content = save()
    store = FeatureStore(tmp_path / "store")
    stored = StoredFeatures(path, sha256_file(path))
    for part, array in zip(images, (content["train"], content["test"]), strict=True):
        np.testing.assert_array_equal(store.get(stored, images[0], part).numpy(), array.astype(np.float32))


def test_as_many_test_as_training_images_are_told_apart(images, save):
    path, content = save(test=np.ones((30, 5)))
    stored = StoredFeatures(path).fit(images[0])
    np.testing.assert_array_equal(stored.transform(images[0]), content["train"].astype(np.float32))
    np.testing.assert_array_equal(stored.transform(images[0][::-1]), content["test"])


def test_features_are_found_again_by_what_the_file_holds(images, save, tmp_path):
    path, _ = save()
    store = FeatureStore(tmp_path / "store")
    store.get(StoredFeatures(path), images[0], images[0])
    (tmp_path / "f.npz").rename(tmp_path / "g.npz")
    moved = StoredFeatures(tmp_path / "g.npz")
    store.get(moved, images[0], images[0])
    assert len(list((tmp_path / "store").glob("*/header.json"))) == 1
    save(train=np.zeros((30, 5)))
    assert float(store.get(StoredFeatures(path), images[0], images[0]).abs().max()) == 0
    with pytest.raises(InputError, match="was changed meanwhile"):
        StoredFeatures(path, sha256_file(tmp_path / "g.npz")).fit(images[0])


@pytest.mark.parametrize(("arrays", "sentence"), [
    ({"train": np.zeros((29, 5))}, r"train has 29 rows for 30 images"),
    ({"test": np.zeros((25, 5))}, r"test has 25 rows for 20 images"),
    ({"test": None}, r"holds no test, only train"),
    ({"train": np.zeros(30)}, r"train is float64 of shape \(30,\); give numbers \(n, features\)"),
    ({"train": np.zeros((30, 5, 2))}, r"of shape \(30, 5, 2\)"),
    ({"train": np.full((30, 5), "x")}, r"train is <U1"),
    ({"train": np.array([[{}]] * 30)}, r"is not a whole .npz file of numbers .*Python objects"),
    ({"test": np.zeros((20, 6))}, r"train has 5 features, test 6"),
    ({"test": np.where(np.arange(100).reshape(20, 5) == 17, np.nan, 0)}, r"test has values.*first in row 3, in 1 rows"),
    ({"train": np.full((30, 5), 1e300)}, r"not finite in float32"),
])  # fmt: skip
def test_what_a_file_cannot_hold(images, save, arrays, sentence):
    path, _ = save(**arrays)
    with pytest.raises(InputError, match=sentence):
        StoredFeatures(path).fit(images[0]).transform(images[1])


def test_files_that_are_none(images, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((30, 5)))
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "c.npz").write_bytes(b"words")
    for name, sentence in (("a.npy", "not an .npz"), ("b.npz", "not a whole .npz"), ("c.npz", "not a whole .npz")):
        with pytest.raises(InputError, match=sentence):
            StoredFeatures(tmp_path / name).fit(images[0])
    with pytest.raises(InputError, match="does not exist"):
        StoredFeatures(tmp_path / "d.npz").fit(images[0])
