import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcgan_features import data
from dcgan_features.benchmarks.overlap import scores
from dcgan_features.benchmarks.overlap.__main__ import app
from dcgan_features.benchmarks.overlap.files import search_pair
from dcgan_features.benchmarks.overlap.search import detail_correlation, nearest
from dcgan_features.benchmarks.overlap.study import STUDY, Overlap, Pair, load_overlap, read_found, write_lists
from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.data.near_test_images import near_test_images
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError
from tests.benchmarks.conftest import measure_rows

PLANTED = {3: 40, 7: 41, 11: 42, 15: 43}  # test image: where its near copy lies in the corpus


@pytest.fixture(scope="module")
def images():
    """A corpus with near copies of four test images: brighter, moved by a pixel, flipped, and with noise."""
    made: Any = stand_in(300, 30)
    test, corpus = made.test_images, made.train_images.copy()
    noise = np.random.default_rng(0).normal(0, 6, test[15].shape)
    changed = {
        3: np.clip(test[3] * 0.8 + 30, 0, 255),
        7: np.roll(test[7], (1, 1), (0, 1)),
        11: test[11][:, ::-1],
        15: np.clip(test[15] + noise, 0, 255),
    }
    for own, place in PLANTED.items():
        corpus[place] = changed[own].astype(np.uint8)
    return test, corpus


def test_near_copies_are_the_nearest_and_the_most_alike(images):
    counted: list[int] = []
    test, corpus = images
    found = nearest(test, corpus, report=counted.append)
    assert sum(counted) == len(images[0])
    assert found.image.shape == (30, 5)
    assert {own: found.image[own, 0] for own in PLANTED} == PLANTED
    others = np.setdiff1d(np.arange(30), list(PLANTED))
    assert found.likeness[list(PLANTED), 0].min() > found.likeness[others, 0].max()
    assert found.likeness[list(PLANTED), 0].min() > 0.7
    assert [bool(found.mirrored[own, 0]) for own in PLANTED] == [False, False, True, False]
    assert (np.diff(found.likeness, axis=1) <= 0).all()
    fewer = nearest(test, corpus, least=0.7)
    reached = found.likeness >= 0.7
    assert np.array_equal(fewer.likeness >= 0.7, reached)
    assert np.array_equal(fewer.likeness[reached], found.likeness[reached])
    unflipped = nearest(test, corpus, mirror=False)
    assert unflipped.likeness[11, 0] < 0.7
    assert not unflipped.mirrored.any()


