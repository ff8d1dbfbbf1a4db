import subprocess
import sys

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
            ["PIL", "matplotlib", "dcgan_features.gan", "dcgan_features.features"],
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
