"""Identities of all rows of all shipped tables: one that changes makes measured results and stored features stale.

They are made on tiny images, the same for all tables of one size, and kept in `identities.json`. For rows that are new:

    python -m tests.benchmarks.runner.test_identities

which writes down what is not there yet, forgets rows that no table has any more, and changes nothing else:
a row that is measured otherwise on purpose is first taken out of the file by hand.
"""

import contextlib
import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from dcgan_features import data
from dcgan_features.benchmarks.config import weights
from dcgan_features.benchmarks.config.images import labelled
from dcgan_features.benchmarks.config.schema import TABLES, load_table
from dcgan_features.benchmarks.config.weights import StoredWeights, TrainedWeights
from dcgan_features.benchmarks.runner import job as jobs
from dcgan_features.benchmarks.runner.resolve import resolve
from dcgan_features.benchmarks.runner.worker import make_extractor
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.features.cache.fingerprint import describe

KEPT = Path(__file__).with_name("identities.json")
NAMES = sorted(path.stem for path in TABLES.glob("*.yaml"))
SIZES = {"mnist": (28, 1)}  # all others: 32 x 32 pixels, three channels
ABSENT = {"sha256": "0" * 64}  # in the place of weights that no clone has: those of one's own training runs


def images_of(table):
    size, channels = SIZES.get(table, (32, 3))
    random = np.random.default_rng(0)
    train, test = (random.integers(0, 256, (count, size, size, channels), np.uint8) for count in (40, 20))
    labels = np.arange(40, dtype=np.int64) % 10
    return labelled(data.Dataset("tiny", train, labels, test, labels[:20], tuple("abcdefghij"), stand_in=True))


@contextlib.contextmanager
def no_real_images(dataset):
    """Every table is measured on `dataset`, and networks are trained on its images, whatever the table says."""
    training = (dataset.train_images, "tiny", "0" * 64)
    read = weights.KINDS["discriminator"].metadata

    def metadata(path, network):
        return read(path, network) if path.exists() else ABSENT

    kinds: dict[str, Any] = {**weights.KINDS, "discriminator": mock.Mock(wraps=weights.KINDS["discriminator"])}
    for name in ("shipped", "free", "later"):
        setattr(kinds["discriminator"], name, getattr(weights.KINDS["discriminator"], name))
    kinds["discriminator"].metadata = metadata
    with (
        mock.patch.object(jobs, "load_dataset", return_value=dataset),
        mock.patch.object(data, "training_images", return_value=training),
        mock.patch.object(weights, "KINDS", kinds),
    ):
        yield


def identities(name):
    """By preset and row: the identity, and the key of the network that is trained or else of the features."""
    table, found = load_table(name), {}
    with no_real_images(images_of(name)):
        for preset in table.presets:
            for job in jobs.make_jobs(table, None, table.rows, preset, None, "cpu", None, Path("store")):
                if job.measurement is None:
                    continue
                resolved = resolve(job)
                entry = {"identity": resolved.identity}
                if isinstance(resolved.weights, TrainedWeights):
                    entry["network"] = resolved.weights.folder.name
                elif not isinstance(resolved.weights, StoredWeights) or resolved.weights.path.exists():
                    entry["features"] = digest_of(
                        describe(make_extractor(job.method.extractor, resolved.weights, "cpu"))
                    )
                found[f"{preset}/{job.row}"] = entry
    return found


@pytest.mark.parametrize("name", NAMES)
def test_rows_keep_their_identities(name):
    kept, found = json.loads(KEPT.read_text("utf-8"))[name], identities(name)
    assert {key: entry for key, entry in found.items() if key in kept} == kept
    assert sorted(found) == sorted(kept), "new rows: run python -m tests.benchmarks.runner.test_identities"


if __name__ == "__main__":
    before = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    written = {}
    for name in NAMES:
        kept, found = before.get(name, {}), identities(name)
        written[name] = {key: kept.get(key, entry) for key, entry in found.items()}
    KEPT.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    new = sum(len(written[name].keys() - before.get(name, {}).keys()) for name in NAMES)
    gone = sum(len(before.get(name, {}).keys() - written[name].keys()) for name in NAMES)
    print(f"{new} new rows written to {KEPT.name}, {gone} forgotten")
