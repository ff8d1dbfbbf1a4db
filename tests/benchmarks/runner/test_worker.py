"""The worker: it does what the resolved job says, and refuses what has changed since."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest

from dcgan_features import data
from dcgan_features.benchmarks.config import external, images
from dcgan_features.benchmarks.config.schema import DatasetChoice, load_table
from dcgan_features.benchmarks.runner.job import make_jobs
from dcgan_features.benchmarks.runner.resolve import ResolvedJob, resolve
from dcgan_features.benchmarks.runner.worker import Outcome, attempt
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.gan import weights_file
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import SVHN_32
from dcgan_features.gan.weights_file import save_weights

OWN = "class Own:\n    def fit(self, images):\n        return self\n\n    def transform(self, images):\n"
PIXELS = f"{OWN}        return images[:, ::8, ::8].reshape(len(images), -1)\n"
SMALL = {"quick": {"dataset": {"source": "stand-in", "n_train": 100, "n_test": 50}, "protocols": {"5-per-class": {}}}}


@pytest.fixture
def resolved(make_table, tmp_path):
    """The only row of a table, resolved."""

    def make(**row):
        path = make_table(rows=[{"name": "a", "title": "A", **row}], presets=SMALL)
        table = load_table(path)
        (job,) = make_jobs(table, path, table.rows, "quick", None, "cpu", tmp_path / "results", tmp_path / "store")
        return resolve(job)

    return make


def result(tmp_path):
    return json.loads((tmp_path / "results" / "tiny" / "a.json").read_text())


def sent(job):
    """As a worker in another process gets it."""
    return ResolvedJob.model_validate_json(job.model_dump_json())


def test_the_result_has_the_identity_that_was_resolved(resolved, tmp_path):
    job = resolved(extractor={"class": "RawPixels"})
    assert attempt(sent(job)) == Outcome(status="measured")
    assert result(tmp_path)["identity"] == job.identity
    assert result(tmp_path)["settings"] == job.settings
    assert sent(job).finished() is not None


def test_a_finished_row_needs_neither_images_nor_classes(resolved, tmp_path, monkeypatch):
    job = sent(resolved(extractor={"class": "RawPixels"}))
    attempt(job)
    written = (tmp_path / "results" / "tiny" / "a.json").stat().st_mtime_ns
    images.load_dataset.cache_clear()
    monkeypatch.delitem(data.STAND_INS, "stand-in")
    assert attempt(job).status == "measured"
    assert (tmp_path / "results" / "tiny" / "a.json").stat().st_mtime_ns == written
    assert attempt(job, resume=False).status == "failed"


def test_code_that_changed_meanwhile_is_refused(resolved, tmp_path):
    (tmp_path / "own.py").write_text(PIXELS)
    name = f"{tmp_path}/own.py:Own"
    job = resolved(extractor={"class": name})
    (tmp_path / "own.py").write_text(PIXELS.replace("8", "4"))
    outcome = attempt(sent(job))
    assert (outcome.status, outcome.bad_input) == ("failed", True)
    assert "the code of Own changed since this command began; run it again" in outcome.message
    assert not (tmp_path / "results" / "tiny" / "a.json").exists()
    assert attempt(resolved(extractor={"class": name})).status == "measured"


def test_images_that_changed_meanwhile_are_refused(resolved, monkeypatch):
    job = resolved(extractor={"class": "RawPixels"})
    images.load_dataset.cache_clear()
    monkeypatch.setitem(data.STAND_INS, "stand-in", lambda **how: stand_in(**{**how, "seed": 1}))
    outcome = attempt(sent(job))
    assert "row a of the table tiny: the images changed since this command began; run it again" in outcome.message


def test_weights_that_changed_meanwhile_are_refused(resolved, tmp_path):
    save_weights(tmp_path / "mine", Discriminator(SVHN_32), None, {})
    job = resolved(extractor={"class": "DiscriminatorFeatures"}, weights={"file": "mine.safetensors"})
    save_weights(tmp_path / "mine", Discriminator(SVHN_32), None, {})
    outcome = attempt(sent(job))
    assert outcome.bad_input
    assert "mine.safetensors has changed since this command began" in outcome.message


def test_a_row_reads_its_weights_at_most_twice_and_looks_its_classes_up_once_in_each_process(
    resolved, tmp_path, monkeypatch
):
    """Counted in the parent, which resolves, and in the worker, which measures: all openings of the file."""
    save_weights(tmp_path / "mine", Discriminator(SVHN_32), None, {"data": {"description": "noise"}})
    opened: Counter[str] = Counter()
    sys.addaudithook(lambda event, found: opened.update([str(found[0])]) if event == "open" and found else None)
    looked_up: Counter[str] = Counter()
    find_external = external.find_external

    def counted(name, where):
        looked_up[name] += 1
        return find_external(name, where)

    monkeypatch.setattr("dcgan_features.benchmarks.config.components.find_external", counted)
    svm = "tests.benchmarks.spies:SpiedSVM"
    job = resolved(
        extractor={"class": "DiscriminatorFeatures", "dtype": "float32"},
        weights={"file": "mine.safetensors"},
        classifier={"class": svm, "Cs": [0.1]},
    )
    file = str(tmp_path / "mine.safetensors")
    assert opened[file] == 1
    assert looked_up == {svm: 1}
    weights_file._read_once.cache_clear()  # as in another process
    assert attempt(sent(job)).status == "measured"
    assert opened[file] == 2
    assert looked_up == {svm: 2}
    assert result(tmp_path)["digests"]["weights"] == json.loads((tmp_path / "mine.json").read_text())["sha256"]


def test_the_audit_sees_every_way_in_which_weights_are_read(tmp_path):
    """Or the count above would be of nothing: safetensors' own reader opens files where Python does not see it."""
    source = Path(weights_file.__file__).read_text(encoding="utf-8")
    assert "load_file" not in source
    assert "safe_open" not in source


def test_the_module_says_that_it_is_no_command():
    command = [sys.executable, "-m", "dcgan_features.benchmarks.runner.worker"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "is started by the runner; run python -m benchmarks.cifar10" in ended.stderr


def test_whatever_goes_wrong_becomes_a_sentence(resolved):
    means = {"class": "tests.benchmarks.spies:Means"}
    refused = attempt(resolved(extractor={**means, "error": "bad\nparameter"}))
    assert (refused.status, refused.bad_input) == ("failed", True)
    assert refused.message.endswith("ValueError: bad parameter; mend it")
    failed = attempt(resolved(extractor={**means, "error": "a bug"}))  # in the code of the user, who can mend it
    assert failed.message.endswith("spies.py line 29: RuntimeError: a bug; mend it")
    assert failed.bad_input


def test_a_mistake_of_this_project_is_not_the_users(resolved, monkeypatch):
    broken = mock.Mock(side_effect=RuntimeError("a bug"))  # raised in no file of the user's
    monkeypatch.setattr("dcgan_features.benchmarks.runner.worker._found", broken)
    failed = attempt(resolved(extractor={"class": "RawPixels"}))
    assert (failed.message, failed.bad_input) == ("unexpected RuntimeError: a bug", False)


def test_features_of_a_data_set_without_labels_are_no_row(make_table, monkeypatch):
    bare = data.Dataset("bare", stand_in(20, 10).train_images)
    monkeypatch.setitem(data.LOADERS, "bare", lambda root, download: bare)
    with pytest.raises(data.InputError, match="bare has no labels or no test images"):
        images.load_dataset(DatasetChoice(source="bare"), Path())
