"""Conditional GANs: shapes, the part that labels play, samples, and runs that are killed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.conditional.networks import (
    MNIST_CONDITIONAL,
    MNIST_DENSE,
    ConditionalDiscriminator,
    ConditionalGenerator,
    generate_classes,
    one_hot,
)
from dcgan_features.gan.conditional.training import (
    ConditionalRun,
    ConditionalTraining,
    draw_classes,
    load_conditional_generator,
    make_conditional_recipe,
)
from dcgan_features.gan.networks import draw_latent
from tests.gan.tiny_conditional import ABOUT, CLASSES, TINY, TINY_DENSE, bars, recipe

ROOT = Path(__file__).parents[3]
BOTH = pytest.mark.parametrize("spec", [TINY, TINY_DENSE], ids=lambda spec: spec.name)


def latent_and_classes(count, spec):
    latent = draw_latent(spec, count, torch.Generator().manual_seed(1))
    return latent, one_hot(torch.arange(count) % spec.classes, spec.classes)


@pytest.mark.parametrize(
    ("spec", "generator", "discriminator"),
    [
        (MNIST_CONDITIONAL, [110 * 1024, 1034 * 6272, 138 * 64 * 25, 74 * 25],
         [11 * 64 * 25, 74 * 128 * 25, 6282 * 1024, 1034]),
        (MNIST_DENSE, [110 * 1024, 1034 * 1024, 1034 * 784], [794 * 1024, 1034 * 1024, 1034]),
    ],
)  # fmt: skip
def test_shapes_are_those_of_the_appendix_with_labels_beside_the_input_of_every_layer(spec, generator, discriminator):
    """Parameters: kernels and matrices alone, for normalisation has neither gains nor shifts and no layer a bias."""
    networks = ConditionalGenerator(spec), ConditionalDiscriminator(spec)
    for network, sizes in zip(networks, (generator, discriminator), strict=True):
        assert [parameter.numel() for parameter in network.parameters()] == sizes
    latent, classes = latent_and_classes(4, spec)
    images = networks[0](latent, classes)
    assert images.shape == (4, 1, 28, 28)
    assert images.min() >= 0
    assert images.max() <= 1
    assert networks[1](images, classes).shape == (4,)


@BOTH
def test_every_layer_sees_the_labels(spec):
    """Where all other layers' weights of the labels are 0, each one alone still tells classes apart."""
    latent, classes = latent_and_classes(6, spec)
    other = classes.roll(1, 1)
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    for network, inputs in ((ConditionalGenerator(spec), latent), (ConditionalDiscriminator(spec), images)):
        network.eval()
        layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        assert len(layers) >= 3

        def forget(layer):
            axis = 0 if isinstance(layer, nn.ConvTranspose2d) else 1
            with torch.no_grad():
                layer.weight.narrow(axis, layer.weight.shape[axis] - spec.classes, spec.classes).zero_()

        kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        for layer in layers:
            network.load_state_dict(kept)
            for another in layers:
                if another is not layer:
                    forget(another)
            assert not torch.equal(network(inputs, classes), network(inputs, other))
            forget(layer)
            assert torch.equal(network(inputs, classes), network(inputs, other))


def test_dense_layers_by_hand():
    """The dense generator, written out: matrices, statistics of the batch, rectifier, sigmoid."""
    network: Any = ConditionalGenerator(TINY_DENSE, torch.Generator().manual_seed(0))
    latent, classes = latent_and_classes(12, TINY_DENSE)
    hidden = latent
    for layer in network.dense[:-1]:
        hidden = torch.cat([hidden, classes], 1) @ layer.weight.T
        hidden = torch.relu((hidden - hidden.mean(0)) / torch.sqrt(hidden.var(0, correction=0) + 1e-8))
    expected = torch.sigmoid(torch.cat([hidden, classes], 1) @ network.dense[-1].weight.T).view(-1, 1, 8, 8)
    torch.testing.assert_close(network(latent, classes), expected, rtol=1e-4, atol=1e-5)


