import numpy as np
import torch

from dcgan_features.data.utils.drawing import image_grid
from dcgan_features.gan.networks import Generator
from dcgan_features.gan.samples import generate, sample_grid
from tests.gan.tiny import TINY


def test_grid_places_images_row_by_row():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 4, 4, 3), np.uint8)
    grid = np.asarray(image_grid(images))
    assert grid.shape == (14, 20, 3)  # 2 rows of 3, 2 pixels of border
    assert grid[0, 0, 0] == 255
    assert [grid[3, 3 + 6 * column, 0] for column in range(3)] == [0, 1, 2]
    assert [grid[9, 3 + 6 * column, 0] for column in range(3)] == [3, 4, 255]


def test_sampling_uses_the_batchs_statistics_and_changes_nothing():
    network = Generator(TINY, torch.Generator().manual_seed(0)).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    latent = torch.randn(9, 5, generator=torch.Generator().manual_seed(1))
    sampled = generate(network, latent)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not network.training
    expected = network.train()(latent).detach().add(1).mul(127.5).round().permute(0, 2, 3, 1)
    assert torch.equal(sampled.float(), expected)
    assert sample_grid(network, latent).size == (32, 32)


def test_grey_images_make_a_grey_picture():
    assert image_grid(np.zeros((4, 8, 8, 1), np.uint8)).mode == "L"
