from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dcgan_features.gan.latent.sampler import LatentSampler
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import NetworkSpec
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.dcgan import Run
from dcgan_features.gan.training.spectral_norm import Spectral, iterate, normalise_weights, plain_copy
from dcgan_features.gan.weights_file import load_weights
from tests.gan.tiny import DATA, TINY, TINY_SPECTRAL, tiny_images, tiny_recipe


def largest(weight: torch.Tensor) -> float:
    """Largest singular value of a weight as (maps, all else), by numpy."""
    return float(np.linalg.svd(weight.detach().numpy().reshape(len(weight), -1), compute_uv=False)[0])


def layers(network: nn.Module) -> list[Any]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def test_weights_are_divided_by_their_largest_singular_values():
    weight = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    spectral = Spectral(weight, torch.Generator().manual_seed(1))
    for _ in range(200):
        spectral.iterate(weight)
    torch.testing.assert_close(spectral(weight), weight / largest(weight))
    for vector in (spectral.left, spectral.right):
        torch.testing.assert_close(vector.norm(), torch.tensor(1.0))
    _, _, right = np.linalg.svd(weight.numpy().reshape(6, -1))
    assert abs(float(spectral.right @ torch.from_numpy(right[0]))) == pytest.approx(1, abs=1e-4)
    channels_last = weight.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(spectral(channels_last), spectral(weight))


def test_the_gradient_is_that_of_both():
    """Of the weight and of what it is divided by, once and twice, against finite differences."""
    weight = torch.randn(3, 2, 2, 2, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    spectral = Spectral(weight.float(), torch.Generator().manual_seed(1)).double()
    assert torch.autograd.gradcheck(spectral, (weight,))
    assert torch.autograd.gradgradcheck(spectral, (weight,))
    single = spectral.float()
    exact = single(weight.detach().float())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(single(weight.detach().float()), exact)


def test_a_network_begins_near_the_bound_and_keeps_it():
    training = AdversarialTraining(tiny_recipe(network="tiny-spectral"), tiny_images())
    for _ in range(30):
        training.step()
        assert [largest(layer.weight) for layer in layers(training.discriminator)] == pytest.approx([1] * 4, abs=0.05)
    assert any(
        abs(largest(layer.parametrizations.weight.original) - 1) > 0.2 for layer in layers(training.discriminator)
    )
    assert all(layer.bias.abs().max() > 0 for layer in layers(training.discriminator)[:3])
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in training.discriminator.modules())


def test_only_updates_of_the_discriminator_iterate():
    training = AdversarialTraining(tiny_recipe(network="tiny-spectral"), tiny_images())
    vectors = [layers(training.discriminator)[1].parametrizations.weight[0].left.clone()]
    for _ in range(2):
        training.step()
        training.discriminator(training.minibatches.real(0))
        vectors.append(layers(training.discriminator)[1].parametrizations.weight[0].left.clone())
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[1], vectors[2])


def test_the_seed_decides_the_vectors():
    networks = []
    for _ in range(2):
        torch.rand(3)  # torch's global generator has no part in it
        source = torch.Generator().manual_seed(5)
        networks.append(normalise_weights(Discriminator(TINY_SPECTRAL, source), source).state_dict())
    assert networks[0].keys() == networks[1].keys()
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])


def test_batch_normalised_networks_stay_as_they_are():
    network = Discriminator(TINY)
    names = list(network.state_dict())
    assert list(normalise_weights(network).state_dict()) == names
    iterate(network)
    assert all(layer.bias is None for layer in layers(network))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_saved_weights_are_the_normalised_ones_and_plain(tmp_path, precision):
    recipe = tiny_recipe(network="tiny-spectral", precision=precision)
    run = Run(recipe, tiny_images(), tmp_path, DATA)
    loaded = load_weights(run.finish(), TINY_SPECTRAL).discriminator
    trained = run.training.discriminator
    assert [name for name, _ in loaded.named_parameters()] == [
        *(f"convolutions.{index}.{part}" for index in range(3) for part in ("weight", "bias")), "logit.weight"
    ]  # fmt: skip
    assert type(loaded.convolutions[0]) is type(plain_copy(trained).convolutions[0]) is nn.Conv2d
    for ours, theirs in zip(layers(loaded), layers(trained), strict=True):
        assert torch.equal(ours.weight, theirs.weight)
    images = run.training.minibatches.real(0)
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), trained(images))
    sampler = LatentSampler.load(tmp_path / "checkpoint.safetensors", "cpu")
    with torch.no_grad():
        torch.testing.assert_close(sampler.discriminator(images), trained(images))


def test_compiled_networks_take_the_same_steps():
    recipe = tiny_recipe(network="tiny-spectral")
    plain, compiled = (AdversarialTraining(recipe, tiny_images(), compiler=name) for name in (None, "aot_eager"))
    for _ in range(4):
        plain.step(), compiled.step()
    assert compiled.compiled
    for name, tensor in plain.discriminator.state_dict().items():
        torch.testing.assert_close(compiled.discriminator.state_dict()[name], tensor, rtol=1e-2, atol=1e-3)


def test_another_normalisation_is_refused():
    fields = TINY.to_dict() | {"discriminator_normalisation": "layer"}
    with pytest.raises(ValueError, match="discriminator_normalisation"):
        NetworkSpec.from_dict(fields)
    del fields["discriminator_normalisation"]  # weights of before
    assert NetworkSpec.from_dict(fields) == TINY
