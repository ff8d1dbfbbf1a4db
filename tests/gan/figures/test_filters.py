import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dcgan_features.data.utils.cli import run
from dcgan_features.gan.batch_norm import reestimate_batch_statistics
from dcgan_features.gan.figures.__main__ import app
from dcgan_features.gan.figures.filters import GREY, PADDING, activations_sheet, filters_sheet, look, untrained
from dcgan_features.gan.latent.guided_backprop import gradients, receptive_field, strongest
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.weights_file import save_weights
from tests.gan.tiny import TINY, tiny_images


@pytest.fixture
def networks():
    trained = Discriminator(TINY, torch.Generator().manual_seed(5))
    return [
        look("trained", trained, tiny_images(20), 1, 3),
        look("untrained", untrained(TINY, torch.device("cpu")), tiny_images(20), 1, 3),
    ]


def test_filters_beside_those_of_an_untrained_network(networks):
    images = tiny_images(20)
    sheet = filters_sheet(networks, images, 1, [4, 0], "noise")
    assert [row.title for row in sheet.rows] == ["map 4", "map 0"]
    own = reestimate_batch_statistics(untrained(TINY, torch.device("cpu")), images)
    found = strongest(own, images, 1, 3, [4])
    cells: Any = sheet.rows[0].cells
    assert len(cells) == 2 * 2 * 3
    assert np.array_equal(cells[8].image, images[found.images[0, 1]])  # of the second network the second image
    gradient = gradients(own, images[found.images[0]], 1, [4] * 3, found.rows[0], found.columns[0])[1]
    drawn = cells[9].image.astype(float) - GREY
    assert np.abs(drawn).max() in (127, 128)
    np.testing.assert_allclose(drawn / 127, gradient / np.abs(gradient).max(), atol=1 / 127)
    assert cells[8].caption == f"{found.values[0, 1]:.2f}"
    assert "trained" in sheet.note


def test_receptive_fields_are_framed_or_cut_out(networks):
    images = tiny_images(20)
    framed: Any = activations_sheet(networks[0], images, 1, [2], "noise").rows[0].cells
    cropped: Any = activations_sheet(networks[0], images, 1, [2], "noise", crop=True).rows[0].cells
    size = receptive_field(TINY, 1).size
    for cell, crop in zip(framed, cropped, strict=True):
        left, top, right, bottom = cell.boxes[0]
        inside = cell.image[top:bottom, left:right]
        assert crop.image.shape == (size, size, 3)
        places = np.argwhere((crop.image != PADDING).any(2))
        first, last = places.min(0), places.max(0) + 1
        assert np.array_equal(crop.image[first[0] : last[0], first[1] : last[1]], inside)
        assert (first[0] > 0) == (top == 0 and bottom - top < size)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    generator, discriminator = Generator(TINY), Discriminator(TINY)
    save_weights(tmp_path / "weights", discriminator, generator, {})
    np.save(tmp_path / "noise.npy", tiny_images(12))

    def run_command(*arguments):
        monkeypatch.setattr(sys, "argv", ["figures.py", arguments[0], str(tmp_path / "weights"), *arguments[1:]])
        with pytest.raises(SystemExit) as ended:
            run(app)
        return ended.value.code, capsys.readouterr().err

    return run_command


@pytest.mark.parametrize("kind", ["filters", "activations"])
def test_a_command_draws_each(call, tmp_path, kind):
    out = tmp_path / "figure.png"
    code, _ = call(kind, "--data", str(tmp_path / "noise.npy"), "--maps", "0-2", "--layer", "1", "--out", str(out))
    assert code == 0
    assert Image.open(out).width > 300


@pytest.mark.parametrize(("option", "value", "message"), [
    ("--layer", "3", "layers 0 to 2"),
    ("--maps", "2,9", "maps 0 to 6"),
    ("--data", "nothing", "nothing"),
])  # fmt: skip
def test_what_is_not_there_is_one_sentence(call, tmp_path, option, value, message):
    given = {"--data": str(tmp_path / "noise.npy"), option: value}
    code, error = call("filters", *(word for pair in given.items() for word in pair))
    assert code == 2
    assert "Traceback" not in error
    assert message in error
