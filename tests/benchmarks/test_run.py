"""The command from end to end on tiny tables: what it measures, keeps, refuses and survives."""

import csv
import errno
import json
import os
import re
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.svm import LinearSVC

from dcgan_features import data
from dcgan_features.benchmarks import report
from dcgan_features.benchmarks.config.schema import TABLES
from dcgan_features.benchmarks.records.rows import COLUMNS
from dcgan_features.benchmarks.reporting import table as render
from dcgan_features.benchmarks.runner import worker as row
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.cli import run
from dcgan_features.features import KMeansFeatures, RawPixels
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import PAPER_32, SPECS, SVHN_32, Convolution, NetworkSpec
from dcgan_features.gan.weights_file import save_weights
from tests.benchmarks.conftest import MEANS
from tests.benchmarks.spies import notes


def row_of(**keys):
    return {"name": "a", "title": "A", **keys}


def result(tmp_path, name="means"):
    return json.loads((tmp_path / "results" / "tiny" / f"{name}.json").read_text())


def csv_lines(tmp_path):
    with open(tmp_path / "results" / "tiny.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_is_measured_and_reported(cli, make_table, tmp_path):
    code, out, err = cli("--table", make_table())
    assert code == 0
    assert "error" not in err
    lines = csv_lines(tmp_path)
    assert list(lines[0]) == list(COLUMNS)
    assert [(line["row"], line["protocol"]) for line in lines] == [
        ("means", "all-labels"),
        ("means", "5-per-class"),
        ("pixels", "all-labels"),
        ("pixels", "5-per-class"),
        ("absent", "all-labels"),
    ]
    means, pixels, absent = result(tmp_path), result(tmp_path, "pixels"), lines[-1]
    assert (absent["published"], absent["measured"], absent["stand_in"]) == ("60.0", "", "")
    assert (lines[0]["published"], lines[0]["published_pm"], lines[0]["stand_in"]) == ("50.5", "0.3", "True")
    drawn = means["protocols"]["5-per-class"]
    assert len(drawn["values"]) == len(drawn["chosen"]) == int(lines[1]["draws"]) == 3
    assert float(lines[1]["measured"]) == pytest.approx(np.mean(drawn["values"]), abs=0.0051)
    assert float(lines[1]["sd"]) == pytest.approx(np.std(drawn["values"], ddof=1), abs=0.0051)
    assert drawn["pm"] == pytest.approx(1.96 * np.std(drawn["values"], ddof=1), rel=1e-4)
    assert drawn["labels"] == 50
    labels: Any = stand_in(250, 100).train_labels
    draws = data.class_balanced_draws(labels, 5, 3, 0)
    assert drawn["draw_digests"] == [data.digest_indices(indices) for indices in draws]
    assert means["stand_in"] is True
    assert means["deviations"] == ["of a test"]
    assert means["protocols"]["all-labels"]["difference"] is None  # made-up images compare with nothing published
    assert pixels["features"] == {"count": 3072, "dtype": "float32"}
    assert pixels["digests"]["data"] == stand_in(250, 100).digest
    assert set(means["seconds"]) == {"features", "all-labels", "5-per-class"}
    assert out.count("(stand-in)") >= 5
    markdown = (tmp_path / "results" / "tiny.md").read_text()
    assert render.WARNING in markdown
    assert "not measured" in markdown


def test_the_figure_is_that_of_an_independent_solver(cli, make_table, tmp_path):
    """All labels: C by a hold-out that was drawn here, LIBLINEAR in the place of our solver."""
    cli("--table", make_table(), "--only", "pixels")
    dataset: Any = stand_in(250, 100)
    X, X_test = (RawPixels().fit_transform(images) for images in (dataset.train_images, dataset.test_images))
    y, y_test = dataset.train_labels, dataset.test_labels
    train, held = data.holdout(250, 50, 0)

    def score(C, rows, X_judged, y_judged):
        fitted = LinearSVC(C=C, tol=1e-5, max_iter=2_000, dual=True).fit(X[rows], y[rows])
        return (fitted.predict(X_judged) == y_judged).mean() * 100

    found = result(tmp_path, "pixels")["protocols"]["all-labels"]
    tried = found["chosen"][0]["scores"]  # the grid, and what it was extended by
    assert {"0.1", "1.0"} <= set(tried)
    scores = {C: score(float(C), train, X[held], y[held]) for C in tried}
    assert tried == pytest.approx(scores, abs=2.1)
    chosen = found["chosen"][0]["C"]
    assert found["measured"] == pytest.approx(score(chosen, np.arange(250), X_test, y_test), abs=1.1)
    assert found["labels"] == 250


def test_a_finished_row_is_not_run_again_unless_asked_or_changed(cli, make_table, tmp_path):
    log = tmp_path / "log"
    rows = [row_of(extractor={"class": MEANS, "notes": str(log)})]
    table = make_table(rows=rows)
    cli("--table", table)
    first = (tmp_path / "results" / "tiny" / "a.json").read_bytes()
    fits = len(notes(log))
    code, out, _ = cli("--table", table)
    assert code == 0
    assert "measured already" in out
    assert "nothing to measure" in out
    assert (tmp_path / "results" / "tiny" / "a.json").read_bytes() == first
    assert len(notes(log)) == fits
    cli("--table", table, "--rerun")  # measured again, with features from the store
    assert (tmp_path / "results" / "tiny" / "a.json").read_bytes() != first
    assert len(notes(log)) == fits

    rows[0]["deviations"] = ["only words"]
    assert "measured already" in cli("--table", make_table(rows=rows))[1]
    rows[0]["classifier"] = {"class": "L2SVMCV", "Cs": [0.5]}
    _, out, _ = cli("--table", make_table(rows=rows))
    assert "measured with other settings" in out
    assert result(tmp_path, "a")["protocols"]["all-labels"]["chosen"][0]["C"] == 0.5
    other = {
        "quick": {"dataset": {"source": "stand-in", "n_train": 260, "n_test": 100}, "protocols": {"all-labels": {}}}
    }
    assert "measured with other settings" in cli("--table", make_table(rows=rows, presets=other))[1]


def test_a_row_of_another_preset_is_not_measured_and_kept_once_measured(cli, make_table, tmp_path):
    preset = {"dataset": {"source": "stand-in", "n_train": 100, "n_test": 50}, "protocols": {"5-per-class": {}}}
    presets = {"quick": preset, "paper": preset}
    rows = [row_of(presets={"paper": {"extractor": {"class": MEANS}}})]
    table = make_table(rows=rows, presets=presets)
    _, out, _ = cli("--table", table)
    assert "a: not in the preset quick; --preset paper measures it" in out
    assert csv_lines(tmp_path) == []
    cli("--table", table, "--preset", "paper")
    cli("--table", table)
    assert [line["row"] for line in csv_lines(tmp_path)] == ["a"]


def test_a_failing_row_leaves_the_others_standing(cli, make_table, tmp_path):
    rows = [
        row_of(extractor={"class": MEANS, "error": "a bug"}),
        {"name": "b", "title": "B", "extractor": {"class": MEANS}},
    ]
    code, _, err = cli("--table", make_table(rows=rows))
    assert code == 2  # whose the class is, can mend it
    assert re.search(r"error: row a is not measured: .*spies\.py line \d+: RuntimeError: a bug; mend it", err)
    assert "Traceback" not in err
    assert [line["row"] for line in csv_lines(tmp_path)] == ["b", "b"]
    rows[0]["extractor"]["error"] = "CUDA error: unspecified launch failure"
    code, _, err = cli("--table", make_table(rows=rows))
    assert "error: row a is not measured: the GPU failed or is gone (CUDA error: unspecified launch failure)" in err
    assert "Traceback" not in err
    rows[0]["extractor"]["error"] = "bad parameter"
    code, _, err = cli("--table", make_table(rows=rows))
    assert code == 2  # what the user can mend
    assert "bad parameter" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("arguments", "change", "sentence"), [
    (["--only", "mean"], {}, "unknown row 'mean' in the table tiny: did you mean 'means'?"),
    (["--preset", "quik"], {}, "unknown preset 'quik' in the table tiny: did you mean 'quick'?"),
    (["--presett", "quick"], {}, "unknown option '--presett': did you mean '--preset'?"),
    (["--device", "cudda"], {}, "--device cudda is not a device"),
    ([], {"tittle": 1}, "unknown key 'tittle'"),
    ([], {"rows": [row_of(extractor={"class": "KMeanFeatures"})]}, "unknown class 'KMeanFeatures' in row a .*'KMeansF"),
    ([], {"rows": [row_of(extractor={"class": "RawPixels", "grid": 3})]}, "unknown setting 'grid' in row a"),
    ([], {"rows": [row_of(extractor={"class": "KMeansFeatures", "n_unit": 3})]}, "did you mean 'n_units'"),
    ([], {"rows": [row_of(extractor={"class": "nowhere:Thing"})]}, "cannot import nowhere"),
    ([], {"rows": [row_of(extractor={"class": "tests.benchmarks.spies:Nothing"})]}, "has no class Nothing"),
    ([], {"rows": [row_of(extractor={"class": "tests.benchmarks.spies:note"})]}, "is not a class"),
    ([], {"rows": [row_of(extractor={"class": "DiscriminatorFeatures"})]}, "needs the setting 'discriminator'"),
    ([], {"rows": [row_of(extractor={"class": "DiscriminatorFeatures", "discriminator": "x"})]}, "under 'weights'"),
    ([], {"rows": [row_of(extractor={"class": "KMeansFeatures", "n_units": -1})]}, "n_units=-1 must be a whole number"),
    ([], {"rows": [row_of(extractor={"class": MEANS, "poison": True})]}, "row a .*features that are not finite"),
    ([], {"classifier": {"class": "L2SVMCV", "Cs": [-1.0]}}, "each of Cs must be a finite number above 0"),
    ([], {"rows": [row_of(extractor={"class": MEANS}, weights={"file": "svhn-9"})]}, "svhn-9.safetensors does not"),
    ([], {"rows": [row_of(extractor={"class": MEANS}, weights={"train": {"recipe": {"imagez": 1}}})]}, "key 'imagez'"),
])  # fmt: skip
def test_bad_input_is_one_sentence_and_exit_code_2(cli, make_table, tmp_path, arguments, change, sentence):
    code, _, err = cli("--table", make_table(**change), *arguments)
    assert code == 2
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert errors
    assert any(re.search(sentence, line) for line in errors)
    assert "Traceback" not in err
    assert not list(tmp_path.glob("results/tiny/a.json"))


