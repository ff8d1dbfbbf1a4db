"""The experiment on synthetic sound, and its parts against brute force."""

import json
import sys
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from scipy import stats
from sklearn.svm import LinearSVC

from dcgan_features.benchmarks.config.schema import Protocol
from dcgan_features.benchmarks.config.studies import STUDIES
from dcgan_features.benchmarks.records.reading import read_predictions, read_row
from dcgan_features.benchmarks.speech.__main__ import app
from dcgan_features.benchmarks.speech.fits import draws_of, fit_best, group_folds, unit_scaled
from dcgan_features.benchmarks.speech.parts import OWN, SPEAKERS, Parts
from dcgan_features.benchmarks.speech.rows import RowOfSplit
from dcgan_features.benchmarks.speech.study import Seeds, load_study
from dcgan_features.data.audio import Fold, write_synthetic_digits
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed, read_sound
from dcgan_features.eval.significance import compare_by_group
from dcgan_features.gan.training.dcgan import Run
from dcgan_features.gan.weights_file import load_weights

ROWS = ("dcgan", "random-dcgan", "raw-spectrogram", "mfcc")


def small_study(folder, **changes):
    """The demo with six recordings a digit and speaker, 64 images in training and four rows."""
    content = yaml.safe_load((STUDIES / "speech-demo.yaml").read_text(encoding="utf-8"))
    content |= {"per_speaker": 6, "images": {"own": 64, "speakers": 64}}
    content["rows"] = [row for row in content["rows"] if row["name"] in ROWS]
    content["protocols"] = {"2-labels": {"title": "2 labels a class", "per_class": 2, "draws": 2, "folds": 2}}
    content["Cs"] = [10]
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return path


