import numpy as np
import pytest
import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.exemplar.seeds import draw_seeds, patch_gradients
from dcgan_features.features.exemplar.transformations import CONTEXT, PATCH
from tests.features.exemplar.tiny import tiny_images

MARGIN = (CONTEXT - PATCH) // 2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_gradients_of_patches_are_means_over_their_pixels():
    brightness = torch.from_numpy(np.random.default_rng(0).random((2, 35, 37)) * 255)
    down, right = np.gradient(brightness.numpy(), axis=(1, 2))
    squared = down**2 + right**2
    got = patch_gradients(brightness)
    assert got.shape == (2, 4, 6)
    np.testing.assert_allclose(got[1, 3, 2], squared[1, 3:35, 2:34].mean())


def test_a_context_is_the_image_around_the_patch_mirrored_at_its_border():
    images = tiny_images(6, 48)
    contexts, places = draw_seeds(images, 4, None, generator())
    assert contexts.shape == (4, CONTEXT, CONTEXT, 3)
    assert len(set(places[:, 0].tolist())) == 4  # one an image
    for context, (number, top, left) in zip(contexts.numpy(), places.tolist(), strict=True):
        padded = np.pad(images[number], ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="reflect")
        assert np.array_equal(context, padded[top : top + CONTEXT, left : left + CONTEXT])


def test_images_are_resized_before_patches_are_cut():
    images = np.full((3, 16, 16, 3), 10, np.uint8)
    images[:, 8:] = 200
    contexts, places = draw_seeds(images, 3, 64, generator())
    assert set(contexts[:, MARGIN : MARGIN + PATCH].unique().tolist()) >= {10, 200}
    assert int(places[:, 1:].max()) <= 32


def test_places_are_drawn_in_proportion_to_their_gradient():
    """Two images alike but for their contrast: their gradients are as 1 to 4, and so are their chances."""
    pattern = np.indices((PATCH, PATCH)).sum(0) % 8
    images = np.stack([pattern * 8, pattern * 16])[..., None].repeat(3, 3).astype(np.uint8)
    chosen = [int(draw_seeds(images, 1, None, generator(seed))[1][0, 0]) for seed in range(400)]
    assert abs(np.mean(chosen) - 0.8) < 0.06
    # Within an image: one of two places has all the gradient.
    image = np.zeros((1, PATCH, 3 * PATCH, 3), np.uint8)
    image[:, :, : PATCH - 2] = (pattern * 20)[None, :, : PATCH - 2, None]
    lefts = [int(draw_seeds(image, 1, None, generator(seed))[1][0, 2]) for seed in range(40)]
    assert max(lefts) < PATCH


@pytest.mark.parametrize(("images", "count", "size", "sentence"), [
    (tiny_images(4, 28), 2, None, "28x28 pixels, smaller than a patch of 32x32; give larger images, or 'image_size'"),
    (tiny_images(4, 40), 2, 20, "20x20 pixels, smaller"),
    (np.full((5, 40, 40, 3), 77, np.uint8), 2, None, "only 0 of 5 images have any contrast"),
    (np.full((5, 32, 32, 3), 77, np.uint8), 2, 50, "only 0 of 5 images have any contrast"),
    (tiny_images(4, 40), 5, None, "5 seed patches are wanted, but only 4 of 4 images"),
    (tiny_images(4, 40)[..., :1], 2, None, r"1 channel\(s\), but patches are RGB"),
])  # fmt: skip
def test_images_that_seeds_cannot_be_drawn_from(images, count, size, sentence):
    with pytest.raises(InputError, match=sentence):
        draw_seeds(images, count, size, generator())
