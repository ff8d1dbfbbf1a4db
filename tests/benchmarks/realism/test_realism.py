import sys

import numpy as np
import pytest
import torch
from PIL import Image

from dcgan_features.benchmarks.realism.__main__ import app
from dcgan_features.benchmarks.realism.files import REAL
from dcgan_features.benchmarks.realism.study import FrozenMeans, find_nearest, halves, measure
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed
from dcgan_features.gan.networks import scale_images
from dcgan_features.gan.weights_file import save_weights
from tests.gan.tiny import tiny_images, tiny_sampler


def nothing(count):
    pass


def smooth(count, seed):
    """Images without a checkerboard, all different: 16 x 16, coarse squares of 4."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2)


def judge():
    return tiny_sampler(3).discriminator


def test_means_are_those_of_the_maps_and_images_may_be_larger_than_the_judges():
    frozen = FrozenMeans(judge())
    images = tiny_images(30)
    with torch.no_grad():
        maps = judge().eval().maps(scale_images(torch.from_numpy(images)))
    expected = torch.cat([layer.mean((2, 3)) for layer in maps], 1).numpy()
    np.testing.assert_allclose(frozen(images, nothing), expected, rtol=0.05, atol=0.02)
    assert frozen(smooth(7, 0), nothing).shape == (7, expected.shape[1])


def test_halves_share_nothing_and_hold_all():
    images = np.arange(401).astype(np.uint32)[:, None]
    first, second = halves(images, 1)
    assert len(first) == len(second) == 200
    assert len({*first.ravel(), *second.ravel()}) == 400
    assert not np.array_equal(first, halves(images, 2)[0])
    with pytest.raises(InputError, match="too few"):
        halves(images[:199], 0)


def test_a_checkerboard_and_another_distribution_are_seen():
    frozen = FrozenMeans(judge())
    first, second = smooth(300, 1), smooth(300, 2)
    board = (np.indices((16, 16)).sum(0) % 2 * 24 - 12)[None, :, :, None]
    marked = np.clip(second.astype(int) + board, 0, 255).astype(np.uint8)
    darker = second // 2
    features = frozen(first, nothing)
    real, with_board, dark = (measure(i, frozen(i, nothing), features) for i in (second, marked, darker))
    assert with_board.checkerboard > 5 * real.checkerboard + 1e-6
    assert dark.frechet > 10 * real.frechet
    same = measure(first, features, features)
    assert same.frechet == pytest.approx(0, abs=1e-4 * dark.frechet)


def test_nearest_images_are_found_among_the_real_ones():
    frozen = FrozenMeans(judge())
    real = smooth(50, 1)
    samples = real[[7, 3, 9, 11, 30, 31, 2, 8]].astype(int)
    samples = np.clip(samples + 1, 0, 255).astype(np.uint8)
    found = find_nearest(samples, frozen(samples, nothing), real, frozen(real, nothing))
    np.testing.assert_array_equal(found.by_pixels, real[[7, 3, 9, 11, 30, 31, 2, 8]])
    assert (found.by_features == found.by_pixels).all((1, 2, 3)).mean() >= 0.75


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["realism", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run(app)
    return ended.value.code, capsys.readouterr()


def test_the_command_on_a_folder_of_pictures(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, image in enumerate(tiny_images(220)):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    for name, seed in (("early", 0), ("late", 1)):
        sampler = tiny_sampler(seed)
        save_weights(tmp_path / name, sampler.discriminator, sampler.generator, {"images_seen": 10})
    sampler = tiny_sampler(3)
    save_weights(tmp_path / "judge", sampler.discriminator, None, {})
    results = tmp_path / "results"
    code, said = command(
        monkeypatch, capsys, tmp_path / "early", tmp_path / "late", "--data", folder, "--judge", tmp_path / "judge",
        "--results", results,
    )  # fmt: skip
    assert code == 0, said.err
    found = read_sealed(results / "realism-early.json")
    assert set(found["figures"]) == {REAL, "early", "late"}
    assert found["about"]["images"] == 110
    assert 0 < found["figures"][REAL]["frechet"] < found["figures"]["early"]["frechet"]
    page = (results / "realism-early.md").read_text(encoding="utf-8")
    assert page.count("\n| ") == 4
    for name in ("realism-early.png", "realism-early-nearest.png"):
        assert (results / name).stat().st_size > 3_000

    code, said = command(monkeypatch, capsys, "svhn-32", "--data", "cifar-11", "--results", results)
    assert code == 2
    assert "cifar10" in said.err
    code, said = command(monkeypatch, capsys, "svhn-32", "faces-64", "--data", folder, "--results", results)
    assert code == 2
    assert "different sizes" in said.err
