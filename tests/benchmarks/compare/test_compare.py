"""`python -m benchmarks.compare` from end to end, on tiny tables and made-up images."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dcgan_features.benchmarks.compare import compare as compare_function
from dcgan_features.benchmarks.compare import files as comparison_files
from dcgan_features.benchmarks.compare.__main__ import app
from dcgan_features.benchmarks.compare.candidate import name_of
from dcgan_features.benchmarks.records.reading import read_predictions
from dcgan_features.benchmarks.runner import protocol as of_runner
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import sealed
from tests.benchmarks.conftest import MEANS
from tests.benchmarks.spies import notes

COLOURS = name_of("mine.py:Colours")
MINE = """
import numpy as np

class Colours:
    def __init__(self, power=1):
        self.power = power

    def transform(self, images):
        return (images.mean((1, 2)) / 255) ** self.power

class Faint(Colours):
    def transform(self, images):
        return images[:, ::4, ::4].reshape(len(images), -1) / 255 * 1e-3

class Flat(Colours):
    def transform(self, images):
        return images.mean((1, 2, 3))

class Long(Colours):
    def transform(self, images):
        return np.zeros((len(images) + (len(images) == 100), 3))  # 100 test images

class Poisoned(Colours):
    def transform(self, images):
        return np.where(np.arange(len(images))[:, None] == 17, np.nan, images.mean((1, 2)))

class Failing(Colours):
    def transform(self, images):
        return images[9**9]

class Mute:
    pass

class Needy(Colours):
    def __init__(self, width):
        pass
"""


@pytest.fixture
def compare(cli, make_table, tmp_path, monkeypatch, request):
    """Run the command in a folder that holds mine.py; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(MINE)
    make_table()
    if "beside_a_row" not in request.node.name:  # pictures take longer than all else; that test looks at them
        for draw in ("draw_confusion", "draw_disagreements"):
            monkeypatch.setattr(comparison_files, draw, lambda *_: None)

    def call(*arguments):
        return cli(*arguments, "--table", "tiny.yaml", app=app)

    return call


def made(name):
    return Path("results/compare/tiny-comparison", name)


def frame():
    return pd.read_csv(made("comparison.csv")).set_index(["extractor", "protocol"])


def test_a_class_and_a_file_of_its_features_beside_a_row(compare, tmp_path):
    dataset: Any = stand_in(250, 100)
    parts = {"train": dataset.train_images, "test": dataset.test_images}
    features = {name: images.mean((1, 2)) / 255 for name, images in parts.items()}
    np.savez("colours.npz", **features, train_labels=dataset.train_labels)
    code, out, err = compare("mine.py:Colours", "file:colours.npz", "pixels")
    assert (code, "error" in err) == (0, False)
    lines = frame()
    assert list(lines.index.levels[0]) == sorted(["mine.py:Colours", "file:colours.npz", "Pixels_&_more"])
    kept = {
        "mine.py:Colours": read_predictions(tmp_path / "results" / "compare", "tiny", COLOURS),
        "file:colours.npz": read_predictions(tmp_path / "results" / "compare", "tiny", name_of("file:colours.npz")),
        "Pixels_&_more": read_predictions(tmp_path / "results", "tiny", "pixels"),
    }
    for (title, protocol), line in lines.iterrows():
        right = kept[title].by_protocol[protocol] == dataset.test_labels
        assert line["accuracy"] == pytest.approx(100 * right.mean())
        if title != "Pixels_&_more":
            reference = kept["Pixels_&_more"].by_protocol[protocol] == dataset.test_labels
            assert line["difference_to_pixels"] == pytest.approx(100 * (right.mean() - reference.mean()))
            assert 0 <= line["p_pixels"] <= 1
    # The same numbers by another way in: the same predictions.
    for protocol in ("all-labels", "5-per-class"):
        one, other = (kept[title].by_protocol[protocol] for title in ("mine.py:Colours", "file:colours.npz"))
        np.testing.assert_array_equal(one, other)
    content = json.loads(made("comparison.json").read_text())
    entry = content["extractors"][0]["protocols"]["5-per-class"]
    predicted, truth = kept["mine.py:Colours"].by_protocol["5-per-class"], dataset.test_labels
    expected = {
        name: 100 * (predicted[:, truth == index] == index).mean() for index, name in enumerate(dataset.classes)
    }
    assert entry["class_accuracies"] == pytest.approx(expected)
    remarks = content["extractors"][1]["deviations"]
    assert remarks == ["features computed elsewhere; the order of train is checked by their labels"]
    assert "(stand-in)" in out
    assert "stand-in" in made("comparison.md").read_text()
    for picture in ("confusion-pixels.png", f"{COLOURS}-against-pixels.png"):
        assert np.asarray(Image.open(made(picture)).convert("L")).std() > 5
    with open(made(f"{COLOURS}-against-pixels.csv"), newline="") as file:
        listed = list(csv.DictReader(file))
    shares = {
        title: np.mean([(found == truth).mean(0) for found in kept[title].by_protocol.values()], axis=0)
        for title in ("mine.py:Colours", "Pixels_&_more")
    }
    only = (shares["mine.py:Colours"] > 0.5) & (shares["Pixels_&_more"] < 0.5)
    assert {int(line["image"]) for line in listed if line["only_right"] == "first"} == set(np.flatnonzero(only))


