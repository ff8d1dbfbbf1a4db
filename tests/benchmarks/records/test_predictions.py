"""Kept predictions: what comes back is what went in, and nothing else passes for it."""

import json
from typing import Any

import numpy as np
import pytest

from dcgan_features import data
from dcgan_features.benchmarks.records.predictions import predictions_path, write_predictions
from dcgan_features.benchmarks.records.reading import read_predictions
from dcgan_features.benchmarks.runner.protocol import C_BOUNDS
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.data.utils.formats import sealed
from dcgan_features.eval import L2SVMCV
from tests.benchmarks.spies import Means


def write(folder, truth, **by_protocol):
    return write_predictions(folder, "t", "r", np.array(truth), {name: np.array(p) for name, p in by_protocol.items()})


def stored(folder):
    with np.load(predictions_path(folder, "t", "r"), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize(("truth", "predicted", "dtype"), [
    ([0, 9, 3], [[0, 9, 9], [1, 1, 1]], np.uint8),
    ([0, 255], [[254, 3]], np.uint8),
    ([0, 256], [[254, 3]], np.uint16),
])  # fmt: skip
def test_small_whole_numbers_take_the_smallest_type(tmp_path, truth, predicted, dtype):
    write(tmp_path, truth, one=predicted)
    found = stored(tmp_path)
    assert {name: item.dtype for name, item in found.items()} == {"truth": dtype, "predicted-one": dtype}
    np.testing.assert_array_equal(found["truth"], truth)
    np.testing.assert_array_equal(found["predicted-one"], predicted)


@pytest.mark.parametrize(("truth", "predicted"), [
    (["cat", "dog", "cat"], [["dog", "dog", "horse"]]),
    (np.array(["cat", "doggy"], dtype=object), [["dog", "cat"]]),
    ([-1, 5, 70_000], [[5, 5, -1]]),
    ([0.5, 1.5], [[1.5, 2.5]]),
])  # fmt: skip
def test_other_labels_are_indices_into_classes(tmp_path, truth, predicted):
    write(tmp_path, truth, one=predicted)
    found = stored(tmp_path)
    assert found["truth"].dtype == found["predicted-one"].dtype == np.uint8
    assert found["classes"][found["truth"]].tolist() == list(truth)
    assert found["classes"][found["predicted-one"]].tolist() == predicted


def test_shapes_and_labels_that_cannot_be_kept(tmp_path):
    for truth, predicted in (([0, 1], [[0, 1, 1]]), ([0, 1], [0, 1]), ([[0, 1]], [[0, 1]])):
        with pytest.raises(ValueError, match="predictions of shape"):
            write(tmp_path, truth, one=predicted)
    strange: Any = np.empty(2, dtype=object)
    strange[:] = [frozenset({1}), frozenset({1, 2})]
    with pytest.raises(ValueError, match="cannot be kept"):
        write_predictions(tmp_path, "t", "r", strange, {"one": strange[None]})
    assert not list(tmp_path.rglob("*.npz"))


@pytest.fixture
def measured(cli, make_table, tmp_path):
    """A measured row; returns (its table's path, the folder of results)."""
    table = make_table(rows=[{"name": "a", "title": "A", "extractor": {"class": "tests.benchmarks.spies:Means"}}])
    assert cli("--table", table)[0] == 0
    return table, tmp_path / "results"


def test_a_measured_row_keeps_what_its_fits_predicted(measured):
    """The predictions are those of the same classifier, fitted here on the same draws."""
    _, folder = measured
    found = read_predictions(folder, "tiny", "a")
    dataset: Any = stand_in(250, 100)
    X, X_test = Means().transform(dataset.train_images), Means().transform(dataset.test_images)
    y = dataset.train_labels
    np.testing.assert_array_equal(found.truth, dataset.test_labels)
    assert found.truth.dtype == np.int64
    fits = [
        L2SVMCV((0.1, 1.0), extend=C_BOUNDS, n_splits=2).fit(X[draw], y[draw])
        for draw in data.class_balanced_draws(y, 5, 3, 0)
    ]
    np.testing.assert_array_equal(found.by_protocol["5-per-class"], [fit.predict(X_test) for fit in fits])
    whole = L2SVMCV((0.1, 1.0), extend=C_BOUNDS, holdout=data.holdout(250, 50, 0)[1]).fit(X, y).predict(X_test)
    np.testing.assert_array_equal(found.by_protocol["all-labels"], whole[None])
    result = json.loads((folder / "tiny" / "a.json").read_text())
    assert result["digests"]["predictions"] == sha256_file(folder / "tiny" / "a.npz")
    for name, protocol in result["protocols"].items():
        accuracies = (found.by_protocol[name] == found.truth).mean(1) * 100
        assert accuracies == pytest.approx(protocol["values"])


def test_predictions_that_are_not_the_rows_are_refused(measured, tmp_path):
    _, folder = measured
    path, about = folder / "tiny" / "a.npz", folder / "tiny" / "a.json"
    whole, said = path.read_bytes(), about.read_text()
    middle = len(whole) // 2
    for content in (whole[:-3], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a.npz is damaged or of another run .* --rerun$"):
            read_predictions(folder, "tiny", "a")
    path.unlink()
    with pytest.raises(InputError, match=r"a.npz does not exist; .* --rerun$"):
        read_predictions(folder, "tiny", "a")
    path.write_bytes(b"words")
    stated = said.replace(json.loads(said)["digests"]["predictions"], sha256_file(path))
    about.write_text(json.dumps(sealed(json.loads(stated))))
    with pytest.raises(InputError, match=r"a\.npz holds no predictions"):
        read_predictions(folder, "tiny", "a")
    with pytest.raises(InputError, match="the row b of the table tiny is not measured"):
        read_predictions(folder, "tiny", "b")


@pytest.mark.parametrize("loss", ["absent", "damaged", "never kept"])
def test_a_row_without_its_predictions_is_shown_but_not_finished(measured, cli, tmp_path, loss):
    table, folder = measured
    path, about = folder / "tiny" / "a.npz", folder / "tiny" / "a.json"
    whole, said = path.read_bytes(), json.loads(about.read_text())
    if loss == "absent":
        path.unlink()
    elif loss == "damaged":
        path.write_bytes(whole[:-1])
    else:
        del said["digests"]["predictions"]
        about.write_text(json.dumps(sealed(said)))
        with pytest.raises(InputError, match="before predictions were kept"):
            read_predictions(folder, "tiny", "a")
    code, out, _ = cli("--table", table)
    assert code == 0
    assert "a.json, whose predictions are not kept or damaged (preset quick)" in out
    assert path.read_bytes() == whole  # the same fits on the same draws
    assert "measured already" in cli("--table", table)[1]


def test_predictions_are_small(tmp_path):
    """Ten draws of 10,000 images whose predictions agree as those of real classifiers do."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 10, 10_000)
    sure = random.beta(0.6, 0.4, 10_000)
    predicted = np.where(random.random((10, 10_000)) < sure, truth, random.integers(0, 10, (10, 10_000)))
    write(tmp_path, truth, one=predicted)
    assert predictions_path(tmp_path, "t", "r").stat().st_size < 60_000
