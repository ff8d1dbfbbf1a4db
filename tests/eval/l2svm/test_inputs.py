"""Every kind of X that scikit-learn takes gives what a plain array gives."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from joblib import Parallel, delayed
from sklearn.metrics import f1_score
from sklearn.model_selection import KFold, cross_val_score

from dcgan_features.eval import L2SVM, L2SVMCV
from dcgan_features.eval.l2svm import validation

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(60, 8))
X[GENERATOR.random(X.shape) < 0.5] = 0
Y = np.array(["ant", "bee", "cat"])[np.arange(60) % 3]


def read_only():
    copy = X.copy()
    copy.setflags(write=False)
    return copy


KINDS = {
    "negative strides": lambda: X[::-1].copy()[::-1],
    "Fortran order": lambda: np.asfortranarray(X),
    "a slice": lambda: np.repeat(X, 2, axis=1)[:, ::2],
    "big-endian": lambda: X.astype(">f8"),
    "a frame": lambda: pd.DataFrame(X, columns=[f"c{i}" for i in range(8)]),
    "lists": lambda: X.tolist(),
    "read only": read_only,
    "csr": lambda: scipy.sparse.csr_matrix(X),
    "csc array": lambda: scipy.sparse.csc_array(X),
    "a tensor": lambda: torch.from_numpy(X),
    "a sparse tensor": lambda: torch.from_numpy(X).to_sparse(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_matrix(kind):
    plain = L2SVM(0.3).fit(X, Y)
    given = L2SVM(0.3).fit(KINDS[kind](), Y)
    np.testing.assert_allclose(given.coef_, plain.coef_, atol=1e-12)
    np.testing.assert_array_equal(given.predict(KINDS[kind]()), plain.predict(X))


def test_a_sparse_matrix_too_large_when_dense_is_refused(monkeypatch):
    monkeypatch.setattr(validation, "DENSE_BYTES", 1000)
    with pytest.raises(ValueError, match="is sparse and would take"):
        L2SVM().fit(scipy.sparse.csr_matrix(X), Y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"loss": "hinge"}, "loss must be"), ({"penalty": "l1"}, "penalty must"), ({"dual": "both"}, "dual must be"),
     ({"multi_class": "crammer_singer"}, "multi_class must"), ({"intercept_scaling": 2}, "intercept_scaling must")],
)  # fmt: skip
def test_arguments_of_linearsvc_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        L2SVM(**settings).fit(X, Y)
    L2SVM(loss="squared_hinge", penalty="l2", dual=False, multi_class="ovr", random_state=3, verbose=0).fit(X, Y)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(backend):
    fits = Parallel(2, backend=backend)(delayed(L2SVM(C).fit)(X, Y) for C in (0.1, 1.0))
    for C, fitted in zip((0.1, 1.0), fits, strict=True):
        np.testing.assert_allclose(fitted.coef_, L2SVM(C).fit(X, Y).coef_, atol=1e-9)


def test_cv_and_scoring_are_scikit_learns():
    folds = KFold(3, shuffle=True, random_state=1)
    chosen = L2SVMCV((0.01, 1.0), cv=folds, scoring="f1_macro", tol=1e-9).fit(X, Y)
    for C, score in chosen.scores_.items():
        expected = cross_val_score(L2SVM(C, tol=1e-9), X, Y, cv=folds, scoring="f1_macro")
        assert score == pytest.approx(expected.mean(), abs=0.03)
    assert chosen.C_ in (0.01, 1.0)
    assert f1_score(Y, chosen.predict(X), average="macro") > 0.3
    with pytest.raises(ValueError, match="every row of class"):
        L2SVMCV((1.0,), cv=[(np.flatnonzero(Y != "ant"), np.flatnonzero(Y == "ant"))]).fit(X, Y)