def preset_of(dataset, **protocols):
    return {"presets": {"quick": {"dataset": dataset, "protocols": protocols or {"all-labels": {}}}}}


@pytest.mark.parametrize(("content", "sentence"), [
    ("nothing", "no pictures|no images|holds no"),
    ("unequal", "make them equal"),
    ("unlabelled", "has no labels"),
])  # fmt: skip
def test_folders_that_cannot_be_measured_on(cli, make_table, tmp_path, content, sentence):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range({"nothing": 0, "unequal": 2, "unlabelled": 2}[content]):
        side = 8 + (index if content == "unequal" else 0)
        Image.new("RGB", (side, 8)).save(folder / f"{index}.png")
    code, _, err = cli("--table", make_table(**preset_of({"source": str(folder)})))
    assert code == 2
    assert re.search(sentence, err)
    assert err.count("\n") == 1


def test_more_labels_than_there_are_and_one_class_only(cli, make_table, monkeypatch):
    source = {"source": "stand-in", "n_train": 250, "n_test": 50}
    changed = preset_of(source, **{"5-per-class": {"per_class": 26}})
    code, _, err = cli("--table", make_table(**changed))
    assert code == 2
    assert "26 labels per class were asked for, but class 0 has 25" in err
    images, labels = np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, np.int64)
    only = data.Dataset("one", images, labels, images[:2], labels[:2], ("a", "b"))
    monkeypatch.setitem(data.LOADERS, "one", lambda root, download: only)
    code, _, err = cli("--table", make_table(**preset_of({"source": "one"})))
    assert code == 2
    assert "one has only class 0, but a classifier needs at least two" in err