def command(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["speech", *map(str, options)])
    with pytest.raises(SystemExit) as caught:
        run(app)
    return caught.value.code


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The small study, measured: folder of the study, of the results and store, and what was trained on."""
    folder = tmp_path_factory.mktemp("speech")
    trained = []

    class Spied(Run):
        def __init__(self, recipe, images, *others, **more):
            trained.append(np.array(images))
            super().__init__(recipe, images, *others, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dcgan_features.gan.training.dcgan.Run", Spied)
        options = ("--preset", small_study(folder), "--results", folder / "results", "--store", folder / "store")
        assert command(patch, *options) == 0
    return folder, trained


def test_all_that_is_promised_is_written(measured):
    folder, _ = measured
    results = folder / "results"
    for table, recordings in (("speech", 200), ("speech-speakers", 240)):
        for row in ROWS:
            found = read_row(results / table / f"{row}.json")
            assert found is not None
            assert found.stand_in
            kept = read_predictions(results, table, row)
            assert kept.by_protocol["2-labels"].shape == (2, recordings)
            assert (kept.by_protocol["2-labels"] >= 0).all()
        assert "(stand-in)" in (results / f"{table}.md").read_text(encoding="utf-8")
    page = (results / "speech-differences.md").read_text(encoding="utf-8")
    assert "(stand-in)" in page
    assert "## By the speaker left out" in page
    lines = read_sealed(results / "speech-differences.json")["lines"]
    assert {(line["split"], line["other"]) for line in lines} == {
        (split, row) for split in (OWN, SPEAKERS) for row in ROWS[1:]
    }
    sound, rate = read_sound(results / "figures" / "speech-samples.flac")
    assert (rate, len(sound)) == (8000, 10 * (5120 + 2000))
    assert (results / "figures" / "speech-samples.png").stat().st_size > 1000


def test_figures_and_differences_follow_from_the_predictions(measured):
    results = measured[0] / "results"
    one, other = (read_predictions(results, "speech-speakers", row) for row in ("dcgan", "mfcc"))
    first, second = (kept.by_protocol["2-labels"] == kept.truth for kept in (one, other))
    found: Any = read_row(results / "speech-speakers" / "dcgan.json")
    assert np.isclose(found.protocols["2-labels"].measured, 100 * first.mean())
    line = next(
        line
        for line in read_sealed(results / "speech-differences.json")["lines"]
        if (line["split"], line["other"]) == (SPEAKERS, "mfcc")
    )
    assert np.isclose(line["difference"], 100 * (first.mean() - second.mean()))
    speakers = np.arange(240) // 6 % 4  # sorted by digit, then speaker
    by_speaker = [100 * (first[:, speakers == s].mean() - second[:, speakers == s].mean()) for s in range(4)]
    expected = stats.ttest_1samp(by_speaker, 0)
    assert np.isclose(line["speakers_p"], expected.pvalue)
    assert np.isclose(line["speakers_low"], expected.confidence_interval(0.95)[0])


@pytest.fixture(scope="module")
def parts(measured):
    """What the small study has measured, found again by content."""
    folder, _ = measured
    return Parts(load_study(str(folder / "small.yaml")), write_synthetic_digits(folder / "again", 6), folder / "store")


def test_no_network_has_seen_the_recordings_that_it_is_tested_on(measured, parts):
    _, trained = measured
    folds = [*parts.folds(OWN), *parts.folds(SPEAKERS)]
    assert len(trained) == len(folds) == 5
    for images, fold in zip(trained, folds, strict=True):
        seen = {image.tobytes() for image in images}
        assert seen == {parts.images[index].tobytes() for index in fold.train}
        assert not seen & {parts.images[index].tobytes() for index in fold.test}


def test_no_label_reaches_the_training_of_a_network(parts):
    path = parts.network(OWN, parts.folds(OWN)[0], train=False).path
    about = load_weights(path).metadata
    assert "label" not in json.dumps({key: about[key] for key in ("recipe", "data")})


def test_what_is_measured_is_kept_and_a_damaged_result_is_named(measured, monkeypatch, capsys):
    folder, _ = measured
    options = ("--preset", folder / "small.yaml", "--results", folder / "results", "--store", folder / "store")
    before = (folder / "results" / "speech" / "mfcc.json").read_bytes()
    assert command(monkeypatch, *options, "--only", "mfcc") == 0
    assert "measured already" in capsys.readouterr().out
    assert (folder / "results" / "speech" / "mfcc.json").read_bytes() == before
    try:
        (folder / "results" / "speech" / "mfcc.json").write_bytes(before[:-20])
        assert command(monkeypatch, *options, "--only", "mfcc", "--split", "own") == 2
        assert "mfcc.json is damaged" in capsys.readouterr().err
    finally:
        (folder / "results" / "speech" / "mfcc.json").write_bytes(before)


def test_a_row_that_was_killed_goes_on_at_the_next_fold_and_comes_to_the_same(measured, parts, tmp_path, monkeypatch):
    folder, _ = measured
    row = next(row for row in parts.study.rows if row.name == "raw-spectrogram")
    fresh = Parts(parts.study, parts.recordings, tmp_path)
    wanted, measure = RowOfSplit(fresh, row, SPEAKERS, "demo"), RowOfSplit._measure_fold
    began = []

    def killed(self, fold):
        began.append(fold.name)
        if len(began) == 3:
            raise KeyboardInterrupt
        return measure(self, fold)

    monkeypatch.setattr(RowOfSplit, "_measure_fold", killed)
    with pytest.raises(KeyboardInterrupt):
        wanted.measure(tmp_path / "results", print)
    assert not (tmp_path / "results").exists()
    kept = sorted((tmp_path / "speech-folds").rglob("*.json"))
    kept[0].write_bytes(kept[0].read_bytes()[:-9])  # what is damaged is measured anew
    found = wanted.measure(tmp_path / "results", print)
    assert began == ["alto", "bass", "soprano", "alto", "soprano", "tenor"]
    whole: Any = read_row(folder / "results" / "speech-speakers" / "raw-spectrogram.json")
    assert found.protocols["2-labels"].values == whole.protocols["2-labels"].values
    assert found.digests == whole.digests


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--preset", "defualt"), "did you mean 'default'"),
        (("--preset", "demo", "--only", "mfc"), "did you mean 'mfcc'"),
        (("--preset", "demo", "--split", "owm"), "did you mean 'own'"),
        (("--data-root", "nowhere"), "the spoken digits are not in"),
    ],
)
def test_a_users_mistake_is_a_sentence(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, *options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shift": [0.0]}, "did you mean 'shifts'"),
        ({"spectrogram": {"band": 32}}, "did you mean 'bands'"),
        ({"recipe": {"network": "spectrogram-33"}}, "did you mean 'spectrogram-32'"),
        ({"sound": {"rate": 8000, "seconds": 0.64, "placement": "end"}}, "placement must be one of"),
        ({"rows": [{"name": "a", "title": "A", "features": [{"class": "RawPixel"}]}]}, "did you mean 'RawPixels'"),
        ({"protocols": {"a": {"title": "A", "per_class": 5, "validation": 9}}}, "have no place here"),
        ({"protocols": {"a": {"title": "A", "per_class": 1}}}, "folds of 1 labels a class"),
    ],
)
def test_a_study_that_says_what_it_cannot_say(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load_study(str(small_study(tmp_path, **changes)))


def test_each_speaker_is_held_out_once_but_for_one_who_alone_has_a_class():
    labels = np.array([0, 0, 1, 1, 0, 1, 2])
    groups = np.array(["a", "b", "a", "b", "c", "c", "c"])
    pairs = group_folds(labels, groups)
    assert [sorted(set(groups[held])) for _, held in pairs] == [["a"], ["b"]]
    for fitted, held in pairs:
        assert sorted([*fitted, *held]) == list(range(7))


def test_the_fit_is_that_of_the_features_and_C_that_held_out_speakers_choose():
    """Brute force with scikit-learn: of two candidates the second tells the classes, and C is the best of all pairs."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 24)
    groups = np.tile(np.repeat(["a", "b", "c"], 8), 3)
    fold = Fold("x", np.flatnonzero(groups != "c"), np.flatnonzero(groups == "c"))
    useless = random.normal(size=(72, 5)).astype(np.float32)
    useful = (random.normal(size=(72, 5)) + 1.5 * np.eye(5)[labels]).astype(np.float32)
    candidates = [unit_scaled(torch.from_numpy(own), fold) for own in (useless, useful)]
    Cs = (0.01, 1.0, 100.0)
    fitted = fit_best(candidates, labels, groups, fold.train, fold, Cs, 5, 0)
    scores = {}
    for number, own in enumerate(candidates):
        rows, y, speakers = own.numpy()[fold.train], labels[fold.train], groups[fold.train]
        for C in Cs:
            shares = [
                (
                    svm(C).fit(rows[speakers != s], y[speakers != s]).predict(rows[speakers == s]) == y[speakers == s]
                ).mean()
                for s in "ab"
            ]
            scores[number, C] = np.mean(shares)
    best = max(scores, key=lambda key: (scores[key], -key[0], -key[1]))
    assert (fitted.chosen["features"], fitted.chosen["C"]) == best == (1, fitted.chosen["C"])
    rows = candidates[1].numpy()
    expected = svm(best[1]).fit(rows[fold.train], labels[fold.train]).predict(rows[fold.test])
    assert np.array_equal(fitted.predicted, expected)