def test_fakes_are_of_the_classes_of_the_minibatch():
    images, labels = bars()
    training = ConditionalTraining(recipe(), images, labels)
    seen = []
    for network in (training.generator, training.discriminator):
        network.register_forward_hook(lambda module, inputs, output: seen.append(inputs[1].argmax(1).numpy()))
    for step in range(4):
        training.step()
        expected = labels[training.minibatches.indices(step)]
        assert len(seen) == (2 if step % 2 == 0 else 3)
        assert all(np.array_equal(found, expected) for found in seen)
        seen.clear()


def test_real_images_are_scaled_to_the_range_of_the_sigmoid():
    images, labels = bars()
    training = ConditionalTraining(recipe(), images, labels)
    expected = images[training.minibatches.indices(1)].transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(training.minibatches.real(1).numpy(), expected, atol=1e-6)


def test_the_learning_rate_falls_at_the_end_linearly():
    images, labels = bars()
    settings = recipe(images=160, decay_images=64, learning_rate=0.1)  # ten minibatches, of which the last four
    training = ConditionalTraining(settings, images, labels)
    rates = []
    for _ in range(10):
        training.step()
        rates.append(
            [training.generator_optimiser.param_groups[0]["lr"], training.recipe.rate(training.steps_done - 1)]
        )
    assert all(first == second for first, second in rates)
    np.testing.assert_allclose([first for first, _ in rates], [0.1] * 7 + [0.075, 0.05, 0.025])
    assert recipe(learning_rate=0.1).rate(9) == 0.1


@BOTH
def test_a_generator_learns_to_make_the_class_that_is_asked_for(spec):
    """With one of a few seeds: which of them mix two classes up depends on rounding, which differs between machines."""
    images, labels = bars(300)

    def share_right(seed):
        settings = recipe(network=spec.name, learning_rate=2e-3, images=16 * 600, seed=seed)
        training = ConditionalTraining(settings, images, labels)
        for _ in range(600):
            training.step()
        made, asked = draw_classes(training.generator, 96, torch.Generator().manual_seed(5))
        rows = made[:, 1:6:2].astype(float).mean((2, 3))
        return (rows.argmax(1) == asked).mean()

    assert any(share_right(seed) > 0.9 for seed in range(6))


def test_samples_use_the_statistics_of_their_batch_or_the_running_ones_and_change_neither():
    images, labels = bars()
    training = ConditionalTraining(recipe(), images, labels)
    for _ in range(4):
        training.step()
    generator = training.generator
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    latent, classes = latent_and_classes(300, TINY)
    own = generate_classes(generator, latent, classes.argmax(1))
    assert generator.training
    assert own.shape == (300, 8, 8, 1)
    assert own.dtype == torch.uint8
    with torch.no_grad():
        batch = generator(latent[128:], classes[128:])  # what is left over joins the last batch
        generator.load_state_dict(before)
        running = generator.eval()(latent, classes)
    expected = [(part * 255).round().permute(0, 2, 3, 1).to(torch.uint8) for part in (batch, running)]
    assert torch.equal(own[128:], expected[0])
    assert torch.equal(
        generate_classes(generator.train(), latent, classes.argmax(1), own_statistics=False), expected[1]
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


def test_discriminator_step_by_hand():
    images, labels = bars()
    training = ConditionalTraining(recipe(), images, labels)
    training.step()
    discriminator, generator = training.discriminator, training.generator
    classes = one_hot(torch.from_numpy(labels[training.minibatches.indices(1)]), CLASSES)
    drawn = []
    hook = generator.register_forward_hook(lambda module, inputs, output: drawn.append(output))
    with torch.no_grad():
        real = functional.softplus(-discriminator(training.minibatches.real(1), classes)).mean()
    before = {name: tensor.clone() for name, tensor in discriminator.state_dict().items()}
    losses = training.step()
    hook.remove()
    with torch.no_grad():
        discriminator.load_state_dict(before)
        fake = functional.softplus(discriminator(drawn[0], classes)).mean()
    torch.testing.assert_close((losses.real, losses.fake), (real, fake))


SETTINGS = {"images": 16 * 80, "precision": "bf16", "checkpoint_every": 1, "decay_images": 640, "snapshot_every": 640}
PROGRAM = f"""
import os, signal, sys, time, torch
from typing import Any
from pathlib import Path
from dcgan_features.gan.conditional.training import ConditionalRun
from tests.gan.tiny_conditional import ABOUT, bars, recipe
torch.set_num_threads(1)
out = Path(sys.argv[1])
checkpoint = out / "checkpoint.safetensors"
for pause in (0.0, 0.05):
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    child = os.fork()
    if not child:
        ConditionalRun(recipe(**{SETTINGS}), *bars(), out, ABOUT).finish()
        os._exit(0)
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the run ended before it could be killed"
        time.sleep(0.001)
    time.sleep(pause)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the run ended before it could be killed"
"""


def test_a_killed_run_resumes_to_the_bit(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(killed)], cwd=ROOT, stderr=subprocess.PIPE, check=True, timeout=300
    )
    run = ConditionalRun(recipe(**SETTINGS), *bars(), killed, ABOUT)
    assert 2 <= run.training.steps_done < 80
    run.finish()
    ConditionalRun(recipe(**{**SETTINGS, "checkpoint_every": None, "sample_every": 40}), *bars(), whole, ABOUT).finish()
    snapshots = [f"snapshots/{file.name}" for file in (whole / "snapshots").glob("*.safetensors")]
    assert len(snapshots) == 2
    for name in ("weights.safetensors", *snapshots):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert len(list((whole / "samples").glob("*.png"))) == 2


