"""Settings against unstable training, each compared with a computation of its own."""

import copy
from typing import Any

import pytest
import torch
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import LATENT, stream
from dcgan_features.gan.networks import draw_latent
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.data_parallel import WholeBatch
from dcgan_features.gan.training.dcgan import Run
from dcgan_features.gan.training.dragan import distance_from_one, perturbed
from dcgan_features.gan.training.minibatches import instance_noise
from dcgan_features.gan.training.spectral_norm import plain_copy
from tests.gan.tiny import DATA, cut_off_at, tiny_images, tiny_recipe


def at_step(step, **settings):
    """A training before minibatch number `step`, with copies of its networks, z and real images of that minibatch."""
    training: Any = AdversarialTraining(tiny_recipe(learning_rate=0.01, **settings), tiny_images())
    for _ in range(step):
        training.step()
    generator, discriminator = copy.deepcopy(training.generator), plain_copy(training.discriminator)
    for layer in discriminator.normalisations:
        layer.track_running_stats = False
    latent = draw_latent(training.recipe.spec, 16, stream(0, LATENT, step))
    with torch.no_grad():
        fake = generator(latent)
    return training, generator, discriminator, latent, training.minibatches.real(step), fake


def gradient_norms(discriminator, images):
    """Of each image's logit by the image, one image at a time."""
    norms = []
    for image in images:
        leaf = image[None].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(leaf).sum(), leaf)
        norms.append(float(gradient.norm()))
    return torch.tensor(norms)


def test_relativistic_losses_are_of_pairs():
    training, _, discriminator, _, real, fake = at_step(3, loss="relativistic")
    expected = functional.softplus(discriminator(fake) - discriminator(real)).mean()
    found = training.step()
    torch.testing.assert_close(found.real, expected.detach())
    assert found.fake is None


def test_the_relativistic_generator_sees_real_images():
    training, generator, discriminator, latent, real, _ = at_step(4, loss="relativistic")
    margin = discriminator(generator(latent)) - discriminator(real).detach()
    expected = functional.softplus(-margin).mean()
    torch.autograd.backward(expected)
    torch.testing.assert_close(training.step().generator, expected.detach())
    for parameter, own in zip(generator.parameters(), training.generator.parameters(), strict=True):
        torch.testing.assert_close(own.grad, parameter.grad, rtol=1e-3, atol=1e-6)


def test_r2_is_the_squared_gradient_at_fake_images():
    training, _, discriminator, _, _, fake = at_step(5, network="tiny-spectral", fake_gradient_penalty=3.0)
    expected = 1.5 * gradient_norms(discriminator, fake).square().mean()
    found = training.step()
    torch.testing.assert_close(found.fake_penalty, expected)
    assert found.penalty is None


def test_dragan_is_the_distance_of_gradients_from_one_around_real_images():
    training, _, discriminator, _, real, _ = at_step(5, network="tiny-spectral", dragan=10.0)
    expected = 10 * (gradient_norms(discriminator, perturbed(real, 0, 5)) - 1).square().mean()
    torch.testing.assert_close(training.step().dragan, expected)
    torch.testing.assert_close(distance_from_one(torch.tensor([0.0, 1.0, 4.0])), torch.tensor([1.0, 0.0, 1.0]))
    zero = torch.zeros(1, requires_grad=True)
    torch.autograd.backward(distance_from_one(zero).sum())
    assert zero.grad is not None
    assert bool(torch.isfinite(zero.grad).all())


def test_dragan_moves_images_by_at_most_half_their_spread():
    real = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    moved = perturbed(real, 0, 1) - real
    assert float(moved.min()) >= 0
    assert 0.4 < float(moved.max()) / float(real.std()) <= 0.5
    means = moved.mean((1, 2, 3)) / float(real.std())  # each image has a factor of its own
    assert float(means.min()) < 0.03
    assert float(means.max()) > 0.22
    assert torch.equal(perturbed(real, 0, 1), real + moved)
    assert not torch.equal(perturbed(real, 0, 2), real + moved)