def test_what_is_measured_is_not_run_again_and_a_part_of_it_will_do(compare, tmp_path):
    log = tmp_path / "log"
    mine = f"{MEANS},notes={log}"
    assert compare(mine, "pixels", "--set", "protocol=all-labels")[0] == 0
    assert list(frame().index.levels[1]) == ["all-labels"]
    assert read_predictions(tmp_path / "results", "tiny", "pixels").by_protocol.keys() == {"all-labels", "5-per-class"}
    fits = len(notes(log))
    _, out, _ = compare(mine, "pixels")
    assert "measured with other settings" in out
    both = frame()
    _, out, err = compare(mine, "pixels")
    assert out.count("measured already") == 2
    assert "[1/" not in err
    pd.testing.assert_frame_equal(frame(), both)
    _, out, _ = compare(mine, "--set", "protocol=5-per-class")
    assert "measured already" in out
    assert list(frame().index.levels[1]) == ["5-per-class"]
    assert len(notes(log)) == fits  # features came from the store all along


def test_an_edited_class_is_measured_again_even_by_the_same_process(compare, tmp_path):
    compare("mine.py:Colours", "--set", "protocol=all-labels")
    assert "measured already" in compare("mine.py:Colours", "--set", "protocol=all-labels")[1]
    (tmp_path / "mine.py").write_text(MINE.replace("/ 255", "/ 128"))
    assert "measured with other settings or code" in compare("mine.py:Colours", "--set", "protocol=all-labels")[1]


def test_the_function_returns_what_the_command_writes(compare, monkeypatch, tmp_path):
    compare("mine.py:Colours", "mine.py:Colours,power=2", "pixels", "--set", "reference=mine.py:Colours")
    found = compare_function(
        "mine.py:Colours", "mine.py:Colours,power=2", "pixels",
        reference=["mine.py:Colours"], table="tiny.yaml", results="results", store="store",
    ).table  # fmt: skip
    pd.testing.assert_frame_equal(found, pd.read_csv(made("comparison.csv")), check_dtype=False)
    assert f"p_{COLOURS}" in found
    assert found[f"verdict_{COLOURS}"].notna().sum() == 4
    with pytest.raises(InputError, match=r"mine.py:Flat is not measured: .*of shape \(250,\)"):
        compare_function("mine.py:Flat", table="tiny.yaml", results="results", store="store")


def test_features_at_a_scale_that_no_C_suits_are_remarked_upon(compare, monkeypatch):
    monkeypatch.setattr(of_runner, "C_BOUNDS", (1.0, 1.0))  # nowhere to go on to
    out = " ".join(compare("mine.py:Faint", "--set", "protocol=all-labels")[1].split())
    remark = (
        "all-labels: the best C was the smallest or largest tried, 1e-05 or 10, in 1 of 1 fits; features at another "
        "scale may do better"
    )
    assert f"mine.py:Faint, {remark}" in out
    assert remark in made("comparison.md").read_text()


