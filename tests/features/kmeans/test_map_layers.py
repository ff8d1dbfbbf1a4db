import numpy as np
import pytest
import torch

from dcgan_features.features.kmeans.map_layers import GroupLayer, PatchLayer, cut_neighbourhoods, map_sizes, sum_cells
from dcgan_features.features.kmeans.patches import Whitening


@pytest.fixture
def random():
    return np.random.default_rng(0)


def whitening(random, d):
    return Whitening(
        torch.from_numpy(random.normal(size=d)).float(), torch.from_numpy(random.normal(size=(d, d))).float()
    )


def whiten(layer_whitening, x):
    return (x - layer_whitening.mean.double().numpy()) @ layer_whitening.matrix.double().numpy()


def average_pairs(responses):
    """(units, height, width) averaged over 2 x 2 positions by loops; an odd row or column is left out."""
    units, height, width = responses.shape
    pooled = np.zeros((units, height // 2, width // 2))
    for row in range(height // 2):
        for column in range(width // 2):
            window = responses[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            pooled[:, row, column] = window.mean((1, 2))
    return pooled


def test_the_first_layer_equals_loops_over_patches(random):
    images = random.integers(0, 256, (3, 10, 9, 2)).astype(np.float64)
    white, atoms = whitening(random, 32), random.normal(size=(70, 32))  # more units than one block holds
    layer = PatchLayer.build(torch.from_numpy(atoms).float(), white, 0.5, 4, torch.float32)
    maps = layer.encode(torch.from_numpy(images).float())
    assert maps.shape == (70, 3, 3, 3)
    for number, image in enumerate(images):
        responses = np.zeros((70, 7, 6))
        for row in range(7):
            for column in range(6):
                x = image[row : row + 4, column : column + 4].reshape(-1)
                x = (x - x.mean()) / np.sqrt(x.var(ddof=1) + 10)
                responses[:, row, column] = np.maximum(0, atoms @ whiten(white, x) - 0.5)
        np.testing.assert_allclose(maps[..., number], average_pairs(responses), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n", [4, 3])  # images whose numbers at a position do, or do not, fill 16 bytes
@pytest.mark.parametrize("pooled", [True, False])
def test_a_deeper_layer_equals_loops_over_groups_and_positions(random, pooled, n):
    maps = random.uniform(size=(9, 6, 5, n))
    groups = torch.tensor([[0, 3, 8], [1, 2, 3]])
    whitenings = [whitening(random, 12) for _ in groups]
    atoms = [random.normal(size=(4, 12)) for _ in groups]
    layer = GroupLayer.build(
        groups, [torch.from_numpy(a).float() for a in atoms], whitenings, [0.2, 0.01], 0.3, pooled, torch.float32
    )
    encoded = layer.encode(torch.from_numpy(maps).float())
    assert encoded.shape == ((8, 2, 2, n) if pooled else (8, 5, 4, n))
    for number in range(n):
        responses = np.zeros((8, 5, 4))
        for index, group in enumerate(groups.numpy()):
            for row in range(5):
                for column in range(4):
                    x = maps[group, row : row + 2, column : column + 2, number].reshape(-1)
                    x = (x - x.mean()) / np.sqrt(x.var(ddof=1) + [0.2, 0.01][index])
                    code = np.maximum(0, atoms[index] @ whiten(whitenings[index], x) - 0.3)
                    responses[4 * index : 4 * index + 4, row, column] = code
        expected = average_pairs(responses) if pooled else responses
        np.testing.assert_allclose(encoded[..., number], expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_maps_are_within_one_percent(random):
    maps = torch.from_numpy(random.uniform(size=(9, 6, 5, 3))).float()
    arguments = torch.tensor([[0, 3, 8]]), [torch.from_numpy(random.normal(size=(4, 12))).float()]
    white = [Whitening(torch.full((12,), 0.5), torch.eye(12))]
    exact = GroupLayer.build(*arguments, white, [0.02], 0.1, True, torch.float32).encode(maps)
    rounded = GroupLayer.build(*arguments, white, [0.02], 0.1, True, torch.bfloat16).encode(maps.bfloat16())
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).abs().mean() < 0.01 * exact.mean()


def test_neighbourhoods_are_those_cut_out_by_slicing():
    maps = torch.arange(2 * 4 * 3 * 5).view(2, 4, 3, 5)
    top, left = torch.tensor([[0, 2]] * 4 + [[1, 1]]), torch.tensor([[0, 1]] * 5)
    cut = cut_neighbourhoods(maps, top, left)
    assert cut.shape == (2, 4, 10)
    for image in range(5):
        for number in range(2):
            row, column = top[image, number], left[image, number]
            expected = maps[:, row : row + 2, column : column + 2, image].flatten(1)
            assert torch.equal(cut[:, :, 2 * image + number], expected)


def test_cells_are_summed_row_by_row_with_the_larger_first():
    maps = torch.arange(2 * 3 * 3).view(2, 3, 3, 1).float()
    # First map 0..8: rows 0-1 and columns 0-1 hold 0 + 1 + 3 + 4, and so on; the second is 9 more at every position.
    assert sum_cells(maps, 2).tolist() == [[8, 8 + 36, 7, 7 + 18, 13, 13 + 18, 8, 8 + 9]]


def test_sizes_of_maps_by_hand():
    assert map_sizes(32, 32, 6, 3) == [(13, 13), (6, 6), (5, 5)]
    assert map_sizes(32, 32, 6, 1) == [(13, 13)]
    assert map_sizes(12, 32, 6, 3) == [(3, 13), (1, 6), (0, 5)]
    assert map_sizes(5, 5, 6, 2) == [(0, 0), (0, 0)]
