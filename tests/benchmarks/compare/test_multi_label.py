import csv

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score
from sklearn.svm import LinearSVC

from dcgan_features.benchmarks.compare import compare, compare_multi_label
from dcgan_features.benchmarks.compare.__main__ import app
from dcgan_features.data.labelled.multi import multi_label_images
from dcgan_features.data.labelled.pictures import Form
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


@pytest.fixture
def listed(here):
    """A list of pictures, red and green ones each of their class, some of both and some of none."""
    random = np.random.default_rng(0)
    lines = ["path,labels,split"]
    for number in range(90):
        has = random.random(2) < 0.5
        colour = (60 + random.integers(0, 60, 3) + 90 * np.array([*has, 0])).astype(np.uint8)
        Image.fromarray(np.broadcast_to(colour, (9, 8, 3)).copy()).save(here / f"{number}.png")
        names = "|".join(name for name, own in zip(("red", "green"), has, strict=True) if own)
        lines.append(f"{number}.png,{names},{'test' if number % 3 == 0 else 'train'}")
    (here / "list.csv").write_text("\n".join(lines))
    return here / "list.csv"


def test_a_list_of_several_labels_by_the_command(listed, cli):
    code, out, err = cli("mine.py:Colours", "raw-pixels", "--data", "list.csv", "--size", "8", app=app)
    assert code == 0, err
    (folder,) = (listed.parent / "results/compare").glob("list-*-several-labels")
    with open(folder / "comparison.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["extractor"] for line in lines] == ["mine.py:Colours", "raw-pixels"]
    assert min(float(line[name]) for line in lines for name in ("red", "green")) > 95
    assert "60 training and 30 test images of 2 classes" in out
    assert "| green |" in (folder / "comparison.md").read_text()
    report = compare_multi_label("mine.py:Colours", "raw-pixels", data=listed, size=8)
    assert report.table["mean_average_precision"].tolist() == pytest.approx(
        [float(line["mean_average_precision"]) for line in lines]
    )


def test_a_list_without_a_split_keeps_groups_together(listed):
    text = listed.read_text().replace("split", "group").replace(",train", ",a").replace(",test", ",b")
    listed.write_text(
        "\n".join(f"{line}{number // 9 if number else ''}" for number, line in enumerate(text.split("\n")))
    )
    found = multi_label_images(listed, Form(8))
    assert found.classes == ("green", "red")
    assert len(found.images) + len(found.test_images) == 90
    assert 15 <= len(found.test_images) <= 24
    assert found.targets.any(0).all()


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda text: text.replace("red", "").replace("green", ""), (), "no training picture has a class"),
        (lambda text: text.replace("0.png,", "0.png,blue|", 1), (), "the class blue is among the test pictures only"),
        (lambda text: text.replace("green", "red"), ("--probe", "knn"), "takes one class an image"),
        (lambda text: text, ("--limit", "20"), "does not go with"),
        (lambda text: text.replace("path", "file"), (), "name the columns path and labels"),
    ],
)
def test_wrong_lists_of_several_labels_are_a_sentence(listed, cli, change, options, words):
    listed.write_text(change(listed.read_text()))
    code, _, err = cli("mine.py:Colours", "--data", "list.csv", "--size", "8", *options, app=app)
    assert (code, words in err) == (2, True), err
    assert "Traceback" not in err


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
