import numpy as np
import pytest
import torch
from sklearn.base import clone

from dcgan_features.features import ViewInvariantKMeansFeatures
from dcgan_features.features.kmeans.patches import Whitening
from dcgan_features.features.kmeans.view_invariant import view_kmeans
from dcgan_features.features.kmeans.views import View, all_views, crop_margin, view_operators


@pytest.fixture(scope="module")
def images():
    """Smooth noise, so that neighbouring pixels are correlated as they are in photographs."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (60, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def tiny(**settings):
    defaults = {"n_units": 20, "n_patches": 300, "n_iter": 2, "n_standardise": 60, "dtype": "float32"}
    return ViewInvariantKMeansFeatures(**{**defaults, **settings})


def normalised(patch):
    return (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + 10)


def reference(extractor, image):
    """The sums of maxima over views by loops in float64, without the mirror image."""
    mean, matrix = (part.double().numpy() for part in (extractor.whitening_.mean, extractor.whitening_.matrix))
    atoms, size = extractor.atoms_.double().numpy(), extractor.patch_size
    views = all_views(extractor.rotations, extractor.scales)
    margin = crop_margin(size, views)
    padded = np.pad(image.astype(np.float64), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    operators = view_operators(size, margin, views).double().numpy()
    positions, crop = len(image) - size + 1, size + 2 * margin
    codes = np.zeros((positions, positions, len(atoms)))
    for row in range(positions):
        for column in range(positions):
            pixels = padded[row : row + crop, column : column + crop].reshape(crop**2, -1)
            seen = [(normalised((operator @ pixels).reshape(-1)) - mean) @ matrix for operator in operators]
            codes[row, column] = np.maximum(0, (atoms @ np.array(seen).T).max(1) - extractor.alpha)
    reach = extractor.translation
    inner = range(reach, positions - reach)
    sums = np.zeros((2, 2, len(atoms)))
    for row in inner:
        for column in inner:
            nearby = codes[row - reach : row + reach + 1, column - reach : column + reach + 1]
            half = (len(inner) + 1) // 2
            sums[int(row - reach >= half), int(column - reach >= half)] += nearby.max((0, 1))
    return sums.reshape(-1)


@pytest.mark.parametrize(
    "settings",
    [
        {"translation": 0, "reflection": None},
        {"rotations": (-15, 15), "scales": (0.85,), "alpha": 1.0, "reflection": "max"},
        {"patch_size": 5, "n_units": 700, "n_patches": 700, "n_iter": 1},  # more units than one block holds
    ],
)
def test_features_equal_a_float64_reference(images, settings):
    extractor = tiny(standardise=False, **settings).fit(images)
    expected = [reference(extractor, image) for image in images[:3]]
    if extractor.reflection:
        mirrored = [reference(extractor, image[:, ::-1]) for image in images[:3]]
        expected = getattr(np, extractor.reflection)([expected, mirrored], axis=0)
    np.testing.assert_allclose(extractor.transform(images[:3]), expected, rtol=1e-3, atol=1e-3 * np.max(expected))


def test_bfloat16_products_keep_the_features_to_one_percent(images):
    exact, rounded = (
        torch.as_tensor(
            tiny(standardise=False, rotations=(10,), dtype=dtype).fit(images).transform(images[:6])
        ).double()
        for dtype in ("float32", "bfloat16")
    )
    assert (rounded - exact).abs().mean() < 0.01 * exact.mean()


@pytest.mark.parametrize("reflection", ["mean", "max"])
def test_an_image_and_its_mirror_image_have_the_same_features(images, reflection):
    features = tiny(reflection=reflection).fit(images)
    np.testing.assert_array_equal(features.transform(images), features.transform(images[:, :, ::-1]))
    plain = tiny(reflection=None).fit(images)
    assert not np.allclose(plain.transform(images), plain.transform(images[:, :, ::-1]), atol=0.1)


def test_learning_is_that_of_loops_over_atoms_and_views(images):
    crops = torch.from_numpy(images[:40, :10, :10]).float()
    views = all_views((20,), (), 1, reflection=True)
    margin = 2
    operators = view_operators(6, margin, views)
    patches = torch.stack([torch.tensor(normalised(crop[2:8, 2:8].double().numpy().reshape(-1))) for crop in crops])
    whitening = Whitening.fit(patches.float())
    whitened = whitening(patches.float())
    dictionary = view_kmeans(crops, whitened, operators, whitening, 5, 3, torch.Generator().manual_seed(0))

    atoms = whitened[torch.randperm(40, generator=torch.Generator().manual_seed(0))[:5]].double()
    atoms /= atoms.norm(dim=1, keepdim=True)
    mean, matrix = whitening.mean.double().numpy(), whitening.matrix.double().numpy()
    for _ in range(3):
        sums = np.zeros(atoms.shape)
        for crop in crops.double().numpy().reshape(40, 100, 3):
            seen = [(normalised((view @ crop).reshape(-1)) - mean) @ matrix for view in operators.double().numpy()]
            scores = np.array(seen) @ np.asarray(atoms).T
            view, atom = np.unravel_index(scores.argmax(), scores.shape)
            sums[atom] += seen[view]
        assert np.abs(sums).sum(1).all()  # no atom died: replacements are not compared here
        atoms = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    assert dictionary.n_reseeded == 0
    np.testing.assert_allclose(dictionary.atoms, atoms, atol=1e-3)


def test_one_atom_takes_all_views_of_one_pattern():
    """Crops that show one pattern at five places each: with translations one atom explains what else takes five."""
    random = np.random.default_rng(0)
    scene = random.integers(0, 256, (10, 10, 1)).astype(np.float32)
    crops = torch.from_numpy(np.stack([scene[top : top + 8, left : left + 8] for top in range(3) for left in range(3)]))
    whitening = Whitening(torch.zeros(36), torch.eye(36))
    patches = torch.stack([torch.tensor(normalised(crop[1:7, 1:7].numpy().reshape(-1))) for crop in crops])
    scores = {}
    for name, views in {"views": all_views((), (), 1), "none": [View()]}.items():
        operators = view_operators(6, 1, views)
        atom = view_kmeans(crops, patches, operators, whitening, 1, 5, torch.Generator().manual_seed(1)).atoms[0]
        seen = [
            max(float(torch.tensor(normalised((view @ crop.reshape(64)).numpy())) @ atom) for view in operators)
            for crop in crops
        ]
        scores[name] = np.mean(seen) / np.linalg.norm(patches, axis=1).mean()
    assert scores["views"] > 0.95
    assert scores["none"] < 0.6


def test_atoms_that_win_nothing_are_replaced_and_counted():
    random = np.random.default_rng(0)
    crops = torch.from_numpy(random.integers(0, 256, (2, 4, 4, 1)).repeat(20, axis=0)).float()
    patches = torch.stack([torch.tensor(normalised(crop.numpy().reshape(-1))) for crop in crops]).float()
    whitening = Whitening(torch.zeros(16), torch.eye(16))
    operators = view_operators(4, 0, [View()])
    dictionary = view_kmeans(crops, patches, operators, whitening, 6, 2, torch.Generator().manual_seed(0))
    assert dictionary.n_reseeded >= 2 * 4  # two patches can keep two atoms alive
    assert torch.isfinite(dictionary.atoms).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"translation": -1}, "translation=-1"),
        ({"translation": 1.0}, "translation=1.0"),
        ({"reflection": True}, "reflection=True"),
        ({"rotations": (float("nan"),)}, "rotations"),
        ({"scales": (0.0,)}, "scales"),
        ({"alpha": -1.0}, "alpha"),
        ({"n_patches": 10}, "n_patches=10"),
        ({"scales": (3.0,)}, "18 x 18"),
        ({"translation": 5, "pooling_grid": 2}, "1 positions"),
    ],
)
def test_unusable_parameters(images, settings, message):
    with pytest.raises(ValueError, match=message):
        tiny(**settings).fit(images)


def test_it_can_be_cloned(images):
    settings = {"rotations": (10,), "seed": 3, "reflection": None}
    copy = clone(tiny(**settings).fit(images))
    assert copy.get_params() == tiny(**settings).get_params()
    assert not hasattr(copy, "atoms_")
