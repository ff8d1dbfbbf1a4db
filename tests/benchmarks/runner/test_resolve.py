"""What a job is resolved to: every choice made, nothing left out, and plain data that survives the way to a worker."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dcgan_features import data
from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.config.search import Search
from dcgan_features.benchmarks.config.weights import NoWeights, StoredWeights, TrainedWeights
from dcgan_features.benchmarks.runner.job import make_jobs
from dcgan_features.benchmarks.runner.resolve import NoSearch, ResolvedJob, resolve
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import SVHN_32
from dcgan_features.gan.weights_file import save_weights
from tests.benchmarks.conftest import MEANS

NETWORK = {"extractor": {"class": "DiscriminatorFeatures"}, "name": "net", "title": "N"}
TRAINED = {**NETWORK, "weights": {"train": {"recipe": {"network": "svhn-32", "images": 64}}}}


@pytest.fixture
def job_of(make_table, tmp_path):
    """The job of a table's first row; keyword arguments as `write_table`."""

    def make(**changes):
        path = make_table(**changes)
        table = load_table(path)
        return make_jobs(table, path, table.rows[:1], "quick", None, "cpu", tmp_path / "results", tmp_path / "store")[0]

    return make


def test_no_field_of_a_resolved_job_is_optional():
    assert [name for name, field in ResolvedJob.model_fields.items() if not field.is_required()] == []
    assert [name for name, field in ResolvedJob.model_fields.items() if "None" in str(field.annotation)] == []


@pytest.mark.parametrize("row", [
    {"name": "a", "title": "A", "extractor": {"class": MEANS}},
    {"name": "a", "title": "A", "extractor": {"class": "RawPixels"}, "published": {"all-labels": {"value": 3}}},
    TRAINED,
], ids=["of the user's", "of ours", "with a network"])  # fmt: skip
def test_a_resolved_job_means_the_same_in_another_process(job_of, row):
    resolved = resolve(job_of(rows=[row]))
    assert ResolvedJob.model_validate_json(resolved.model_dump_json()) == resolved


def test_what_a_job_is_resolved_to(job_of):
    job = job_of()
    resolved, dataset = resolve(job), stand_in(250, 100)
    assert resolved.data_digest == dataset.digest
    assert (resolved.table, resolved.row, resolved.title) == ("tiny", "means", "Mean colours")
    assert list(resolved.protocols) == ["all-labels", "5-per-class"]
    assert resolved.classifier.name == "L2SVMCV"
    assert resolved.published["all-labels"].value == 50.5
    assert resolved.unlabelled == f"{dataset.title} (250 images)"
    assert isinstance(resolved.weights, NoWeights)
    assert isinstance(resolved.search, NoSearch)
    assert resolved.path == job.path


def test_a_search_is_resolved_with_its_protocols(job_of):
    protocol = {"title": "x", "per_class": 5, "draws": 2, "folds": 2, "validation": 20}
    quick = {"dataset": {"source": "stand-in", "n_train": 250, "n_test": 50}, "protocols": {"some": {}}}
    row: dict[str, Any] = {"name": "a", "title": "A", "extractor": {"class": "RawPixels"}}
    row["search"] = {"space": {"max_iter": [5, 9]}}
    changes: dict[str, Any] = {"protocols": {"some": protocol}, "presets": {"quick": quick}}
    resolved = resolve(job_of(rows=[row], **changes))
    assert isinstance(resolved.search, Search)
    assert ResolvedJob.model_validate_json(resolved.model_dump_json()) == resolved
    with pytest.raises(InputError, match="the search wants 3 label draws of 2"):
        resolve(job_of(rows=[{**row, "search": {**row["search"], "draws": 3}}], **changes))
    with pytest.raises(InputError, match="unknown setting 'max_itre'"):
        resolve(job_of(rows=[{**row, "search": {"space": {"max_itre": [5]}}}], **changes))