def test_details_are_correlated_at_the_best_of_all_small_moves():
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (1, 32, 32, 3), np.uint8)
    moved = np.roll(image, (2, -1), (1, 2))
    assert detail_correlation(image, moved)[0] == pytest.approx(1, abs=0.03)  # averages at the border differ
    assert detail_correlation(image, image // 2 + 50)[0] > 0.98  # neither brightness nor contrast counts
    assert detail_correlation(image, np.roll(image, 9, 1))[0] < 0.5
    plain = np.full_like(image, 80)
    assert detail_correlation(plain, plain)[0] == 0


@pytest.fixture
def searched(images, tmp_path, monkeypatch):
    test, corpus = images
    made = stand_in(300, 30)
    dataset = data.Dataset("tiny", corpus, made.train_labels, test, made.test_labels, made.classes)
    monkeypatch.setitem(data.LOADERS, "tiny", lambda root, download: dataset)
    return search_pair(Pair(corpus="tiny", test="tiny", leave_out=0.7), None, tmp_path / "results")


def test_hits_are_written_with_their_pictures_and_read_back(searched, tmp_path):
    assert {hit.test: hit.image for hit in searched.hits} == PLANTED
    assert read_found(tmp_path / "results", searched.pair) == searched
    assert (tmp_path / "results" / "overlap" / "tiny-for-tiny.png").stat().st_size > 1000
    path = tmp_path / "results" / "overlap" / "tiny-for-tiny.json"
    path.write_text(path.read_text().replace('"likeness": 0.9', '"likeness": 0.8', 1))
    with pytest.raises(InputError, match=r"tiny-for-tiny.json"):
        read_found(tmp_path / "results", searched.pair)


def test_lists_are_the_union_over_all_test_sets(searched, tmp_path):
    other = searched.model_copy(
        update={"pair": Pair(corpus="tiny", test="others", leave_out=0.7), "hits": searched.hits[:1]}
    )
    more = other.model_copy(update={"hits": [searched.hits[0].model_copy(update={"image": 7})]})
    (path,) = write_lists([searched, other, more], tmp_path)
    content = json.loads(path.read_text())
    assert content["left_out"] == [7, *sorted(PLANTED.values())]
    assert (content["images"], content["digest"]) == (300, searched.corpus_digest)


def test_scores_without_near_duplicates_are_those_of_the_other_test_images(make_table, tmp_path, monkeypatch):
    path = make_table()
    measure_rows(tmp_path, path)
    results = tmp_path / "results"
    monkeypatch.setattr(scores, "load_table", lambda name: scores_table(path))
    near = [1, 5, 50]
    found = scores._scores("tiny", near, 100, results)
    assert [(item.row, item.protocol) for item in found] == [
        (row, protocol) for row in ("means", "pixels") for protocol in ("all-labels", "5-per-class")
    ]
    kept = np.delete(np.arange(100), near)
    result = read_row(results / "tiny" / "pixels.json")
    assert result is not None
    predicted = predictions_of(results, result)
    expected = [(made == predicted.truth)[kept].mean() * 100 for made in predicted.by_protocol["5-per-class"]]
    assert found[3].without == pytest.approx(np.mean(expected))
    assert found[3].kept == 97
    csv, page = scores.write_scores(found, results)
    assert csv.read_text().count("\n") == 5
    assert "3 of 100 test images left out" in page.read_text()
    with pytest.raises(InputError, match="has 100 test images, not 99"):
        scores._scores("tiny", near, 99, results)


def scores_table(path):
    from dcgan_features.benchmarks.config.schema import load_table

    return load_table(path)


def test_the_shipped_searches_are_of_every_corpus_for_every_table():
    study = load_overlap()
    corpora, tests = {pair.corpus for pair in study.pairs}, {pair.test for pair in study.pairs}
    assert tests == {"cifar10", "svhn", "mnist"}
    assert {(pair.corpus, pair.test) for pair in study.pairs} == {(one, other) for one in corpora for other in tests}
    assert len(study.pairs) == len(corpora) * len(tests)


def test_mistakes_are_said(cli, tmp_path):
    code, _, err = cli("search", "--only", "cifar10-for-svnh", app=app, folders=["--results", str(tmp_path)])
    assert code == 2
    assert "did you mean 'cifar10-for-svhn'" in err
    wrong = tmp_path / "overlap.yaml"
    wrong.write_text(STUDY.read_text().replace("mirror:", "mirrored:"))
    with pytest.raises(InputError, match="mirrored"):
        load_overlap(wrong)
    unsearched = Overlap(duplicates=0.7, pairs=[Pair(corpus="a", test="a", leave_out=0.7)])
    with pytest.raises(InputError, match="no data set was searched"):
        scores.score_all(unsearched, tmp_path)


def test_lists_hold_every_hit_of_the_committed_searches():
    results = Path(__file__).parents[3] / "results"
    searched = [found for pair in load_overlap().pairs if (found := read_found(results, pair)) is not None]
    assert {found.pair.name for found in searched} >= {"cifar10-for-cifar10", "tiny-imagenet-32-for-cifar10"}
    for found in searched:
        listed = near_test_images(found.pair.corpus)
        if found.hits:
            assert listed is not None
            assert {hit.image for hit in found.hits} <= set(listed.left_out)
            assert (listed.images, listed.digest) == (found.corpus_images, found.corpus_digest)


def test_the_committed_scores_are_those_of_the_committed_results(tmp_path):
    results = Path(__file__).parents[3] / "results"
    for written in scores.write_scores(scores.score_all(load_overlap(), results), tmp_path):
        committed = (results / written.name).read_text("utf-8")
        assert written.read_text("utf-8") == committed, "run python -m benchmarks.overlap scores"