def test_corrupt_weights_and_those_of_another_network(cli, make_table, tmp_path):
    save_weights(tmp_path / "mine", Discriminator(SVHN_32), None, {"data": {"description": "noise"}})
    small = preset_of({"source": "stand-in", "n_train": 100, "n_test": 50}, **{"5-per-class": {"draws": 1}})
    rows = [row_of(extractor={"class": "DiscriminatorFeatures"}, weights={"file": "mine.safetensors"})]
    table = make_table(rows=rows, **small)
    assert cli("--table", table)[0] == 0
    found = result(tmp_path, "a")
    assert found["unlabelled"] == "noise"
    assert found["digests"]["weights"] == json.loads((tmp_path / "mine.json").read_text())["sha256"]
    rows[0]["weights"]["network"] = PAPER_32.name
    code, _, err = cli("--table", make_table(rows=rows, **small), "--rerun")
    assert code == 2
    assert "holds the network 'svhn-32', but 'paper-32' is needed" in err
    del rows[0]["weights"]["network"]
    file = tmp_path / "mine.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    code, _, err = cli("--table", make_table(rows=rows, **small))
    assert code == 2
    assert "mine.safetensors is damaged" in err


def test_time_spent_under_another_default_is_not_counted(cli, make_table, tmp_path, monkeypatch):
    settings = {"n_units": 8, "n_patches": 200, "n_iter": 1, "n_standardise": 50}
    table = make_table(rows=[row_of(extractor={"class": "KMeansFeatures", **settings})])
    remembered = tmp_path / "store" / "seconds"
    for _ in range(2):
        assert cli("--table", table, "--rerun")[0] == 0
        (file,) = remembered.iterdir()
    file.write_text('{"seconds": 5000}')
    smaller = tuple(5 if default == 6 else default for default in KMeansFeatures.__init__.__defaults__ or ())
    monkeypatch.setattr(KMeansFeatures.__init__, "__defaults__", smaller)
    assert cli("--table", table, "--rerun")[0] == 0
    assert len(list(remembered.iterdir())) == 2
    assert result(tmp_path, "a")["seconds"]["features"] < 5000


