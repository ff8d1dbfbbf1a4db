import subprocess
import sys
import textwrap

import pytest

from dcgan_features import data, eval, features, gan
from dcgan_features.features import exemplar

# Alone in its process, prints which modules a line has imported.
IMPORTED = "import sys\n{line}\nprint(*sorted(sys.modules), sep='\\n')"


@pytest.mark.parametrize("package", [data, eval, features, gan, exemplar])
def test_all_that_a_package_exports_is_there(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name).__class__ is not None
        assert name in vars(package)  # so that it is looked for once
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nonsense'"):
        _ = package.nonsense


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        (
            "from dcgan_features.eval import L2SVM",
            [
                *("PIL", "matplotlib", "torchvision", "pandas", "scipy.stats", "scipy.optimize", "numba", "llvmlite"),
                *("sklearn.linear_model", "sklearn.svm", "sklearn.model_selection", "typer", "rich", "pydantic"),
                *("dcgan_features.gan", "dcgan_features.features", "dcgan_features.benchmarks"),
            ],
        ),
        (
            "from dcgan_features.eval import LogisticProbe",
            ["PIL", "matplotlib", "torchvision", "pandas", "scipy.stats", "numba", "dcgan_features.features"],
        ),
        ("import dcgan_features.gan.train", ["torch", "sklearn", "matplotlib"]),
        ("import dcgan_features.gan.figures.__main__", ["torch", "matplotlib"]),
        ("import dcgan_features.features.exemplar.train", ["torch", "sklearn"]),
        ("import dcgan_features.benchmarks.cifar10", ["torch", "sklearn", "pandas"]),
    ],
)
def test_nothing_is_imported_before_it_is_needed(line, absent):
    ran = subprocess.run([sys.executable, "-c", IMPORTED.format(line=line)], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()).isdisjoint(absent)


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_modules_put_off_are_imported_when_they_are_used_and_leave_no_substitute(tmp_path, monkeypatch):
    (tmp_path / "heavy.py").write_text("print('imported')\nvalue = 7\n")
    (tmp_path / "user.py").write_text("import heavy\n\ndef use():\n    return heavy.value\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    begun = "import sys\nfrom dcgan_features.data.utils.lazy import put_off\n"
    within = "with put_off('heavy', 'not_installed'):\n    import user\n"
    assert run(f"{begun}{within}print('heavy' in sys.modules)") == ["False"]
    assert run(f"{begun}{within}print('before', user.use(), user.use())") == ["imported", "before", "7", "7"]
    assert run(f"{begun}{within}import heavy; print(type(heavy).__name__, heavy.value)") == ["imported", "module", "7"]
    assert run(f"{begun}import heavy\n{within}print(user.heavy is heavy)") == ["imported", "True"]
    inside = (
        "with put_off('heavy', 'not_installed'):\n    import heavy\n    from heavy import value\n    print(value)\n"
    )
    assert run(f"{begun}{inside}import heavy; print(type(heavy).__name__)") == ["imported", "7", "module"]
    missing = "try:\n        import not_installed\n    except ImportError:\n        print('missing')\n"
    assert run(f"{begun}with put_off('not_installed'):\n    {missing}") == ["missing"]


def test_scikit_learn_works_after_it_was_imported_in_part():
    """Frames are recognised, and what uses SciPy's statistics finds them."""
    code = """
        from dcgan_features.eval import L2SVM
        import numpy as np
        X, y = np.eye(6).repeat(3, 0), np.arange(6).repeat(3)
        fitted = L2SVM().fit(X, y)
        import pandas
        assert L2SVM().fit(pandas.DataFrame(X, columns=list("abcdef")), y).feature_names_in_[0] == "a"
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import RandomizedSearchCV
        import scipy, scipy.stats
        C = scipy.stats.loguniform(1e-2, 1)
        RandomizedSearchCV(L2SVM(), {"C": C}, n_iter=2, cv=3, random_state=0).fit(X, y)
        RandomForestClassifier(2).fit(X, y)
        from sklearn.utils.fixes import _mode
        print(np.ravel(_mode(np.array([3, 3, 1])).mode)[0])
    """
    assert run(textwrap.dedent(code)) == ["3"]
