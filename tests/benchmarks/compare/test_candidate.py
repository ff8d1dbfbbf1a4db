"""Labels that stand beside features, written otherwise than they are wanted."""

import numpy as np
import pytest

from dcgan_features.benchmarks.compare.candidate import _check_form
from dcgan_features.benchmarks.config.images import labelled
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError

DATASET = labelled(stand_in(20, 10))


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda labels: labels[:, None], r"are of shape \(20, 1\) instead of \(20,\); save them with ravel"),
    (lambda labels: np.eye(10)[labels], r"have a column for each class \(one-hot\); save their argmax"),
    (lambda labels: labels + 1, "number the classes from 1, but .* from 0; subtract 1"),
    (lambda labels: labels.astype(str), "are .*, not whole numbers"),
    (lambda labels: labels + 0.5, "are .*, not whole numbers"),
    (lambda labels: labels[:-1], r"are of shape \(19,\)"),
])  # fmt: skip
def test_labels_written_otherwise_are_said_to_be(change, sentence):
    labels = DATASET.train_labels
    with pytest.raises(InputError, match=rf"f\.npz: train_labels {sentence}"):
        _check_form("f.npz", "train", change(labels), labels, DATASET)
    for fine in (labels, labels.astype(np.float32), labels.astype(np.uint8)):
        _check_form("f.npz", "train", fine, labels, DATASET)
    _check_form("f.npz", "train", labels[::-1], labels, DATASET)  # another order is for others to say