def test_a_network_is_trained_once(cli, make_table, tmp_path, monkeypatch):
    """The recipe decides: the same one is not trained again, another one is."""
    narrow = NetworkSpec(
        "narrow-32", 32, 3, 5, "uniform", (Convolution(4, 3, 2), Convolution(6, 3, 2)), (6, 8, 8),
        (Convolution(5, 3, 2), Convolution(3, 3, 2)),
    )  # fmt: skip
    monkeypatch.setitem(SPECS, narrow.name, narrow)
    recipe = {"network": narrow.name, "images": 64, "batch_size": 32, "precision": "fp32", "sample_every": None}
    rows = [row_of(extractor={"class": "DiscriminatorFeatures"}, weights={"train": {"recipe": recipe}})]
    small = preset_of({"source": "stand-in", "n_train": 100, "n_test": 50}, **{"5-per-class": {"draws": 1}})
    assert cli("--table", make_table(rows=rows, **small))[0] == 0
    networks = tmp_path / "store" / "networks"
    (trained,) = [path for path in networks.iterdir() if path.is_dir()]
    stamp = (trained / "weights.safetensors").stat().st_mtime_ns
    found = result(tmp_path, "a")
    assert found["unlabelled"] == "shapes (stand-in) (100 images)"
    assert cli("--table", make_table(rows=rows, **small), "--rerun")[0] == 0
    assert (trained / "weights.safetensors").stat().st_mtime_ns == stamp
    assert result(tmp_path, "a")["seconds"]["training"] >= found["seconds"]["training"]
    recipe["seed"] = 1
    assert cli("--table", make_table(rows=rows, **small))[0] == 0
    assert len([path for path in networks.iterdir() if path.is_dir()]) == 2
    assert result(tmp_path, "a")["digests"]["weights"] != found["digests"]["weights"]


