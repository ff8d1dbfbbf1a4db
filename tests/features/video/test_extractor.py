"""Features of clips: those of the frozen discriminator, by hand, and one sentence for weights without one."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features import ClipFeatures
from dcgan_features.gan.video.networks import ClipGenerator, clip_discriminator, stack_frames, stacked_pixels
from dcgan_features.gan.video.weights import save_video_weights
from tests.gan.tiny_video import TINY, tiny_recipe


@pytest.fixture
def clips():
    return np.random.default_rng(0).integers(0, 256, (10, TINY.window, 16, 16, 1), dtype=np.uint8)


def test_features_are_the_maps_of_all_layers_max_pooled(tmp_path, clips):
    tiny_recipe()  # makes the network known
    network = clip_discriminator(TINY, torch.Generator().manual_seed(0))
    parts = {"generator": ClipGenerator(TINY), "discriminator": network}
    save_video_weights(tmp_path / "weights", TINY, parts, {})
    made = ClipFeatures(tmp_path, dtype="float32").fit_transform(stacked_pixels(clips))
    network.train()  # normalises by the statistics of these clips, as fit has estimated them
    with torch.no_grad():
        maps = network.maps(stack_frames(torch.from_numpy(clips)))
    pooled = [functional.max_pool2d(layer, layer.shape[2] // 4).flatten(1) for layer in maps]
    np.testing.assert_allclose(made, torch.cat(pooled, 1), rtol=1e-4, atol=1e-5)


def test_weights_without_a_discriminator_are_refused(tmp_path, clips):
    tiny_recipe()
    save_video_weights(tmp_path / "weights", TINY, {"generator": ClipGenerator(TINY)}, {})
    with pytest.raises(InputError, match="trained without a discriminator"):
        ClipFeatures(str(tmp_path)).fit(stacked_pixels(clips))
