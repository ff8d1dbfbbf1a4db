import copy
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.conditional.training import make_conditional_recipe
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.dcgan import Run
from dcgan_features.gan.training.rotation_prediction import rotation_head, turn, turned_count, turned_positions
from dcgan_features.gan.weights_file import load_weights
from tests.gan.tiny import DATA, TINY, tiny_images, tiny_recipe


def test_each_image_is_turned_by_its_own_number_of_quarter_turns():
    images = torch.from_numpy(tiny_images(7).transpose(0, 3, 1, 2)).float()
    turns = torch.tensor([3, 0, 1, 2, 1, 0, 3])
    turned = turn(images, turns)
    for image, count, found in zip(images.numpy(), turns.tolist(), turned.numpy(), strict=True):
        by_hand = image
        for _ in range(count):  # a quarter turn counter-clockwise: the last column becomes the first row
            by_hand = by_hand[:, :, ::-1].transpose(0, 2, 1)
        np.testing.assert_array_equal(found, by_hand)
    assert turned.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("batch_size", "quarter"), [(16, 4), (128, 32), (10, 3), (2, 1)])
def test_a_quarter_of_the_minibatch_is_turned_in_all_orientations(batch_size, quarter):
    count = turned_count(batch_size)
    assert count == 4 * quarter >= batch_size
    positions, turns = turned_positions(batch_size, slice(0, count))
    pairs = set(zip(positions.tolist(), turns.tolist(), strict=True))
    assert pairs == {(position, turns) for position in range(quarter) for turns in range(4)}
    parts = [turned_positions(batch_size, slice(count * i // 3, count * (i + 1) // 3)) for i in range(3)]
    assert torch.equal(torch.cat([part[0] for part in parts]), positions)
    assert torch.equal(torch.cat([part[1] for part in parts]), turns)


def test_a_network_of_leading_layers_has_no_head():
    with pytest.raises(ValueError, match="tiny-first-2 has no logit"):
        rotation_head(Discriminator(TINY.truncated(2)))


@pytest.mark.parametrize(
    ("network", "precision"), [("tiny", "fp32"), ("tiny-spectral", "fp32"), ("tiny", "bf16"), ("tiny-spectral", "bf16")]
)
def test_the_step_adds_the_cross_entropy_of_turned_real_images(network, precision):
    recipe = tiny_recipe(network=network, rotation=0.7, precision=precision, weight_decay=0.0, flips=True)
    training = AdversarialTraining(recipe, tiny_images())
    drawn: list[torch.Tensor] = []
    training.generator.register_forward_hook(lambda module, inputs, output: drawn.append(output.detach()))
    assert training.step().rotation is None
    discriminator: Any = copy.deepcopy(training.discriminator)
    head = copy.deepcopy(training.rotation_head)
    real = training.minibatches.real(1)
    losses = training.step()

    images = np.concatenate([np.rot90(real[:4].numpy(), count, (2, 3)) for count in range(4)])
    last = discriminator.maps(torch.from_numpy(images.copy()))[-1].flatten(1)
    probabilities = torch.softmax(last @ head.weight.T, 1)
    expected = 0.7 * -torch.log(probabilities[torch.arange(16), torch.arange(16) // 4]).mean()
    tolerance = 0.03 if precision == "bf16" else 1e-5
    torch.testing.assert_close(losses.rotation, expected.detach(), rtol=tolerance, atol=tolerance)
    if precision == "bf16":
        return
    torch.autograd.backward(
        nn.functional.softplus(-discriminator(real)).mean()
        + nn.functional.softplus(discriminator(drawn[1])).mean()
        + expected
    )
    pairs = [
        *zip(training.discriminator.parameters(), discriminator.parameters(), strict=True),
        *zip(training.rotation_head.parameters(), head.parameters(), strict=True),
    ]
    for ours, reference in pairs:
        moved = reference.detach() - 2e-4 * reference.grad / (reference.grad.abs() + 1e-8)  # Adam's first update
        torch.testing.assert_close(ours.detach(), moved, rtol=1e-4, atol=4e-6)


def test_the_generators_step_leaves_the_head_as_it_is():
    training = AdversarialTraining(tiny_recipe(rotation=1.0), tiny_images())
    before = training.rotation_head.weight.detach().clone()
    training.step()
    assert torch.equal(training.rotation_head.weight, before)
    training.step()
    assert not torch.equal(training.rotation_head.weight, before)


def test_the_discriminator_learns_which_way_is_up():
    """Images that are bright above and dark below; of noise nobody can tell."""
    shading = np.linspace(230, 20, 8)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 10, (70, 8, 8, 3))
    upright = np.clip(shading + noise, 0, 255).astype(np.uint8)
    lowest = {}
    for name, images in (("upright", upright), ("noise", tiny_images(10_000))):
        recipe = tiny_recipe(rotation=1.0, learning_rate=2e-3, discriminator_updates=60)
        training = AdversarialTraining(recipe, images)
        losses = [training.step().rotation for _ in range(61)][1:]
        lowest[name] = torch.stack([loss for loss in losses if loss is not None])[-10:].mean().item()
    assert lowest["upright"] < 0.1
    assert lowest["noise"] > 1.2  # ln 4 = 1.386


def test_compiled_networks_take_the_same_steps():
    plain, compiled = (
        AdversarialTraining(tiny_recipe(rotation=1.0), tiny_images(), compiler=compiler)
        for compiler in (None, "aot_eager")
    )
    assert compiled.compiled
    for _ in range(4):
        first, second = plain.step(), compiled.step()
    assert compiled.compiled
    assert first.rotation is not None
    torch.testing.assert_close(second.rotation, first.rotation, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(compiled.rotation_head.weight, plain.rotation_head.weight, rtol=1e-3, atol=1e-4)


def test_the_head_is_resumed_but_no_part_of_the_weights(tmp_path):
    run = Run(tiny_recipe(rotation=1.0), tiny_images(), tmp_path / "with", DATA)
    with_head, about = load_file(run.finish()), load_weights(tmp_path / "with" / "weights").metadata
    without = load_file(Run(tiny_recipe(), tiny_images(), tmp_path / "without", DATA).finish())
    assert with_head.keys() == without.keys()
    assert about["recipe"]["rotation"] == 1.0
    state = load_file(tmp_path / "with" / "checkpoint.safetensors")
    assert {"rotation_head.weight", "rotation_head_optimiser.0.exp_avg"} <= state.keys()
    resumed = Run(tiny_recipe(rotation=1.0), tiny_images(), tmp_path / "with", DATA)
    assert torch.equal(resumed.training.rotation_head.weight, run.training.rotation_head.weight)
    with pytest.raises(InputError, match=r"was begun with rotation=1\.0, not 0\.0"):
        Run(tiny_recipe(), tiny_images(), tmp_path / "with", DATA)


def test_conditional_gans_have_none():
    with pytest.raises(InputError, match="conditional GANs do not learn to tell rotations; leave 'rotation' away"):
        make_conditional_recipe({"rotation": 0.5})
