"""The losses of a run as a picture, and how long a run will take."""

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.figures.losses import draw_losses, losses_figure, running_mean
from dcgan_features.gan.training.dcgan import Run
from dcgan_features.gan.training.logs import read_log
from dcgan_features.gan.training.pace import images_per_second
from tests.gan.tiny import DATA, tiny_images, tiny_recipe


def test_what_a_run_logged_is_drawn(tmp_path):
    Run(tiny_recipe(images=320, log_every=2), tiny_images(), tmp_path, DATA).finish()
    logged = read_log(tmp_path / "logs")
    assert logged["loss/generator"][:, 0].tolist() == list(range(2, 21, 2))
    picture = draw_losses(tmp_path)
    assert np.asarray(Image.open(picture).convert("L")).std() > 5
    values = {name.removeprefix("loss/"): found for name, found in logged.items() if name.startswith("loss/")}
    (axes,) = losses_figure(values).axes
    drawn = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}
    expected = [float(np.mean(values["generator"][max(0, i - 1) : i + 2, 1])) for i in range(10)]  # a window of one
    np.testing.assert_allclose(drawn["generator"], expected)


def test_a_running_mean_is_that_of_its_neighbours():
    assert running_mean(np.array([1.0, 2, 6, 7]), 1).tolist() == [1.5, 3, 5, 6.5]


def test_a_folder_without_a_log_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no log of losses"):
        draw_losses(tmp_path)


def test_a_pace_is_found_without_touching_the_run():
    recipe, images = tiny_recipe(), tiny_images()
    before = images.copy()
    assert images_per_second(recipe, images) > 0
    np.testing.assert_array_equal(images, before)
