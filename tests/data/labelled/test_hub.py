import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data.labelled.load import labelled_images
from dcgan_features.data.labelled.pictures import Form
from dcgan_features.data.sources import without_downloads
from dcgan_features.data.utils.errors import InputError
from tests.data.labelled.conftest import reds


def test_without_the_package_the_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"dcgan-features\[hub\]"):
        labelled_images("hf:anything")


def test_a_data_set_saved_on_disk(tmp_path):
    datasets = pytest.importorskip("datasets")
    kinds = datasets.Features({"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["oak", "ash"])})

    def part(count, blue):
        pictures = [Image.new("RGB", (9, 7), (100 * (number % 2), 0, blue)) for number in range(count)]
        labels = [number % 2 for number in range(count)]
        return datasets.Dataset.from_dict({"picture": pictures, "kind": labels}, features=kinds)

    datasets.DatasetDict({"train": part(6, 1), "test": part(4, 2)}).save_to_disk(tmp_path / "trees")
    found: Any = labelled_images(f"hf:{tmp_path / 'trees'}", Form(6))
    assert found.classes == ("ash", "oak")
    assert (found.train_images.shape, found.test_images.shape) == ((6, 6, 6, 3), (4, 6, 6, 3))
    assert reds(found.test_images) == [0, 100] * 2
    assert found.test_labels.tolist() == [1, 0] * 2  # oak is red 0, and the second in order
    assert np.asarray(found.test_images)[0, 0, 0, 2] == 2


def test_what_is_on_the_hub_is_not_fetched_where_nothing_is_downloaded():
    pytest.importorskip("datasets")
    with without_downloads(), pytest.raises(InputError, match="nothing is downloaded"):
        labelled_images("hf:some/name")
