import copy
import math

import pytest
import torch
from torch.nn import functional

from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.losses import LOSSES
from tests.gan.tiny import tiny_images, tiny_recipe

LOGITS = [-3.0, -1.0, -0.25, 0.5, 1.0, 2.0]


def test_hinge_by_hand():
    hinge, logits = LOSSES["hinge"], torch.tensor(LOGITS)
    assert hinge.real(logits).tolist() == [4.0, 2.0, 1.25, 0.5, 0.0, 0.0]
    assert hinge.fake(logits).tolist() == [0.0, 0.0, 0.75, 1.5, 2.0, 3.0]
    assert hinge.generator(logits).tolist() == [3.0, 1.0, 0.25, -0.5, -1.0, -2.0]


def test_cross_entropy_by_hand():
    loss, logits = LOSSES["cross-entropy"], torch.tensor(LOGITS)
    said = [1 / (1 + math.exp(-logit)) for logit in LOGITS]
    assert loss.real(logits).tolist() == pytest.approx([-math.log(share) for share in said], rel=1e-5)
    assert loss.fake(logits).tolist() == pytest.approx([-math.log(1 - share) for share in said], rel=1e-5)
    assert torch.equal(loss.generator(logits), loss.real(logits))


def test_hinge_steps_by_hand():
    training = AdversarialTraining(tiny_recipe(loss="hinge", weight_decay=0.0), tiny_images())
    drawn: list[torch.Tensor] = []
    training.generator.register_forward_hook(lambda module, inputs, output: drawn.append(output.detach()))
    before = copy.deepcopy(training.discriminator)
    losses = training.step()
    torch.testing.assert_close(losses.generator, -before(drawn[0]).mean().detach())
    network, real = copy.deepcopy(training.discriminator), training.minibatches.real(1)
    losses = training.step()
    real_loss = torch.clamp(1 - network(real), min=0).mean()
    fake_loss = torch.clamp(1 + network(drawn[1]), min=0).mean()
    torch.testing.assert_close((losses.real, losses.fake), (real_loss.detach(), fake_loss.detach()))
    (real_loss + fake_loss).backward()
    for ours, reference in zip(training.discriminator.parameters(), network.parameters(), strict=True):
        assert reference.grad is not None
        expected = reference.detach() - 2e-4 * reference.grad / (reference.grad.abs() + 1e-8)  # Adam's first update
        torch.testing.assert_close(ours.detach(), expected, rtol=1e-4, atol=2e-6)


def test_the_loss_makes_a_difference():
    runs = [AdversarialTraining(tiny_recipe(loss=loss), tiny_images()) for loss in ("hinge", "cross-entropy")]
    for training in runs:
        for _ in range(4):
            training.step()
    weights = [training.discriminator.convolutions[0].weight for training in runs]
    assert functional.mse_loss(weights[0], weights[1]) > 0  # type: ignore[arg-type]
