"""Searches over settings: what is tried, what is recorded, and what a search that was stopped does again."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from dcgan_features import data
from dcgan_features.benchmarks.config.identity import identifying
from dcgan_features.benchmarks.config.schema import TABLES, Measurement, Protocol, load_table
from dcgan_features.benchmarks.config.search import Search, best_of, read_trials, run_search
from dcgan_features.benchmarks.runner.job import Job
from dcgan_features.benchmarks.runner.resolve import LATER
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError
from dcgan_features.features import RawPixels
from tests.benchmarks.spies import notes


def search_of(**keys):
    return Search.model_validate({"space": {"C": [1.0, 2.0], "kind": ["a", "b", "c"]}, **keys})


def test_without_trials_every_combination_is_tried_in_order():
    tried = [(each["C"], each["kind"]) for each in search_of().candidates()]
    assert tried == [(C, kind) for C in (1.0, 2.0) for kind in "abc"]


def test_random_trials_lie_in_their_ranges_and_depend_on_seed_and_number_alone():
    space = {
        "rate": {"log_uniform": [1e-5, 1e-2]},
        "share": {"uniform": [0.2, 0.7]},
        "size": [16, 32, 64],
    }
    few, many = (search_of(space=space, trials=trials, seed=3).candidates() for trials in (5, 400))
    assert many[:5] == few
    assert search_of(space=space, trials=5, seed=4).candidates() != few
    assert all(1e-5 <= each["rate"] <= 1e-2 and 0.2 <= each["share"] <= 0.7 for each in many)
    below = sum(each["rate"] < 10**-3.5 for each in many)  # the middle of the logarithms
    assert 150 < below < 250
    assert {each["size"] for each in many} == {16, 32, 64}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"space": {}}, "at least 1 item"),
        ({"space": {"C": []}}, "at least 1 item"),
        ({"space": {"C": {"uniform": [0, 1]}}}, "give 'trials'"),
        ({"space": {"C": {"uniform": [1, 0]}}, "trials": 2}, "lower bound comes first"),
        ({"space": {"C": {"log_uniform": [0, 1]}}, "trials": 2}, "above 0"),
        ({"space": {"C": {"uniform": [0, 1], "log_uniform": [1, 2]}}, "trials": 2}, "give either"),
        ({"trials": 0}, "greater than or equal to 1"),
    ],
)
def test_searches_that_cannot_be_made_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        search_of(**keys)


def test_trials_are_recorded_and_not_done_again(tmp_path):
    record, asked = tmp_path / "trials" / "a.jsonl", []

    def attempt(settings):
        asked.append(settings)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return [settings["C"] * 10, settings["C"] * 10 + 2]

    with pytest.raises(KeyboardInterrupt):
        run_search(search_of(draws=2), attempt, record)
    assert len(read_trials(record)) == 3
    with record.open("a") as file:
        file.write('{"settings": {"C": 2.0, "ki')  # killed while it wrote
    trials = run_search(search_of(draws=2), attempt, record)
    assert len(asked) == 4 + 3
    assert [trial.errors for trial in trials] == [[10, 12]] * 3 + [[20, 22]] * 3
    assert [json.loads(line)["settings"] for line in record.read_text().splitlines()] == search_of().candidates()
    assert best_of(trials).settings == {"C": 1.0, "kind": "a"}
    run_search(search_of(draws=2), attempt, record)
    assert len(asked) == 7
    run_search(search_of(draws=1), lambda settings: [1.0], record)  # of another number of draws, all are done again
    assert len(read_trials(record)) == 12


def test_a_refused_setting_is_a_failed_trial_and_all_failed_is_an_error(tmp_path):
    def refuse(settings):
        if settings["C"] == 1.0:
            raise ValueError("C must not be 1")
        return [30.0]

    trials = run_search(search_of(), refuse, tmp_path / "a.jsonl")
    assert [trial.failed for trial in trials[:3]] == ["C must not be 1"] * 3
    assert best_of(trials).settings["C"] == 2.0
    with pytest.raises(InputError, match=r"all 3 trials .* C must not be 1"):
        best_of(trials[:3])


def test_a_damaged_record_is_refused(tmp_path):
    record = tmp_path / "a.jsonl"
    record.write_text("nonsense\n{}\n")
    with pytest.raises(InputError, match="damaged in line 1"):
        read_trials(record)


VALIDATED: dict[str, Any] = {
    "metric": "error",
    "protocols": {
        "50-labels": {"title": "50 labels", "per_class": 5, "draws": 3, "validation": 60},
        "on-validation": {
            "title": "validation", "per_class": 5, "draws": 2, "validation": 60, "scored_on": "validation",
        },
    },
    "presets": {
        "quick": {
            "dataset": {"source": "stand-in", "n_train": 250, "n_test": 100},
            "protocols": {"50-labels": {}, "on-validation": {}},
        }
    },
}  # fmt: skip


def row_of(**keys):
    return {
        "name": "a",
        "title": "A",
        "published": {"50-labels": {"value": 40.0}},
        "extractor": {"class": "RawPixels"},
        "classifier": {"class": "L2SVM"},
        "search": {"space": {"C": [1e-4, 1e-2]}, "draws": 2},
        **keys,
    }


def result(tmp_path):
    return json.loads((tmp_path / "results" / "tiny" / "a.json").read_text())


def test_settings_are_chosen_on_validation_images_and_errors_are_those_of_an_independent_solver(
    cli, make_table, tmp_path
):
    code, _, err = cli("--table", make_table(rows=[row_of()], **VALIDATED))
    assert (code, "error:" in err) == (0, False)
    dataset: Any = stand_in(250, 100)
    X, X_test = (RawPixels().fit_transform(images) for images in (dataset.train_images, dataset.test_images))
    y, y_test = dataset.train_labels, dataset.test_labels
    held = data.holdout(250, 60, 0)[1]
    available = np.where(np.isin(np.arange(250), held), -1, y)
    draws = data.class_balanced_draws(available, 5, 3, 0)

    def errors(C, X_judged, truth, rows):
        machines = [LinearSVC(C=C, tol=1e-6, max_iter=20_000).fit(X[draw], y[draw]) for draw in rows]
        return [100 * float((machine.predict(X_judged) != truth).mean()) for machine in machines]

    found = result(tmp_path)["protocols"]["50-labels"]
    validated = {C: errors(C, X[held], y[held], draws[:2]) for C in (1e-4, 1e-2)}
    assert [trial["errors"] for trial in found["trials"]] == [
        pytest.approx(each, abs=1.7) for each in validated.values()
    ]
    chosen = found["settings"]["C"]
    assert chosen == min(found["trials"], key=lambda trial: sum(trial["errors"]))["settings"]["C"]
    assert found["values"] == pytest.approx(errors(chosen, X_test, y_test, draws), abs=1.1)
    assert found["measured"] == pytest.approx(np.mean(found["values"]))
    assert found["low"] < found["measured"] < found["high"]
    assert (found["metric"], found["scored_on"], found["test_images"]) == ("error", "test", 100)
    assert found["validation_digest"] == data.digest_indices(held)
    on_validation = result(tmp_path)["protocols"]["on-validation"]
    assert (on_validation["scored_on"], on_validation["test_images"]) == ("validation", 60)
    chosen = on_validation["settings"]["C"]
    assert on_validation["values"] == pytest.approx(errors(chosen, X[held], y[held], draws[:2]), abs=1.7)
    with np.load(tmp_path / "results" / "tiny" / "a.npz") as kept:
        assert sorted(kept.files) == ["predicted-50-labels", "truth"]  # those of the test set alone
    markdown = (tmp_path / "results" / "tiny.md").read_text()
    assert "lower is better" in markdown
    assert "the best of 2 trials on validation images" in markdown


def test_rows_without_labels_reach_semi_supervised_classifiers_alone(cli, make_table, tmp_path, monkeypatch):
    monkeypatch.setenv("SPY_NOTES", str(tmp_path / "notes"))
    spy = {"class": "tests.benchmarks.spies:SemiSupervised"}
    row = row_of(classifier=spy, search=None, draws=2, protocols=["50-labels"], extractor={"class": "RawPixels"})
    assert cli("--table", make_table(rows=[row], **VALIDATED))[0] == 0
    labels: Any = stand_in(250, 100).train_labels
    held = data.holdout(250, 60, 0)[1]
    draws = data.class_balanced_draws(np.where(np.isin(np.arange(250), held), -1, labels), 5, 2, 0)
    rest = np.setdiff1d(np.arange(250), held)
    seen = notes(tmp_path / "notes")
    assert [call["state"] for call in seen] == [0, 1]  # a seed of its own for every draw
    for call, draw in zip(seen, draws, strict=True):
        assert call["labels"] == np.where(np.isin(rest, draw), labels[rest], -1).tolist()
        assert call["validation"] == labels[held].tolist()
    assert list(result(tmp_path)["protocols"]) == ["50-labels"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": {"space": {"CC": [1.0]}}}, "did you mean 'C'"),
        ({"search": {"space": {"C": [1.0]}, "draws": 9}}, "wants 9 label draws of 2"),
        ({"protocols": ["50-label"]}, "did you mean '50-labels'"),
        ({"images": {"size": 16}}, "16"),
    ],
)
def test_what_cannot_be_searched_is_refused(cli, make_table, changes, message):
    code, out, err = cli("--table", make_table(rows=[row_of(**changes)], **VALIDATED))
    assert code == 2
    assert message in out + err


def test_a_search_needs_validation_images(cli, make_table):
    code, out, err = cli("--table", make_table(rows=[row_of(published={})]))
    assert code == 2
    assert "give the protocol 'validation'" in out + err


def test_older_results_keep_their_identity(make_table, tmp_path):
    """Keys that tables did not have change nothing where they are not used."""
    table = load_table(make_table())
    content = identifying(table.protocols["all-labels"], LATER[Protocol], ())
    assert list(content) == ["title", "per_class", "draws", "holdout", "folds"]
    measurement = table.rows[0].measurement("quick", table.classifier)
    assert measurement is not None
    assert list(identifying(measurement, LATER[Measurement], ())) == [
        "extractor", "classifier", "weights", "deviations", "unlabelled", "minutes",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["svhn", "mnist"])
def test_no_row_of_the_shipped_tables_searches_on_more_draws_than_there_are(name):
    table, found = load_table(name), 0
    for preset in table.presets:
        for row in table.rows:
            job = Job(
                table=table, table_folder=TABLES, row=row.name, preset=preset, data_root=TABLES, device="cpu",
                store=TABLES, results=TABLES,
            )  # fmt: skip
            measurement = job.measurement
            if measurement is not None and measurement.search is not None:
                found += 1
                assert measurement.search.draws <= min(protocol.draws for protocol in job.protocols.values()), row.name
                assert all(protocol.validation is not None for protocol in job.protocols.values()), row.name
    assert found > 10
