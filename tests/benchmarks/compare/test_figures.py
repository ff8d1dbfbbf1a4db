"""The pictures of a comparison keep a size that can be drawn."""

from typing import Any

import numpy as np
import pytest

from dcgan_features.benchmarks.compare.figures import confusion_figure


@pytest.mark.parametrize(("classes", "named"), [(3, 3), (10, 10), (30, 30), (200, 67), (1000, 84)])
def test_a_matrix_of_many_classes_names_some_and_stays_small(classes, named):
    names = [f"class {place}" for place in range(classes)]
    figure: Any = confusion_figure("X", {"all": np.eye(classes) * 100}, names)
    width, height = figure.get_size_inches()
    assert max(width, height) < 17
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(labels) == named
    step = -(-classes // named)
    assert labels == names[::step]