def test_weights_come_back_and_others_are_refused(tmp_path):
    images, labels = bars()
    run = ConditionalRun(recipe(), images, labels, tmp_path, ABOUT)
    path = run.finish()
    generator, about = load_conditional_generator(path)
    assert about["data"] == ABOUT
    assert about["images_seen"] == 160
    ours, theirs = (
        draw_classes(network, 20, torch.Generator().manual_seed(3))[0]
        for network in (generator, run.training.generator)
    )
    assert np.array_equal(ours, theirs)
    shipped = ROOT / "gan" / "weights" / "svhn-32.safetensors"
    with pytest.raises(InputError, match="does not describe weights of this kind"):
        load_conditional_generator(shipped)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "mnist-condtional"}, "did you mean 'mnist-conditional'"),
        ({"decay_image": 5}, "did you mean 'decay_images'"),
        ({"decay_images": -1}, r"decay_images: .*\(not -1\)"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        make_conditional_recipe(settings)


def test_what_does_not_fit_is_refused(tmp_path):
    images, labels = bars()
    with pytest.raises(InputError, match="labels from 1 to 3"):
        ConditionalRun(recipe(), images, labels + 1, tmp_path, ABOUT)
    ConditionalRun(recipe(decay_images=32), images, labels, tmp_path, ABOUT).finish()  # rates fall from batch 9 on
    with pytest.raises(InputError, match="was begun with images=160, not 320"):
        ConditionalRun(recipe(decay_images=32, images=320), images, labels, tmp_path, ABOUT)


def test_until_the_learning_rate_falls_a_run_may_be_made_shorter_or_longer(tmp_path):
    """Ten minibatches, the rate falling over the last two; stopped after five, and then ended otherwise."""
    images, labels = bars()
    changed = recipe(images=128, decay_images=48)
    ConditionalRun(changed, images, labels, tmp_path / "whole", ABOUT).finish()
    run = ConditionalRun(recipe(decay_images=32), images, labels, tmp_path / "changed", ABOUT)
    for _ in range(changed.full_steps):
        run.training.step()
    (tmp_path / "changed").mkdir()
    run._save()
    assert all(changed.rate(step) == changed.learning_rate for step in range(changed.full_steps))
    assert changed.rate(changed.full_steps) < changed.learning_rate
    ConditionalRun(changed, images, labels, tmp_path / "changed", ABOUT).finish()
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "changed"))
    assert first == second
    with pytest.raises(InputError, match="was begun with images=128, not 160"):
        ConditionalRun(recipe(images=160, decay_images=48), images, labels, tmp_path / "changed", ABOUT)
    with pytest.raises(InputError, match="was begun with decay_images=48, not 32"):
        ConditionalRun(recipe(images=128, decay_images=32), images, labels, tmp_path / "changed", ABOUT)
