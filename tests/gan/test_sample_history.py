"""Pictures of a run's course, made at its end and again from its folder."""

import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.drawing import image_grid
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.figures.history import Grids, make_history, save_real, thinned
from dcgan_features.gan.sample_history import app
from dcgan_features.gan.training.dcgan import Run
from tests.gan.tiny import DATA, tiny_images, tiny_recipe

SIDE = 2 * (6 * (8 + 2) + 2)  # pixels of 6 x 6 images of 8 x 8, twice as large


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    recipe = tiny_recipe(images=16 * 21, sample_every=2)
    Run(recipe, tiny_images(), folder, {**DATA, "images": 70}).finish()
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def test_the_grids_of_a_run_and_their_epochs(folder):
    grids = Grids.of(folder)
    assert list(grids.files) == [*range(2, 21, 2), 21]
    assert (grids.size, grids.columns, grids.epoch) == (8, 8, 4)  # 70 images are 4 minibatches of 16
    assert [grids.caption(step) for step in (2, 4, 21)] == ["epoch 0.5", "epoch 1", "epoch 5.2"]
    corner = np.asarray(grids.open(21, 6))
    assert corner.shape == (SIDE, SIDE, 3)
    whole = np.asarray(Image.open(folder / "samples" / "00000021.png"))
    assert np.array_equal(corner[::2, ::2], whole[:62, :62])
    assert np.asarray(grids.open(21, 99)).shape == (164, 164, 3)  # no more than there are


def test_the_still_shows_first_middle_last_and_real_images(folder):
    save_real(folder, tiny_images())
    assert np.array_equal(
        np.asarray(Image.open(folder / "real.png")),
        np.asarray(image_grid(tiny_images()[np.linspace(0, 69, 64).round().astype(int)])),
    )
    still, animated = make_history(folder, folder)
    picture = np.asarray(Image.open(still).convert("RGB")).astype(int)
    assert picture.shape == (SIDE + 30, 4 * SIDE + 30, 3)
    grids = Grids.of(folder)
    for place, step in enumerate((2, 12, 21)):
        left = place * (SIDE + 10)
        expected = np.asarray(grids.open(step, 6)).astype(int)
        assert np.abs(picture[30:, left : left + SIDE] - expected).mean() < 12  # of 256 colours
        assert picture[:30, left : left + SIDE].min() < 100  # a caption
    with Image.open(animated) as opened:
        assert getattr(opened, "n_frames", 1) == 11
        assert opened.size == (SIDE, SIDE + 30)


def test_without_real_images_and_with_a_single_grid(folder):
    for file in sorted((folder / "samples").iterdir())[1:]:
        file.unlink()
    still, animated = make_history(folder, folder / "elsewhere", samples=4)
    assert still == folder / "elsewhere" / "epochs.png"
    assert Image.open(still).height == 44 + 30
    assert 44 < Image.open(still).width < 150  # the caption is wider than 2 x 2 images
    assert getattr(Image.open(animated), "n_frames", 1) == 1


def test_grids_of_a_former_run_are_passed_over(folder):
    shutil.copy(folder / "samples" / "00000020.png", folder / "samples" / "00000099.png")
    (folder / "samples" / "notes.png").write_bytes(b"")
    assert max(Grids.of(folder).files) == 21


def test_weights_alone_or_a_checkpoint_alone_suffice(folder):
    expected = Grids.of(folder)
    (folder / "checkpoint.safetensors").rename(folder / "kept")
    assert Grids.of(folder) == expected
    (folder / "kept").rename(folder / "checkpoint.safetensors")
    (folder / "weights.json").unlink()
    assert Grids.of(folder) == expected


def test_folders_without_a_run_or_without_grids(folder, tmp_path):
    with pytest.raises(InputError, match=r"holds no run of gan\.train"):
        make_history(tmp_path, tmp_path)
    shutil.rmtree(folder / "samples")
    with pytest.raises(InputError, match="holds no grids of samples; train with 'sample_every'"):
        make_history(folder, folder)


def test_thinning_keeps_the_ends_and_is_denser_at_first():
    steps = list(range(100, 30_001, 100))
    kept = thinned(steps, 40)
    assert kept[0] == 100
    assert kept[-1] == 30_000
    assert 30 <= len(kept) <= 40
    assert kept[1] - kept[0] < kept[-1] - kept[-2]
    assert thinned(steps, 1) == [100]
    assert thinned([1, 2, 3], 40) == [1, 2, 3]


def test_the_command(folder, monkeypatch, capsys, tmp_path):
    np.save(tmp_path / "images.npy", tiny_images())
    line = ["gan.sample_history", str(folder), "--data", str(tmp_path / "images.npy"), "--frames", "3"]
    monkeypatch.setattr(sys, "argv", [*line, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as raised:
        run(app)
    assert raised.value.code == 0
    assert [name.split("/")[-1] for name in capsys.readouterr().out.split()[1::2]] == ["epochs.png", "training.webp"]
    assert getattr(Image.open(tmp_path / "out" / "training.webp"), "n_frames", 1) == 3
    assert (folder / "real.png").exists()
    monkeypatch.setattr(sys, "argv", ["gan.sample_history", str(tmp_path)])
    with pytest.raises(SystemExit) as raised:
        run(app)
    assert raised.value.code == 2
    assert "holds no run" in capsys.readouterr().err
