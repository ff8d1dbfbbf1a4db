import numpy as np
import pytest
import torch

from dcgan_features.features.kmeans.patches import (
    Standardisation,
    Whitening,
    all_patches,
    cells_of_patches,
    draw_patches,
    fold_offset,
    grid_edges,
    normalise_contrast,
    rectify_,
)

CPU = torch.device("cpu")


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 9, 8, 3), dtype=np.uint8)


def test_patches_are_those_cut_out_by_slicing(images):
    patches = all_patches(torch.from_numpy(images), 4)
    assert patches.shape == (5, 6, 5, 4, 12)
    for row, column in ((0, 0), (2, 3), (5, 4)):
        expected = images[1, row : row + 4, column : column + 4].reshape(4, 12)
        np.testing.assert_array_equal(patches[1, row, column].numpy(), expected)


def test_drawn_patches_lie_in_the_images_in_the_same_order_and_reach_every_border(images):
    drawn = draw_patches(images, 4, 3000, np.random.default_rng(1)).numpy()
    present = all_patches(torch.from_numpy(images), 4).reshape(-1, 48).numpy()
    assert {tuple(patch) for patch in drawn} == {tuple(patch) for patch in present}  # 150 places, 3,000 draws


def test_contrast_normalisation_by_hand():
    # Mean 4, squared deviations 16 + 0 + 16 over 2, plus 10: sqrt(26).
    expected = torch.tensor([[-4.0, 0.0, 4.0], [0.0, 0.0, 0.0]]) / 26**0.5
    patches = torch.tensor([[0.0, 4.0, 8.0], [7.0, 7.0, 7.0]])
    torch.testing.assert_close(normalise_contrast(patches), expected)
    torch.testing.assert_close(normalise_contrast(patches, added=9.0), expected * 26**0.5 / 5)


def test_whitened_patches_have_identity_covariance():
    random = np.random.default_rng(0)
    mixed = torch.from_numpy(random.normal(size=(5000, 6)) @ random.normal(size=(6, 6)) + 3).float()
    whitening = Whitening.fit(mixed, epsilon=0.0)
    white = whitening(mixed).double()
    torch.testing.assert_close(torch.cov(white.T), torch.eye(6, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(white.mean(0), torch.zeros(6, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(whitening.matrix, whitening.matrix.T, atol=1e-5, rtol=1e-5)  # zero phase


def test_whitening_adds_its_constant_to_the_eigenvalues():
    # Uncorrelated columns of variance 4 and 0 (three rows): divided by sqrt(4.1) and sqrt(0.1).
    patches = torch.tensor([[-2.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    torch.testing.assert_close(Whitening.fit(patches).matrix, torch.diag(torch.tensor([4.1**-0.5, 0.1**-0.5])))


@pytest.mark.parametrize(
    ("size", "grid", "edges"), [(27, 2, [0, 14, 27]), (4, 2, [0, 2, 4]), (7, 3, [0, 3, 5, 7]), (5, 1, [0, 5])]
)
def test_cells_tile_the_positions(size, grid, edges):
    assert grid_edges(size, grid) == edges


def test_cells_hold_the_patches_of_their_quadrant(images):
    cells = list(cells_of_patches(images, 4, 2, CPU))  # 6 x 5 positions: rows 3 + 3, columns 3 + 2
    assert [tuple(cell.shape) for cell in cells] == [(5, 9, 48), (5, 6, 48), (5, 9, 48), (5, 6, 48)]
    patch = torch.from_numpy(images[2, 4:8, 3:7].reshape(1, 48)).float()  # row 4, column 3: last cell, second row
    torch.testing.assert_close(cells[3][2, 2:3], normalise_contrast(patch))


def test_cells_are_right_where_patches_span_the_whole_width(images):
    narrow = images[:, :, :4]  # patches overlap in memory, so normalising one in place would change its neighbours
    cells = torch.cat(list(cells_of_patches(narrow, 4, 1, CPU)), dim=1)
    expected = normalise_contrast(all_patches(torch.from_numpy(narrow.copy()), 4).reshape(5, 6, 48).float())
    torch.testing.assert_close(cells, expected)


def test_standardisation_against_numpy():
    features = np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32)
    features[:, 1] = 5  # constant: divided by sqrt(0 + 0.01)
    expected = (features - features.mean(0)) / np.sqrt(features.var(0, ddof=1) + 0.01)
    standardisation = Standardisation.fit(torch.from_numpy(features))
    torch.testing.assert_close(
        standardisation(torch.from_numpy(features.copy())), torch.from_numpy(expected), atol=1e-5, rtol=1e-5
    )
    assert Standardisation.fit(torch.ones(1, 2)).scale.tolist() == pytest.approx([10.0, 10.0])


def test_the_folded_offset_keeps_what_bfloat16_would_round_away():
    weights, offset = torch.eye(3, 4), torch.tensor([0.1, -3.3, 1 / 3, 100.7])
    filters = fold_offset(weights, offset, torch.bfloat16)
    assert filters.shape == (8, 4)
    inputs = torch.tensor([[2.0, 0, 0, 1, 1, 0, 0, 0]])
    torch.testing.assert_close(inputs @ filters.float(), offset + 2 * weights[:1], rtol=1e-4, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rectified_values_are_the_positive_ones(dtype):
    values = torch.tensor([-2.5, -0.0, 0.0, 1e-30, 3.0], dtype=dtype)
    expected = values.clamp_min(0)
    assert rectify_(values) is values
    assert torch.equal(values, expected)
