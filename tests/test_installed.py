"""What a wheel holds, and that it works in a folder where the user's own modules have the names of our folders."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "data", "eval", "features", "gan")
FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
# Where a Python that is started elsewhere finds our package: this tree, where it is installed as editable.
FIND = "import importlib.util as u; s = u.find_spec('dcgan_features'); print(s.origin.rsplit('/', 2)[0] if s else '')"
FIGURE = """
from pathlib import Path
import dcgan_features
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.eval import L2SVM
from dcgan_features.features import DiscriminatorFeatures
data = stand_in(n_train=150, n_test=100)
extractor = DiscriminatorFeatures("shapes-32", grid=2, device="cpu").fit(data.train_images)
svm = L2SVM(C=0.01).fit(extractor.transform(data.train_images), data.train_labels)
print(Path(dcgan_features.__file__).parent)
print(100 * (svm.predict(extractor.transform(data.test_images)) == data.test_labels).mean())
"""
PROTOCOL = "10-per-class"
TABLE = {
    "name": "tiny",
    "title": "A tiny table",
    "classifier": {"class": "L2SVM", "C": 0.1},
    "protocols": {PROTOCOL: {"title": "10 a class", "per_class": 10, "draws": 1, "folds": 2}},
    "presets": {
        "quick": {"dataset": {"source": "stand-in", "n_train": 200, "n_test": 100}, "protocols": {"10-per-class": {}}}
    },
    "rows": [{"name": "pixels", "title": "Pixels", "extractor": {"class": "RawPixels"}}],
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what a build reads, outside any clone."""
    folder = tmp_path_factory.mktemp("source")
    for name in (*FOLDERS, "dcgan_features"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    if find_spec("pip") is None or find_spec("setuptools") is None:
        pytest.skip("this environment has no pip or no setuptools to build with")
    out = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(out), str(source))
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with nothing in it but what the wheel installs."""
    target = tmp_path_factory.mktemp("installed")
    pip("install", "--target", str(target), str(wheel))
    return target


@pytest.fixture
def own(tmp_path):
    """A user's folder, whose modules have the names of ours."""
    (tmp_path / "data").mkdir()  # without __init__.py
    (tmp_path / "data" / "loader.py").write_text("ours = 'a loader'\n")
    (tmp_path / "gan").mkdir()
    (tmp_path / "gan" / "__init__.py").write_text("ours = 'a GAN'\n")
    (tmp_path / "eval.py").write_text("ours = 'an evaluation'\n")
    (tmp_path / "features.py").write_text("ours = 'features'\n")
    return tmp_path


def pip(*arguments):
    command = [sys.executable, "-m", "pip", arguments[0], "--no-deps", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run([*command, *arguments[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def python(folder, target, *arguments):
    """What a Python in `folder` prints, that finds our package in `target` before any other; None: as it is."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if target is not None:
        environment["PYTHONPATH"] = str(target)
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_holds_one_package_with_all_its_files(source, wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"dcgan_features"}
    wanted = {file.relative_to(source) for folder in FOLDERS for file in (source / folder).rglob("*") if file.is_file()}
    kinds = {file.suffix for file in wanted}
    assert {".py", ".yaml", ".safetensors", ".json", ".css", ".js", ".html"} <= kinds
    assert {f"dcgan_features/{file.as_posix()}" for file in wanted} <= set(names)


def test_neither_breaks_the_other(installed, own):
    code = (
        "import data.loader, eval, features, gan\n"
        "from dcgan_features import benchmarks, data as our_data, eval as our_eval, features as our_features\n"
        "import dcgan_features.gan.weights_file as weights\n"
        "print(data.loader.ours, eval.ours, features.ours, gan.ours, sep=', ')\n"
        "print(our_eval.L2SVM.__module__, our_features.RawPixels.__module__, our_data.load.__module__)\n"
        "print(weights.find_weights('paper-32').with_suffix('.safetensors').is_file(), weights.__file__)\n"
    )
    first, second, third = python(own, installed, "-c", code).splitlines()
    assert first == "a loader, an evaluation, features, a GAN"
    assert [name.split(".")[:2] for name in second.split()] == [
        ["dcgan_features", "eval"], ["dcgan_features", "features"], ["dcgan_features", "data"],
    ]  # fmt: skip
    assert third == f"True {installed / 'dcgan_features' / 'gan' / 'weights_file.py'}"


def test_a_wheel_a_clone_and_an_editable_install_give_the_same_figures(installed, own):
    in_wheel = python(own, installed, "-c", FIGURE).splitlines()
    in_clone = python(ROOT, None, "-c", FIGURE).splitlines()
    assert in_wheel[0] == str(installed / "dcgan_features")
    assert in_clone[0] == str(ROOT / "dcgan_features")
    assert in_wheel[1] == in_clone[1]
    assert 10 < float(in_wheel[1]) < 100
    if python(own, None, "-c", FIND).strip() == str(ROOT):
        assert python(own, None, "-c", FIGURE).splitlines() == in_clone


def test_a_table_is_measured_by_a_wheel(installed, own):
    (own / "tiny.yaml").write_text(yaml.safe_dump(TABLE))
    command = ["-m", "dcgan_features.benchmarks.cifar10", "--table", "tiny.yaml", "--device", "cpu"]
    assert "written: " in python(own, installed, *command)
    result = json.loads((own / "results" / "tiny" / "pixels.json").read_text())  # where the user is
    assert result["commit"] is None  # it is of no clone
    assert 10 < result["protocols"][PROTOCOL]["measured"] < 100


def test_extractors_are_compared_on_an_own_folder_by_a_wheel(installed, own):
    random = np.random.default_rng(0)
    for label, colour in {"ash": (150, 60, 60), "birch": (60, 150, 60)}.items():
        for number in range(12):
            path = own / "pictures" / label / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20 + number, 24), tuple(colour + random.integers(-40, 40, 3))).save(path)
    (own / "mine.py").write_text(
        "class X:\n    def transform(self, images):\n        return images.mean((1, 2)) / 255\n"
    )
    script = str(installed / "bin" / "dcgan-features")
    said = python(own, installed, script, "compare", "mine.py:X", "raw-pixels", "--data", "pictures", "--size", "16")
    assert "mine.py:X" in said
    (table,) = (own / "results" / "compare").glob("pictures-*-comparison/comparison.csv")
    assert {line.split(",")[0] for line in table.read_text().splitlines()[1:]} == {"mine.py:X", "raw-pixels"}