def svm(C):
    return LinearSVC(C=C, tol=1e-6, max_iter=100_000)


def test_features_are_scaled_by_the_training_part_alone():
    features = torch.tensor([[3.0, 4.0], [0.0, 5.0], [100.0, 0.0]])
    scaled = unit_scaled(features, Fold("x", np.array([0, 1]), np.array([2])))
    assert torch.allclose(scaled, features / 5)


def test_labels_are_drawn_of_the_training_part_alone_each_class_alike():
    labels = np.tile(np.arange(4), 20)
    fold = Fold("x", np.arange(40), np.arange(40, 80))
    protocol = Protocol(title="x", per_class=5, draws=3)
    draws = draws_of(protocol, labels, fold, Seeds())
    assert len(draws) == 3
    for drawn in draws:
        assert set(drawn) <= set(fold.train)
        assert np.bincount(labels[drawn]).tolist() == [5] * 4
    assert np.array_equal(draws_of(Protocol(title="x"), labels, fold, Seeds())[0], fold.train)


def test_groups_count_as_one_observation_each_however_large():
    truth = np.zeros(12, int)
    groups = np.array(["a"] * 8 + ["b"] * 2 + ["c"] * 2)
    first, second = np.zeros((1, 12), int), np.zeros((1, 12), int)
    second[0, :4] = 1  # half of a
    second[0, 8] = 1  # half of b
    found = compare_by_group(truth, first, second, groups)
    assert found.differences == (50.0, 50.0, 0.0)
    expected = stats.ttest_1samp([50.0, 50.0, 0.0], 0)
    assert np.isclose(found.p_value, expected.pvalue)
    assert np.isclose(found.difference, 100 / 3)
    with pytest.raises(ValueError, match="at least two"):
        compare_by_group(truth, first, second, np.array(["a"] * 12))
