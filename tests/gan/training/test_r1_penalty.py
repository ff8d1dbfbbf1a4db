import copy
from typing import Any

import pytest
import torch
from torch import nn

from dcgan_features.gan.conditional.training import ConditionalTraining
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import NetworkSpec
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.r1_penalty import squared_gradients
from dcgan_features.gan.training.spectral_norm import normalise_weights
from tests.gan.tiny import TINY, TINY_SPECTRAL, tiny_images, tiny_recipe
from tests.gan.tiny_conditional import bars
from tests.gan.tiny_conditional import recipe as conditional_recipe

SPECS = [TINY, TINY_SPECTRAL]


def images(count=3):
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def network_of(spec: NetworkSpec) -> Discriminator:
    """Weights large enough that gradients are, gains and shifts that differ, in float64."""
    source = torch.Generator().manual_seed(1)
    network = normalise_weights(Discriminator(spec, source), source).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=source, dtype=torch.float64))
    return network.train()


def with_fixed_statistics(network, *inputs):
    """A copy that normalises by the statistics of these inputs, taken as constants."""
    fixed = copy.deepcopy(network)

    def keep(layer, inputs):
        layer.running_mean, layer.running_var = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), correction=0)
        layer.eval()

    layers = [layer for layer in fixed.modules() if isinstance(layer, nn.BatchNorm2d)]
    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    with torch.no_grad():
        fixed(*inputs)
    for hook in hooks:
        hook.remove()
    return fixed


def test_a_linear_discriminator_by_hand():
    layer = nn.Linear(12, 1, bias=False)
    squares = squared_gradients(layer, lambda batch: layer(batch.flatten(1)).squeeze(1), torch.randn(5, 3, 2, 2))
    weight = layer.weight.detach()
    torch.testing.assert_close(squares.detach(), (weight**2).sum().expand(5))
    torch.autograd.backward(squares.mean())
    torch.testing.assert_close(layer.weight.grad, 2 * weight)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_each_images_gradient_by_finite_differences(spec):
    """Of the network as it is at inference, with the statistics of the minibatch."""
    network, batch, step = network_of(spec), images(), 1e-6
    fixed = with_fixed_statistics(network, batch)
    squares = torch.zeros(len(batch), dtype=torch.float64)
    with torch.no_grad():
        for pixel in range(batch[0].numel()):
            moved = torch.zeros(batch[0].numel(), dtype=torch.float64)
            moved[pixel] = step
            change = fixed(batch + moved.view(3, 8, 8)) - fixed(batch - moved.view(3, 8, 8))
            squares += (change / (2 * step)) ** 2
    found = squared_gradients(network, network, batch).detach()
    assert squares.min() > 1e-3
    torch.testing.assert_close(found, squares, rtol=1e-3, atol=0)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_parameters_gradient_by_finite_differences(spec):
    """In full: also by way of the statistics of batch normalisation and of what weights are divided by."""
    network, batch, step = network_of(spec), images(), 1e-6

    def penalty():
        return squared_gradients(network, network, batch).mean()

    parameters = [parameter for name, parameter in network.named_parameters() if not name.endswith("bias")]
    gradients = torch.autograd.grad(penalty(), parameters)
    source = torch.Generator().manual_seed(2)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        direction = torch.randn(parameter.shape, generator=source, dtype=torch.float64)
        values = []
        for sign in (1, -2):
            with torch.no_grad():
                parameter.add_(sign * step * direction)
            values.append(penalty().detach())
        with torch.no_grad():
            parameter.add_(step * direction)
        expected = (values[0] - values[1]) / (2 * step)
        torch.testing.assert_close((gradient * direction).sum(), expected, rtol=2e-3, atol=1e-6)


def test_nothing_is_left_behind():
    network, batch = network_of(TINY), images()
    before = network(batch).detach()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.track_running_stats = False  # as in training
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    squared_gradients(network, network, batch)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert torch.equal(network(batch), before)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(("network", "precision"), [("tiny", "fp32"), ("tiny-spectral", "fp32"), ("tiny", "bf16")])
def test_the_step_adds_half_gamma_times_the_mean(network, precision):
    recipe = tiny_recipe(network=network, gradient_penalty=30.0, precision=precision, weight_decay=0.0)
    training = AdversarialTraining(recipe, tiny_images(), compiler="aot_eager")
    assert not training.compiled  # which could not be differentiated twice
    drawn: list[torch.Tensor] = []
    training.generator.register_forward_hook(lambda module, inputs, output: drawn.append(output.detach()))
    assert training.step().penalty is None
    copied: Any = copy.deepcopy(training.discriminator)
    real = training.minibatches.real(1)
    losses = training.step()
    expected = 15 * squared_gradients(copied, copied, real).mean()
    torch.testing.assert_close(losses.penalty, expected.detach())
    assert losses.penalty is not None
    assert losses.penalty > 0
    if precision == "bf16":
        return
    torch.autograd.backward(
        nn.functional.softplus(-copied(real)).mean() + nn.functional.softplus(copied(drawn[1])).mean() + expected
    )
    for ours, reference in zip(training.discriminator.parameters(), copied.parameters(), strict=True):
        moved = reference.detach() - 2e-4 * reference.grad / (reference.grad.abs() + 1e-8)  # Adam's first update
        torch.testing.assert_close(ours.detach(), moved, rtol=1e-4, atol=4e-6)


def test_it_keeps_the_discriminator_less_steep():
    steepness = []
    for penalty in (0.0, 100.0):
        recipe = tiny_recipe(gradient_penalty=penalty, learning_rate=2e-3, discriminator_updates=20)
        training = AdversarialTraining(recipe, tiny_images())
        for _ in range(20):
            training.step()
        squares = squared_gradients(training.discriminator, training.discriminator, training.minibatches.real(0))
        steepness.append(squares.mean().item())
    assert steepness[1] < 0.5 * steepness[0]


@pytest.mark.parametrize("network", ["tiny-conditional", "tiny-dense"])
def test_conditional_discriminators_have_it_too(network):
    """Whose batch normalisation has no gains and shifts."""
    training = ConditionalTraining(conditional_recipe(network=network, gradient_penalty=2.0), *bars())
    training.step()
    real, classes = training.minibatches.real(1), training._batch_classes()
    fixed = with_fixed_statistics(training.discriminator, real, classes)
    penalty = training.step().penalty
    real.requires_grad_()
    (gradient,) = torch.autograd.grad(fixed(real, classes).sum(), real)
    torch.testing.assert_close(penalty, gradient.square().sum() / 16)
