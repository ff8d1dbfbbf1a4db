"""The networks of frame prediction: shapes, frames stacked and unstacked, weights on disk."""

import numpy as np
import pytest
import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.networks import Discriminator, scale_images
from dcgan_features.gan.spec import SVHN_32
from dcgan_features.gan.video.networks import (
    VIDEO_SPECS,
    ClipGenerator,
    clip_discriminator,
    stack_frames,
    stacked_pixels,
    unstack_frames,
)
from dcgan_features.gan.video.weights import load_video_weights, save_video_weights
from dcgan_features.gan.weights_file import save_weights


@pytest.mark.parametrize("spec", VIDEO_SPECS.values(), ids=lambda spec: spec.name)
def test_frames_go_in_and_the_next_ones_come_out(spec):
    generator = ClipGenerator(spec, torch.Generator().manual_seed(0)).eval()
    frames = torch.zeros(1, spec.given * spec.channels, spec.size, spec.size)
    made = generator(frames)
    assert made.shape == (1, spec.predicted * spec.channels, spec.size, spec.size)
    judge = clip_discriminator(spec, torch.Generator().manual_seed(0)).eval()
    assert judge(torch.zeros(2, spec.window * spec.channels, spec.size, spec.size)).shape == (2,)
    assert judge.spec.feature_count() == 16 * sum(layer.maps for layer in spec.discriminator)


@pytest.mark.parametrize("channels", [1, 3])
def test_stacking_keeps_every_pixel(channels):
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 6, channels), dtype=np.uint8)
    stacked = stack_frames(torch.from_numpy(clips))
    assert stacked.shape == (2, 4 * channels, 6, 6)
    assert stacked[1, 3 * channels, 2, 5] == np.float32(clips[1, 3, 2, 5, 0] / np.float32(127.5) - 1)
    np.testing.assert_array_equal(unstack_frames(stacked, channels).numpy(), clips)
    pixels = stacked_pixels(clips)  # the same, as images that an extractor takes
    np.testing.assert_allclose(scale_images(torch.from_numpy(pixels)), stacked)


def test_weights_come_back_and_others_are_refused(tmp_path):
    spec = VIDEO_SPECS["moving-32"]
    parts = {"generator": ClipGenerator(spec), "discriminator": clip_discriminator(spec)}
    save_video_weights(tmp_path / "weights", spec, parts, {"images_seen": 5})
    loaded = load_video_weights(tmp_path)
    frames = torch.rand(2, spec.given, 32, 32)
    torch.testing.assert_close(loaded.generator(frames), parts["generator"].eval()(frames))
    assert loaded.discriminator is not None
    assert loaded.metadata["images_seen"] == 5
    save_video_weights(tmp_path / "alone", spec, {"generator": parts["generator"]}, {})
    assert load_video_weights(tmp_path / "alone").discriminator is None
    save_weights(tmp_path / "image", Discriminator(SVHN_32), None, {})
    with pytest.raises(InputError, match="of the kind None"):
        load_video_weights(tmp_path / "image")