def test_a_damaged_result_is_named_and_can_be_replaced(cli, make_table, tmp_path):
    table = make_table()
    cli("--table", table)
    path = tmp_path / "results" / "tiny" / "means.json"
    whole = path.read_text()
    for damaged in (
        whole[:-20],
        whole.replace('"row"', '"rwo"', 1),
        whole.replace('"measured": ', '"measured": "x', 1),
    ):
        path.write_text(damaged)
        code, _, err = cli("--table", table)
        assert code == 2
        assert err.startswith(f"error: {path} is damaged")
    assert cli("--table", table, "--only", "means", "--rerun")[0] == 0
    assert json.loads(path.read_text())["row"] == "means"


@pytest.mark.parametrize(("number", "sentence"), [
    (errno.ENOSPC, "the disk is full"),
    (errno.EROFS, "the file system is read-only"),
    (errno.EACCES, "the folder may not be written to"),
])  # fmt: skip
def test_a_disk_that_cannot_be_written(cli, make_table, tmp_path, monkeypatch, number, sentence):
    """Tests may run as root, whom permissions do not stop: the refusal is simulated, on opening and on replacing."""
    table = make_table()

    def refuse(*arguments, **keywords):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.touch", refuse)
        code, _, err = cli("--table", table)
    assert (code, err.count("\n")) == (2, 1)
    assert sentence in err
    assert not (tmp_path / "results" / "tiny.csv").exists()
    with monkeypatch.context() as patched:
        patched.setattr(row, "write_row", refuse)
        code, _, err = cli("--table", table)
    assert code == 2
    assert f"error: row means is not measured: cannot write {tmp_path / 'results'}: {sentence}" in err


def test_a_results_folder_that_is_a_file(cli, make_table, tmp_path):
    (tmp_path / "results").write_text("in the way")
    code, _, err = cli("--table", make_table())
    assert code == 2
    assert "is in the way" in err or "is a file, not a folder" in err


def test_user_classifiers_get_arrays_and_tables_without_published_figures_work(cli, make_table, tmp_path):
    majority = {"class": "tests.benchmarks.spies:Majority"}
    code, _, _ = cli("--table", make_table(rows=[row_of(extractor={"class": "RawPixels"}, classifier=majority)]))
    assert code == 0
    found = result(tmp_path, "a")["protocols"]["all-labels"]
    assert found["measured"] == pytest.approx(10.0)  # ten classes of equal size
    assert found["chosen"] == [{}]


def test_warnings_of_the_solver_are_recorded(cli, make_table, tmp_path):
    short = {"class": "L2SVMCV", "Cs": [100.0], "max_iter": 1}
    cli("--table", make_table(rows=[row_of(extractor={"class": "RawPixels"}, classifier=short)]))
    said = [text for text in result(tmp_path, "a")["deviations"] if "stopped after 1 of at most 1 steps" in text]
    assert len(said) == 1


def test_warnings_that_differ_in_numbers_alone_are_told_once():
    texts = ["stopped after 5 steps, gap 2.5e-04", "stopped after 6 steps, gap 1e+02", "gave up", "stopped in vain"]
    assert row._without_likes(texts) == [f"{texts[0]} (2 fits)", "gave up", "stopped in vain"]