def test_several_references_are_each_compared_once(compare):
    compare("mine.py:Colours", "pixels", "means", "--set", "protocol=all-labels")
    pairs = json.loads(made("comparison.json").read_text())["pairs"]
    assert [(pair["extractor"], pair["reference"]) for pair in pairs] == [
        (COLOURS, "pixels"),
        ("means", "pixels"),
        (COLOURS, "means"),
    ]


def test_curves_have_the_points_of_the_table_and_more(compare, make_table, tmp_path):
    make_table(
        protocols={
            "all-labels": {"title": "all labels", "holdout": 50},
            "5-per-class": {"title": "5 a class", "per_class": 5, "draws": 3, "folds": 2},
            "10-per-class": {"title": "10 a class", "per_class": 10, "draws": 2, "folds": 2},
        },
        presets={
            "quick": {
                "dataset": {"source": "stand-in", "n_train": 250, "n_test": 100},
                "protocols": {"all-labels": {}, "5-per-class": {}},
                "curve": ["5-per-class", "10-per-class", "all-labels"],
            }
        },
    )
    for _ in range(2):
        code, _, err = compare("mine.py:Colours", "pixels", "--set", "curve")
        assert code == 0
    assert "[1/" not in err
    with open(made("tiny-labels.csv"), newline="") as file:
        points = [(line["row"], line["labels_per_class"], line["draws"]) for line in csv.DictReader(file)]
    numbers = [("5", "3"), ("10", "2"), ("25", "1")]
    assert points == [(row, *number) for row in (COLOURS, "pixels") for number in numbers]
    assert made("tiny-labels.png").stat().st_size > 10_000
    assert "(tiny-labels.png)" in made("comparison.md").read_text()


def test_one_that_fails_leaves_the_others_standing(compare):
    code, out, err = compare("mine.py:Failing", "mine.py:Colours", "--set", "protocol=all-labels")
    assert code == 2  # a mistake in the user's code, whose file and line help
    assert re.search(r"error: mine\.py:Failing is not measured: .*mine\.py line \d+: IndexError: .*; mend it", err)
    assert "Traceback" not in err
    assert [title for title, _ in frame().index] == ["mine.py:Colours"]
    assert "Colours" in out


def save(**arrays):
    dataset: Any = stand_in(250, 100)
    content = {"train": np.zeros((250, 3)), "test": np.zeros((100, 3)), "train_labels": dataset.train_labels, **arrays}
    np.savez("f.npz", **content)