def test_two_learning_rates():
    """The first update of Adam is the rate times the gradient's sign."""
    training: Any = AdversarialTraining(
        tiny_recipe(learning_rate=0.01, discriminator_rate=0.25, weight_decay=0.0, rotation=1.0), tiny_images()
    )
    for name, rate in (("generator", 0.01), ("discriminator", 0.0025)):
        network = getattr(training, name)
        before = [parameter.detach().clone() for parameter in network.parameters()]
        training.step()
        moved = torch.cat([(a - b).flatten() for a, b in zip(network.parameters(), before, strict=True)]).abs()
        assert float(moved.max()) == pytest.approx(rate, rel=1e-3)
    assert training.rotation_head_optimiser.param_groups[0]["lr"] == 0.0025


def test_instance_noise_is_on_real_and_fake_images():
    training, generator, discriminator, latent, real, fake = at_step(3, instance_noise=0.5)
    on_real, on_fake = instance_noise(training.recipe, 3, WholeBatch())
    assert not torch.equal(on_real, on_fake)
    found = training.step()
    torch.testing.assert_close(found.real, functional.softplus(-discriminator(real + on_real)).mean().detach())
    torch.testing.assert_close(found.fake, functional.softplus(discriminator(fake + on_fake)).mean().detach())
    training, generator, discriminator, latent, *_ = at_step(4, instance_noise=0.5)
    _, on_fake = instance_noise(training.recipe, 4, WholeBatch())
    expected = functional.softplus(-discriminator(generator(latent) + on_fake)).mean().detach()
    torch.testing.assert_close(training.step().generator, expected)


def test_instance_noise_falls_to_nothing():
    recipe = tiny_recipe(instance_noise=0.4, instance_noise_images=160)
    assert [recipe.noise_at(step) for step in (0, 5, 10, 30)] == pytest.approx([0.4, 0.2, 0.0, 0.0])
    assert tiny_recipe(instance_noise=0.4).noise_at(10**6) == 0.4
    noise = torch.cat(
        [instance_noise(recipe, step, WholeBatch()).flatten() / recipe.noise_at(step) for step in range(9)]
    )
    assert float(noise.std()) == pytest.approx(1, abs=0.01)
    assert not instance_noise(recipe, 10, WholeBatch()).any()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "relativistic", "gradient_penalty": 1.0, "fake_gradient_penalty": 1.0, "instance_noise": 0.1},
        {"dragan": 10.0, "rotation": 1.0, "instance_noise": 0.2, "instance_noise_images": 100},
        {"network": "tiny-spectral", "loss": "relativistic", "discriminator_rate": 4.0, "averaging": 0.9},
    ],
    ids=["r3gan", "dragan", "spectral"],
)
def test_with_all_of_them_a_run_that_is_cut_off_resumes_to_the_bit(tmp_path, monkeypatch, settings, precision):
    recipe = tiny_recipe(checkpoint_every=3, precision=precision, **settings)
    with cut_off_at(monkeypatch, 8):
        Run(recipe, tiny_images(), tmp_path / "cut", DATA).finish()
    for name in ("cut", "whole"):
        Run(recipe, tiny_images(), tmp_path / name, DATA).finish()
    cut, whole = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("cut", "whole"))
    assert cut == whole


class _Two(WholeBatch):
    count = 2

    def own(self, size):
        return slice(0, size // 2)


@pytest.mark.parametrize("setting", ["dragan", "fake_gradient_penalty"])
def test_what_needs_the_whole_minibatch_refuses_to_share_it(setting):
    with pytest.raises(InputError, match=rf"'{setting}' .*needs one process, not 2"):
        AdversarialTraining(tiny_recipe(**{setting: 1.0}), tiny_images(), share=_Two())
