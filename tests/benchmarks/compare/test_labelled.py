"""`python -m benchmarks.compare --data` and the same in Python, on tiny pictures."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn

from dcgan_features.benchmarks.compare import compare
from dcgan_features.benchmarks.compare import files as comparison_files
from dcgan_features.benchmarks.compare import measure as measure_module
from dcgan_features.benchmarks.compare.__main__ import app
from dcgan_features.benchmarks.compare.measure import in_words
from dcgan_features.benchmarks.compare.probes import choice_of, make_probes
from dcgan_features.benchmarks.compare.proposals import Surroundings, propose
from dcgan_features.benchmarks.compare.settings import Settings, read_settings
from dcgan_features.benchmarks.compare.sgd import SGDProbe
from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval import L2SVMCV
from dcgan_features.eval.calibration import calibration_error
from dcgan_features.features import DiscriminatorFeatures, RawPixels
from tests.benchmarks.compare.conftest import arrays


class Colours:
    def transform(self, images):
        return images.mean((1, 2)) / 255


@pytest.fixture(autouse=True)
def no_pictures(here, monkeypatch, request):
    if "pictures" not in request.node.name:
        for draw in ("draw_confusion", "draw_disagreements"):
            monkeypatch.setattr(comparison_files, draw, lambda *_: None)


def test_a_folder_by_the_command_with_several_probes(cli, folder):
    call = ["mine.py:Colours", "raw-pixels", "--data", str(folder), "--size", "8", "--probe", "l2-svm,knn,knn-plain"]
    code, out, err = cli(*call, "--set", "k=3", app=app)
    assert code == 0, err
    assert "12 test images of 3 classes" in out
    (made,) = (folder.parent / "results/compare").glob("woods-*-comparison")
    content = json.loads((made / "comparison.json").read_text())
    assert list(content["protocols"]) == ["l2-svm", "knn-k3", "knn-plain-k3"]
    assert [entry["title"] for entry in content["extractors"]] == ["mine.py:Colours", "raw-pixels"]
    assert content["references"] == ["raw-pixels"]
    code, out, _ = cli(*call, "--set", "k=3", app=app)
    assert out.count("measured already") == 2


def test_figures_are_those_of_the_same_steps_by_hand():
    X, y, X_test, y_test = arrays()
    report = compare(Colours(), data=(X, y, X_test, y_test), probe="l2-svm", C=[0.01, 1.0])
    train, test = ((part.mean((1, 2)) / 255).astype(np.float32) for part in (X, X_test))
    fitted = L2SVMCV([0.01, 1.0]).fit(train, y)
    line = report.table.iloc[0]
    assert line["accuracy"] == pytest.approx(100 * (fitted.predict(test) == y_test).mean())
    (result,) = report.compared.candidates
    assert result.result.protocols["l2-svm-C0.01-1"].chosen[0]["C"] == fitted.C_
    standard = compare(Colours(), data=(X, y, X_test, y_test), C=1.0, standardise=True)
    mean, sd = train.mean(0), train.std(0)
    fitted = L2SVMCV([1.0]).fit((train - mean) / sd, y)
    expected = 100 * (fitted.predict((test - mean) / sd) == y_test).mean()
    assert standard.table.iloc[0]["accuracy"] == pytest.approx(expected)


class LessTheMean(Colours):
    """Colours less the mean of all images it has seen."""

    def fit(self, images):
        self.mean_ = images.mean((0, 1, 2)) / 255
        return self

    def transform(self, images):
        return super().transform(images) - self.mean_


def test_with_few_labels_extractors_learn_from_all_images_and_probes_from_the_labelled_ones():
    X, y, X_test, y_test = arrays(n=300)
    report = compare(LessTheMean(), data=(X, y, X_test, y_test), probe=["l2-svm", "knn"], labelled=30, C=0.1, k=3)
    dataset = report.compared.dataset
    has = dataset.train_labels >= 0
    assert (has.sum(), len(dataset.train_images)) == (30, 150)
    mine = LessTheMean().fit(X)
    fitted = L2SVMCV([0.1]).fit(mine.transform(X[has]).astype(np.float32), y[has])
    expected = 100 * (fitted.predict(mine.transform(X_test).astype(np.float32)) == y_test).mean()
    (each,) = report.compared.candidates
    found = each.result.protocols["l2-svm-C0.1"]
    assert found.measured == pytest.approx(expected)
    assert found.labels == 30
    assert "labels of 30 training images" in each.result.data_note


def test_logistic_regression_is_scikit_learns_with_a_constant_column():
    X, y, X_test, y_test = arrays(n=60)
    report = compare(RawPixels(), data=(X, y, X_test, y_test), probe="logistic", C=0.1)
    rows = RawPixels().fit(X)
    train, test = (np.c_[np.asarray(rows.transform(part)), np.ones(len(part))] for part in (X, X_test))
    fitted = LogisticRegression(C=0.1, max_iter=1000, fit_intercept=False, tol=1e-8).fit(train, y)
    assert report.table.iloc[0]["accuracy"] == pytest.approx(100 * fitted.score(test, y_test))
    expected = calibration_error(y_test, fitted.classes_, fitted.predict_proba(test))
    assert report.table.iloc[0]["calibration_error"] == pytest.approx(expected, abs=0.5)


def test_whatever_can_extract_is_taken():
    X, y, X_test, y_test = arrays()
    given = {
        "an instance": Colours(),
        "a class": Colours,
        "a factory": lambda: Colours(),
        "a function": lambda images: images.mean((1, 2)) / 255,
        "a module": nn.Sequential(nn.Flatten(), nn.Linear(108, 5)),
        "a pipeline": make_pipeline(RawPixels(), PCA(4, random_state=0)),
        "one of scikit-learn's": PCA(4, random_state=0),
        "one of ours": "RawPixels",
        "an object of a file": "mine.py:pipeline",
        "a function of a file": "mine.py:factory",
    }
    report = compare(given, data=(X, y, X_test, y_test), probe="knn", k=3)
    table = report.table.set_index("extractor")
    assert list(table.index) == list(given)
    same = ["an instance", "a class", "a factory", "a function", "a function of a file"]
    assert table.loc[same, "accuracy"].nunique() == 1
    assert table.loc["a module", "parameters"] == 108 * 5 + 5
    assert table.loc["a module", "gmacs"] == pytest.approx(108 * 5 / 1e9)
    assert table.loc["a pipeline", "accuracy"] == pytest.approx(table.loc["one of scikit-learn's", "accuracy"], abs=5)
    assert table.loc["a pipeline", "features"] == 4
    assert table["effective_rank"]["an instance"] == pytest.approx(2, abs=1)


def test_a_report_has_tables_and_pictures(tmp_path):
    report = compare(("mine", Colours()), "raw-pixels", data=arrays(), probe=["l2-svm", "knn"], reference="mine")
    assert list(report.paired["against"].unique()) == ["mine"]
    assert len(report.paired) == 2
    page = report._repr_html_()
    assert "raw-pixels" in page
    assert "effective_rank" in page
    report.plot(tmp_path / "plot.png")
    assert np.asarray(Image.open(tmp_path / "plot.png").convert("L")).std() > 5
    assert len(report.confusion("mine", "raw-pixels").axes) == 3
    assert report.disagreements("mine", "raw-pixels").axes
    with pytest.raises(InputError, match="raw-pixels"):
        report.confusion("raw-pixel")
    assert {"comparison.md", "confusion-mine.png"} <= {path.name for path in report.folder.iterdir()}


def test_what_others_measured_joins():
    X, y, X_test, y_test = data = arrays()
    first = compare(Colours(), data=data, probe="knn")
    np.savez("theirs.npz", predicted=y_test, truth=y_test)
    second = compare("predictions:theirs.npz", RawPixels(), f"results:{first.folder.parent / first.compared.name}",
                     data=data, probe="knn", results="elsewhere")  # fmt: skip
    table = second.table.set_index("extractor")
    assert table.loc["predictions:theirs.npz", "accuracy"] == 100
    assert table.loc["Colours", "accuracy"] == first.table.iloc[0]["accuracy"]
    np.savez("theirs.npz", predicted=y_test[:-1])
    with pytest.raises(InputError, match="one an image"):
        compare("predictions:theirs.npz", data=data)
    with pytest.raises(InputError, match="other images"):
        compare(f"results:{first.folder.parent / first.compared.name}", data=(X_test, y_test, X, y), probe="knn")


def _option(name, value):
    """As the command takes it: what is a setting by --set."""
    return ("--set", f"{name}={value}") if name in Settings.model_fields else (f"--{name}", value)


WRONG: dict[str, Any] = {
    "no extractor": ([], {}, "nothing to compare"),
    "unknown row": (["raw-pixel"], {}, "did you mean 'raw-pixels'"),
    "twice": (["raw-pixels", "raw-pixels"], {}, "given twice"),
    "unknown probe": (["raw-pixels"], {"probe": "svm"}, "unknown probe"),
    "negative C": (["raw-pixels"], {"C": "-1"}, "above 0"),
    "no number": (["raw-pixels"], {"C": "a,b"}, "C.0: input should be a valid number"),
    "fraction": (["raw-pixels"], {"probe": "knn", "k": "1.5"}, "whole numbers"),
    "k without": (["raw-pixels"], {"k": "3"}, "k goes with"),
    "C without": (["raw-pixels"], {"probe": "knn", "C": "3"}, "C goes with"),
    "k too large": (["raw-pixels"], {"probe": "knn", "k": "500"}, "smaller --k"),
    "fit": (["raw-pixels"], {"fit": "squeeze"}, "fit: input should be 'crop', 'pad' or 'stretch'"),
    "size": (["raw-pixels"], {"size": "0"}, "from 1 to 4096"),
    "limit": (["raw-pixels"], {"limit": "3"}, "less than 2"),
    "sizes": (["raw-pixels"], {"size": None}, "--size"),
    "no class": (["mine.py:number"], {}, "int"),
    "failing": (["mine.py:Failing"], {}, "IndexError"),
    "reference": (["raw-pixels"], {"reference": "dcgan"}, "unknown reference"),
    "data": (["raw-pixels"], {"data": "nowhere/woods"}, "does not exist"),
    "protocol": (["raw-pixels"], {"protocol": "all-labels"}, "leave them out"),
    "device": (["raw-pixels"], {"device": "tpu"}, "tpu"),
    "a moved option": (
        ["raw-pixels"],
        {"standardise=1": "x"},
        "--standardise is a setting now; write --set standardise",
    ),
    "unknown setting": (["raw-pixels"], {"set": "raet=1"}, "did you mean 'rate'"),
    "no value": (["raw-pixels"], {"set": "rate"}, "write rate=VALUE"),
    "no such file": (["raw-pixels"], {"set": "mine.yaml"}, "mine.yaml"),
    "share": (["raw-pixels"], {"label_noise": "1.5"}, "between 0 and 1"),
    "logistic_C without": (["raw-pixels"], {"logistic_C": "0.1"}, "logistic_C goes with the probe logistic"),
    "logistic_C of a table": (
        ["raw-pixels"],
        {"logistic_C": "0.1", "data": None, "size": None, "preset": "demo"},
        "logistic_C goes with data or a probe",
    ),
    "rate without": (["raw-pixels"], {"rate": "0.1"}, "rate goes with the probe sgd"),
    "test limit": (["raw-pixels"], {"test_limit": "all"}, "give --limit"),
    "root": (["raw-pixels"], {"data": "cifar10", "data-root": "woods", "size": None}, "woods"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_a_sentence_and_exit_code_2(name, cli, folder):
    extractors, changes, words = WRONG[name]
    options = {"data": "woods", "size": "8", **changes}
    arguments = [part for key, value in options.items() if value is not None for part in _option(key, value)]
    code, _, err = cli(*extractors, *arguments, app=app)
    assert code == 2
    assert words in err
    assert "Traceback" not in err


def test_what_is_chosen_on_is_a_share_of_each_class_or_whole_groups():
    labels = np.repeat([0, 1], 7500)
    held = choice_of(labels, None, ("a", "b"), 0).holdout
    assert np.bincount(labels[held]).tolist() == [1500, 1500]
    groups = np.tile(np.arange(30), 500)
    held = choice_of(labels, groups, ("a", "b"), 0).holdout
    assert held is not None
    assert not set(groups[held]) & set(np.delete(groups, held))
    assert choice_of(labels[3000:-3000], None, ("a", "b"), 0).folds == 5  # of 9,000
    assert choice_of(np.array([0, 0, 0, 1, 1]), None, ("a", "b"), 0).folds == 2
    with pytest.raises(InputError, match="class b has 1"):
        choice_of(np.array([0, 0, 1]), None, ("a", "b"), 0)


def test_names_of_probes_tell_their_settings():
    assert [probe.name for probe in make_probes(["l2-svm", "knn"])] == ["l2-svm", "knn"]
    assert make_probes(["logistic"], [0.1], (), True)[0].name == "logistic-C0.1-standardised"
    both = make_probes(["l2-svm", "logistic"], [0.1], logistic_Cs=[1.0, 10.0])
    assert [probe.values for probe in both] == [(0.1,), (1.0, 10.0)]


def test_settings_are_read_from_yaml_and_words_and_the_last_counts(here):
    (here / "own.yaml").write_text("C: [0.1, 1]\nfit: pad\nlabel_noise: 0.2\n")
    found = read_settings(["own.yaml", "fit=stretch", "standardise", "reference=a,b=1", "reference=c", "k=1,5"])
    assert found == Settings(
        C=[0.1, 1], fit="stretch", label_noise=[0.2], standardise=True, reference=["a,b=1", "c"], k=[1, 5]
    )
    (here / "own.yaml").write_text("Cs: [0.1]\n")
    with pytest.raises(InputError, match=r"unknown key 'Cs' in own.yaml, the settings: did you mean 'C'"):
        read_settings(["own.yaml"])


def test_wrong_labels_lower_the_accuracy_of_one_who_learns_them_by_heart():
    X, y, X_test, y_test = arrays(n=600)
    report = compare(Colours(), data=(X, y, X_test, y_test), probe="knn-plain", k=1, label_noise=[0.5])
    clean, noisy = report.table["accuracy"]
    assert list(report.table["protocol"]) == ["knn-plain-k1", "knn-plain-k1-noise0.5"]
    assert (clean > 90, 35 < noisy < 65) == (True, True)  # a neighbour's label is wrong in half of the cases
    assert "50% of labels wrong" in (report.folder / "comparison.md").read_text()


def test_sgd_comes_to_the_optimum_of_softmax_regression_where_that_is_easy():
    random = np.random.default_rng(0)
    y = np.arange(300) % 3
    X = (random.normal(size=(300, 4)) + 1.5 * np.eye(4)[y]).astype(np.float32)
    fitted = SGDProbe(0.1, epochs=200, batch=300).fit(X, y)  # whole batches: plain gradient descent with momentum
    exact = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10000).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), exact.predict_proba(X), atol=0.02)
    assert (fitted.predict(X) == SGDProbe(0.1, epochs=200, batch=300).fit(X, y).predict(X)).all()
    with pytest.warns(ConvergenceWarning, match="diverges"):
        assert np.isfinite(SGDProbe(1e30).fit(1e20 * X, y).coef_).all()


def test_a_comparison_that_was_stopped_goes_on_with_the_next_probe(monkeypatch, here):
    X, y, X_test, y_test = arrays()
    judged = []

    def judge(probe, *others):
        judged.append(probe.name)
        if probe.name == "knn-k3" and judged.count("knn-k3") == 1:
            raise KeyboardInterrupt
        return measuring.judge(probe, *others)

    measuring = SimpleNamespace(judge=measure_module.judge)
    monkeypatch.setattr(measure_module, "judge", judge)
    call: dict[str, Any] = {"data": (X, y, X_test, y_test), "probe": ["l2-svm", "knn"], "k": 3, "C": 1.0}
    with pytest.raises(KeyboardInterrupt):
        compare(Colours(), **call)
    report = compare(Colours(), **call)
    assert judged == ["l2-svm-C1", "knn-k3", "knn-k3"]
    assert list(report.table["protocol"]) == ["l2-svm-C1", "knn-k3"]


def test_a_row_that_the_preset_leaves_out_is_taken_as_another_has_it(here):
    table = load_table("cifar10")
    around = Surroundings(table, None, "default", stand_in(20, 10), "cpu", here, None)
    (found,) = propose(["kmeans-view-invariant-400"], around)
    assert found.extractor.n_units == 400
    assert found.deviations[-1] == "as in the preset small"
    with pytest.raises(InputError, match="exemplar-cnn-clustered of the table cifar10 is measured in no preset"):
        propose(["exemplar-cnn-clustered"], replace(around, table=without_presets(table)))


def without_presets(table):
    """The table with the row exemplar-cnn-clustered measured in no preset."""
    rows = [
        row.model_copy(update={"measured_in": []}) if row.name == "exemplar-cnn-clustered" else row
        for row in table.rows
    ]
    return table.model_copy(update={"rows": rows})


def test_results_do_not_tell_where_files_lie():
    extractor = DiscriminatorFeatures(Path("/somewhere/else/svhn-32.safetensors"))
    assert "somewhere" not in in_words(extractor)
    assert "'svhn-32.safetensors'" in in_words(extractor)
    assert in_words(RawPixels()) == repr(RawPixels())