@pytest.mark.parametrize(("arguments", "arrays", "sentence"), [
    (["mine.py:Colour"], {}, "mine.py has no class Colour; did you mean 'Colours'"),
    (["none.py:Colours"], {}, "none.py does not exist"),
    (["nowhere:Colours"], {}, "cannot import nowhere"),
    (["mine.py:Needy"], {}, "error: mine.py:Needy: Needy needs the setting 'width'; write mine.py:Needy,width=...$"),
    (["torch.nn:Linear"], {}, "torch.nn:Linear: Linear needs the setting 'in_features'"),
    (["mine.py:Colours,powr=2"], {}, "unknown setting 'powr' .*did you mean 'power'"),
    (["mine.py:Mute"], {}, r"Mute has no method transform\(images\)"),
    (["mine.py:Flat"], {}, r"Flat.transform made an array of shape \(250,\) of 250 images; it must be \(250, features"),
    (["mine.py:Long"], {}, r"Long.transform made an array of shape \(101, 3\) of 100 images"),
    (["mine.py:Poisoned"], {}, "Poisoned gives features that are not finite .* first for image 17 of 250"),
    (["file:none.npz"], {}, "none.npz does not exist"),
    (["file:f.npz"], {"test": np.zeros((130, 3))}, "f.npz: test has 130 rows, but .* has 100 images"),
    (["file:f.npz"], {"train": np.zeros((249, 3))}, "f.npz: train has 249 rows, but .* has 250 images"),
    (["file:f.npz"], {"train": np.zeros(250)}, r"f.npz: train is float64 of shape \(250,\)"),
    (["file:f.npz"], {"test": np.full((100, 3), np.nan)}, "f.npz: test has values that are not finite"),
    (["file:f.npz"], {"test_labels": np.zeros(100, int)}, "test_labels are not those of shapes .*first in row"),
    (["file:f.npz"], {"test_labels": np.zeros(99, int)}, r"test_labels are of shape \(99,\) instead of \(100,\)"),
    (["torchvision:resnet5"], {}, "unknown torchvision model 'resnet5': did you mean 'resnet50'"),
    (["torchvision:resnet50"], {}, "weights of torchvision's resnet50 are not on this machine .*weights=untrained"),
    (["timm:resnet5"], {}, "unknown timm model 'resnet5': did you mean 'resnet50'|timm is not installed"),
    (["pixel"], {}, "unknown row 'pixel' in the table tiny: did you mean 'pixels'.*what is yours is named"),
    (["f.npz"], {}, "for features in a file write file:f.npz"),
    (["mine.py"], {}, "name the class in it: mine.py:MyExtractor"),
    (["absent"], {}, "the row absent .* is not measured in the preset quick.* choose among means, pixels"),
    (["pixels", "pixels"], {}, "pixels is given twice"),
    (["pixels", "--set", "reference=means"], {}, "unknown reference 'means'.*did you mean 'pixels'"),
    (["pixels", "--set", "protocol=all"], {}, "unknown protocol 'all' .*did you mean 'all-labels'"),
    (["pixels", "--preset", "quik"], {}, "unknown preset 'quik'"),
    ([], {}, "there is nothing to compare"),
])  # fmt: skip
def test_wrong_input_is_one_sentence_and_exit_code_2(compare, monkeypatch, tmp_path, arguments, arrays, sentence):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    save(**arrays)
    code, _, err = compare(*arguments)
    assert code == 2
    (error,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert re.search(sentence, error)
    assert "Traceback" not in err


def test_help_needs_no_torch():
    program = (
        "import sys, runpy; sys.argv = ['compare', '--help']\n"
        "try: runpy.run_module('dcgan_features.benchmarks.compare', run_name='__main__')\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "False"
    assert "file:features.npz" in shown


def test_results_of_other_labels_are_not_compared(compare, tmp_path):
    compare("mine.py:Colours", "pixels", "--set", "protocol=all-labels")
    path = tmp_path / "results" / "tiny" / "pixels.json"
    content = json.loads(path.read_text())
    content["protocols"]["all-labels"]["draw_digests"] = ["0" * 64]
    path.write_text(json.dumps(sealed(content)))
    code, _, err = compare("mine.py:Colours", "pixels", "--set", "protocol=all-labels")
    assert code == 2
    assert "were measured on different label draws under all-labels" in err


def test_files_named_like_packages_of_ours_are_the_users(tmp_path):
    for name in ("eval.py", "gan.py", "data.py"):
        (tmp_path / name).write_text("raise SystemExit('the file of the user ran')\n")
    (tmp_path / "features.py").write_text("class Mine:\n    def fit(self, images):\n        return self\n")
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-m", "dcgan_features.benchmarks.compare", "features.py:Mine", "--preset", "demo"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert re.search(r"error: .*Mine.*transform", ended.stderr)


def test_a_misspelt_classifier_of_a_table_is_a_sentence(compare, make_table):
    make_table(classifier={"class": "L2SVMCW", "Cs": [0.1]})
    code, _, err = compare("mine.py:Colours", "means")
    assert code == 2
    assert "unknown class 'L2SVMCW'" in err
    assert "Traceback" not in err


def test_a_program_that_ends_itself_is_a_sentence(compare, tmp_path):
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(0)\n")
    code, _, err = compare("ends.py:Colours", "means")
    assert (code, err.count("\n")) == (2, 1)
    assert "importing ends.py ends the program" in err