def test_weights_are_located(job_of, tmp_path):
    save_weights(tmp_path / "mine", Discriminator(SVHN_32), None, {"data": {"description": "noise"}})
    stored = resolve(job_of(rows=[{**NETWORK, "weights": {"file": "mine.safetensors"}}]))
    assert isinstance(stored.weights, StoredWeights)
    assert stored.weights.path == tmp_path / "mine.safetensors"
    assert stored.weights.digest == json.loads((tmp_path / "mine.json").read_text())["sha256"]
    assert stored.unlabelled == "noise"
    first = {"data": {"description": "first (2 images) + second (3 images)"}}
    about = {"data": {"description": "noise + second (3 images)"}, "initial": {**first, "initial": {"format": 1}}}
    save_weights(tmp_path / "later", Discriminator(SVHN_32), None, about)
    later = resolve(job_of(rows=[{**NETWORK, "weights": {"file": "later.safetensors"}}]))
    assert later.unlabelled == "unknown + first (2 images) + second (3 images) + noise"  # all that it was ever shown
    trained = resolve(job_of(rows=[TRAINED]))
    assert isinstance(trained.weights, TrainedWeights)
    assert not trained.weights.path.exists()
    assert trained.weights.images_digest == data.array_digest(stand_in(250, 100).train_images)
    assert trained.identity != stored.identity


@pytest.mark.parametrize(("change", "another"), [
    ({"rows": [{"name": "b", "title": "B", "extractor": {"class": MEANS}, "deviations": ["x"], "minutes": 3}]}, False),
    ({"rows": [{"name": "a", "title": "A", "extractor": {"class": MEANS, "poison": False}}]}, True),
    ({"classifier": {"class": "L2SVMCV", "Cs": [0.1]}}, True),
    ({"seeds": {"draws": 1}}, True),
    ({"presets": {"quick": {"dataset": {"source": "stand-in", "n_train": 250, "n_test": 100},
                            "protocols": {"all-labels": {}}}}}, True),
    ({"presets": {"quick": {"dataset": {"source": "stand-in", "n_train": 250, "n_test": 100, "seed": 1},
                            "protocols": {"all-labels": {}, "5-per-class": {}}}}}, True),
])  # fmt: skip
def test_what_decides_the_result_decides_the_identity(job_of, change, another):
    before = resolve(job_of()).identity
    assert (resolve(job_of(**change)).identity != before) == another


def test_jobs_that_cannot_be_resolved(job_of):
    unmeasured = job_of(rows=[{"name": "a", "title": "A"}])
    with pytest.raises(InputError, match="row a of the table tiny: there is no class; give one"):
        resolve(unmeasured)
    with pytest.raises(InputError, match="unknown class 'RawPixel' in row a"):
        resolve(job_of(rows=[{"name": "a", "title": "A", "extractor": {"class": "RawPixel"}}]))
    escaped = {"class": "DiscriminatorFeatures", "discriminator": "x"}
    with pytest.raises(InputError, match="name the discriminator under 'weights'"):
        resolve(job_of(rows=[{**NETWORK, "extractor": escaped}]))


def test_images_are_adapted_as_the_row_says(job_of):
    row = {"name": "a", "title": "A", "extractor": {"class": "RawPixels"}, "images": {"size": 40}}
    job = job_of(rows=[row])
    assert job.dataset().train_images.shape == (250, 40, 40, 3)
    assert job.original().train_images.shape == (250, 32, 32, 3)
    assert resolve(job).data_digest == job.original().digest
    np.testing.assert_array_equal(job.dataset().train_images[:, 4:-4, 4:-4], job.original().train_images)


def test_a_finished_result_is_one_of_the_same_identity(cli, make_table, job_of, tmp_path):
    job = job_of()
    assert resolve(job).finished() is None
    cli("--table", make_table())
    found = resolve(job).finished()
    assert found is not None
    assert found.row == "means"
    assert resolve(job).model_copy(update={"identity": "other"}).finished() is None
    assert resolve(replace(job, results=tmp_path / "elsewhere")).finished() is None
    job.path.with_suffix(".npz").unlink()
    assert resolve(job).finished() is None
