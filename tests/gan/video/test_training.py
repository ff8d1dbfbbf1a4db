"""Training of frame prediction: losses, what each network minimises, windows, and runs that resume to the bit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from typer.testing import CliRunner

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.video.__main__ import app
from dcgan_features.gan.video.losses import gradient_difference_loss
from dcgan_features.gan.video.networks import stack_frames
from dcgan_features.gan.video.recipe import make_video_recipe, read_video_recipe
from dcgan_features.gan.video.training import FramePrediction, PredictionRun, predict
from dcgan_features.gan.video.weights import load_video_weights
from tests.gan.tiny_video import tiny_clips, tiny_recipe

ROOT = Path(__file__).parents[3]


def test_the_gradient_difference_is_equation_6_written_out():
    truth, predicted = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0)), torch.rand(2, 3, 5, 4)
    down, across = [], []
    for n, f, i, j in np.ndindex(2, 3, 5, 4):
        y, p = truth[n, f], predicted[n, f]
        if i:
            down.append(abs(abs(y[i, j] - y[i - 1, j]) - abs(p[i, j] - p[i - 1, j])))
        if j:
            across.append(abs(abs(y[i, j - 1] - y[i, j]) - abs(p[i, j - 1] - p[i, j])))
    expected = torch.stack(down).mean() + torch.stack(across).mean()
    torch.testing.assert_close(gradient_difference_loss(predicted, truth), expected)


def test_losses_of_a_step_are_those_of_the_networks_before_it():
    training = FramePrediction(tiny_recipe(), tiny_clips())
    clips = stack_frames(torch.from_numpy(training.clips.take(training.indices(0))))
    starts = training._starts()
    assert starts.min() >= 1  # so that a window has a predicted frame
    assert starts.max() <= 2
    predicted = training.generator(clips[:, :3])
    joined = torch.cat([clips[:, :3], predicted.clamp(-1, 1)], 1)
    real, fake = (
        torch.stack([kind[row, start : start + 3] for row, start in enumerate(starts.tolist())])
        for kind in (clips, joined)
    )
    on_real, on_fake = training.discriminator(real), training.discriminator(fake)
    found = training.step()
    torch.testing.assert_close(found.l1, (predicted - clips[:, 3:]).abs().mean())
    torch.testing.assert_close(found.l2, functional.mse_loss(predicted, clips[:, 3:]))
    torch.testing.assert_close(found.real, functional.binary_cross_entropy_with_logits(on_real, torch.ones(8)))
    torch.testing.assert_close(found.fake, functional.binary_cross_entropy_with_logits(on_fake, torch.zeros(8)))
    assert found.adversarial is not None
    assert found.adversarial > 0


def test_the_twin_has_the_same_generator_sees_the_same_clips_and_no_discriminator():
    dcgan = FramePrediction(tiny_recipe(), tiny_clips())
    twin = FramePrediction(tiny_recipe(adversarial=0, gradient_difference=0, l1=0), tiny_clips())
    for own, other in zip(dcgan.generator.parameters(), twin.generator.parameters(), strict=True):
        assert torch.equal(own, other)
    np.testing.assert_array_equal(dcgan.indices(4), twin.indices(4))
    assert twin.networks == ("generator",)
    losses = [twin.step().l2.item() for _ in range(8)]
    assert losses[-1] < losses[0]
    assert twin.step().real is None


def test_prediction_learns_a_moving_bar_and_beats_the_last_frame():
    recipe = tiny_recipe(clips=1600, learning_rate=5e-3)
    training = FramePrediction(recipe, tiny_clips(160))
    for _ in range(recipe.steps):
        training.step()
    unseen = tiny_clips(20, seed=1).frames
    made = predict(training.generator, unseen[:, :3])
    errors = [np.square(unseen[:, 3:].astype(float) - frames).mean() for frames in (made, unseen[:, 2:3])]
    assert errors[0] < errors[1] / 2
    assert training.generator.training  # left as it was
    with pytest.raises(ValueError, match="takes 3 frames of 16 pixels"):
        predict(training.generator, unseen)


PROGRAM = """
import sys
from pathlib import Path
from dcgan_features.gan.video.training import PredictionRun
from tests.gan.tiny_video import tiny_clips, tiny_recipe
import torch
torch.set_num_threads(1)
PredictionRun(tiny_recipe(clips=8 * 150, checkpoint_every=1), tiny_clips(), Path(sys.argv[1])).finish()
"""


def test_a_killed_run_resumes_to_the_bit(tmp_path):
    torch.set_num_threads(1)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(killed)], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (killed / "checkpoint.safetensors").exists():
        assert child.poll() is None, "the run ended before it could be killed"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    recipe = tiny_recipe(clips=8 * 150, checkpoint_every=50)
    run = PredictionRun(recipe, tiny_clips(), killed)
    assert 1 <= run.training.steps_done < 150
    run.finish()
    PredictionRun(recipe, tiny_clips(), whole).finish()
    assert (killed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    assert not list(killed.rglob("*.tmp"))
    loaded = load_video_weights(killed)
    assert loaded.discriminator is not None
    variances = [buffer for name, buffer in loaded.discriminator.named_buffers() if name.endswith("running_var")]
    assert variances
    assert all((values != 1).all() for values in variances)  # estimated on real windows


def test_a_run_is_not_resumed_with_other_settings_or_clips(tmp_path):
    PredictionRun(tiny_recipe(clips=8, sample_every=1), tiny_clips(), tmp_path).finish()
    assert list((tmp_path / "samples").glob("*.png"))
    for settings, clips, message in (
        ({"l1": 0.1}, tiny_clips(), "begun with l1=0.5, not 0.1"),
        ({"clips": 80}, tiny_clips(), "begun with clips=8, not 80"),
        ({}, tiny_clips(seed=3), "begun on other images"),
    ):
        with pytest.raises(InputError, match=message):
            PredictionRun(tiny_recipe(**{"clips": 8, **settings}), clips, tmp_path)
    with pytest.raises(InputError, match="fewer than one minibatch"):
        PredictionRun(tiny_recipe(), tiny_clips(4), tmp_path / "few")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"l3": 1}, "unknown key 'l3'"),
        ({"network": "moving-46"}, "did you mean"),
        ({"adversarial": -1}, "adversarial"),
        ({"l1": 0, "l2": 0}, "both 0"),
    ],
)
def test_recipes_are_checked(settings, message):
    with pytest.raises(InputError, match=message):
        make_video_recipe(settings)


def test_the_command_trains_and_says_what_is_wrong(tmp_path):
    (tmp_path / "recipe.yaml").write_text("network: moving-32\nbatch_size: 4\nsample_every: 2\n", "utf-8")
    given = ["--data", "moving-shapes", "--recipe", str(tmp_path / "recipe.yaml"), "--device", "cpu"]
    made = CliRunner().invoke(app, [*given, "--out", str(tmp_path / "run"), "--clips", "8"], catch_exceptions=False)
    assert made.exit_code == 0
    assert "8 clips (moving-shapes (stand-in)" in made.output
    assert load_video_weights(tmp_path / "run").spec.name == "moving-32"
    assert (tmp_path / "run" / "samples" / "00000002.png").exists()
    assert read_video_recipe(tmp_path / "recipe.yaml", {"clips": 8}).batch_size == 4
    with pytest.raises(InputError, match="takes"):
        PredictionRun(tiny_recipe(network="moving-32"), tiny_clips(), tmp_path / "other")