def test_the_report_equals_what_the_run_wrote(cli, make_table, tmp_path, monkeypatch, capsys):
    cli("--table", make_table())
    folder = tmp_path / "results"
    before = {name: (folder / f"tiny.{name}").read_bytes() for name in ("csv", "md", "json")}
    out = tmp_path / "report"
    monkeypatch.setattr("sys.argv", ["report.py", "--results", str(folder), "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        run(report.app)
    assert ended.value.code == 0
    assert {name: (out / f"tiny.{name}").read_bytes() for name in before} == before
    latex = (out / "tiny.tex").read_text()
    lines = csv_lines(tmp_path)
    body = latex.split("\\midrule\n")[1].split("\\bottomrule")[0].splitlines()
    assert len(body) == len(lines)
    for text, line in zip(body, lines, strict=True):
        shown = "not measured" if not line["measured"] else f"{float(line['measured']):.2f}"
        assert shown in text
    assert "Pixels\\_\\&\\_more" in latex
    capsys.readouterr()
    for arguments, sentence in (
        (["--results", str(tmp_path / "none")], "holds no results"),
        (["--results", str(folder), "--table", "tinny"], "unknown table 'tinny'"),
    ):
        monkeypatch.setattr("sys.argv", ["report.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            run(report.app)
        assert ended.value.code == 2
        assert sentence in capsys.readouterr().err


def test_differences_are_of_comparable_figures_only(cli, make_table, tmp_path, monkeypatch):
    """The same images not marked as a stand-in: now published and measured are compared."""
    dataset = stand_in(250, 100)
    real = data.Dataset("real", dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels,
                        dataset.classes)  # fmt: skip
    monkeypatch.setitem(data.LOADERS, "real", lambda root, download: real)
    code, out, _ = cli("--table", make_table(**preset_of({"source": "real"})), "--only", "means")
    assert code == 0
    found = result(tmp_path)["protocols"]["all-labels"]
    assert found["difference"] == pytest.approx(found["measured"] - 50.5)
    assert f"{found['difference']:+.2f}" in out
    assert "stand-in" not in out
    assert csv_lines(tmp_path)[0]["stand_in"] == "False"


def test_the_demo_needs_nothing_and_says_stand_in(cli, tmp_path, monkeypatch):
    """The shipped demo, narrowed further."""
    table = yaml.safe_load((TABLES / "cifar10.yaml").read_text())
    table["presets"]["demo"]["dataset"].update(n_train=500, n_test=100)
    table["presets"]["demo"]["protocols"] = {
        "all-labels": {"holdout": 100},
        "40-per-class": {"per_class": 4, "draws": 1, "folds": 2},
    }
    for line in table["rows"]:
        demo = line.get("presets", {}).get("demo", {})
        if "weights" in demo:
            training = demo["weights"]["train"]["recipe"]
            training["samples" if "samples" in training else "images"] = 256
        if line["name"] == "kmeans-1-layer":
            demo["extractor"].update(n_units=10, n_patches=1000, n_standardise=100)
        for component in (line.get("classifier"), table["classifier"]):
            if component:
                component["Cs"] = [1.0e-3]
    path = tmp_path / "cifar10.yaml"
    path.write_text(yaml.safe_dump(table, sort_keys=False))
    monkeypatch.delenv("DATA_ROOT", raising=False)
    code, out, err = cli("--table", path, "--preset", "demo")
    assert (code, "error" in err) == (0, False)
    assert "features learned without labels (stand-in)" in out
    with open(tmp_path / "results" / "cifar10.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    measured = [line for line in lines if line["measured"]]
    assert [line["row"] for line in measured[::2]] == [
        "kmeans-1-layer",
        "kmeans-3-layer",
        "kmeans-view-invariant",
        "exemplar-cnn",
        "dcgan",
        "raw-pixels",
        "random-dcgan",
    ]
    assert all(line["stand_in"] == "True" and "stand-in" in line["data"] for line in measured)
