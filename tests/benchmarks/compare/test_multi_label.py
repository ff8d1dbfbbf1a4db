import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.svm import LinearSVC

from dcgan_features.benchmarks.compare import compare, compare_multi_label
from dcgan_features.data.utils.errors import InputError


def data(n=160):
    random = np.random.default_rng(0)
    Y = random.random((n, 3)) < 0.4
    X = (random.integers(0, 200, (n, 6, 6, 3)) + 50 * Y[:, None, None]).astype(np.uint8)
    half = n // 2
    return X[:half], Y[:half].astype(int), X[half:], Y[half:].astype(int)


class Colours:
    def transform(self, images):
        return images.mean((1, 2)) / 255


def test_mean_average_precision_is_that_of_separate_machines(here):
    X, Y, X_test, Y_test = data()
    report = compare_multi_label(
        {"means": Colours(), "corner": lambda images: images[:, 0, 0]}, data=(X, Y, X_test, Y_test), C=1.0
    )
    train, test = X.mean((1, 2)) / 255, X_test.mean((1, 2)) / 255
    expected = [
        100
        * average_precision_score(Y_test[:, k], LinearSVC(C=1.0, tol=1e-8).fit(train, Y[:, k]).decision_function(test))
        for k in range(3)
    ]
    line = report.table.set_index("extractor").loc["means"]
    assert [line[str(k)] for k in range(3)] == pytest.approx(expected, abs=0.2)
    assert line["mean_average_precision"] == pytest.approx(np.mean(expected), abs=0.2)
    (pair,) = report.paired.to_dict("records")
    assert (pair["against"], pair["high"] < 0) == ("means", True)
    assert "Mean average precision" in report._repr_html_()


def test_what_cannot_be_used_is_a_sentence(here):
    X, Y, X_test, Y_test = data()
    with pytest.raises(InputError, match=r"give \(X, Y, X_test, Y_test\)"):
        compare_multi_label(Colours(), data=(X, Y))
    with pytest.raises(InputError, match="of no training image"):
        compare_multi_label(Colours(), data=(X, np.c_[Y, 0 * Y[:, :1]], X_test, np.c_[Y_test, Y_test[:, :1]]))
    with pytest.raises(InputError, match="0 or 1"):
        compare_multi_label(Colours(), data=(X, Y + 1, X_test, Y_test))
    with pytest.raises(InputError, match="compare_multi_label"):
        compare(Colours(), data=(X, Y, X_test, Y_test))
