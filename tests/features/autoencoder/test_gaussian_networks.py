from typing import Any

import numpy as np
import pytest
import torch
from torch import distributions

from dcgan_features.features.autoencoder.gaussian_networks import (
    SoftplusNetwork,
    gaussian_kl,
    likelihood_heads,
    log_likelihood,
    normal_linear,
    reduced_precision,
    sample_gaussian,
)


def numbers(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_divergence_of_gaussians_is_that_of_a_large_sample():
    mean, log_variance = torch.tensor([[0.7, -1.2]]), torch.tensor([[-0.5, 0.4]])
    drawn = sample_gaussian(mean, log_variance, numbers(0, 400_000, 2))
    posterior = distributions.Normal(mean, (0.5 * log_variance).exp())
    differences = (posterior.log_prob(drawn) - distributions.Normal(0.0, 1.0).log_prob(drawn)).sum(1)
    error = float(differences.std() / len(drawn) ** 0.5)
    assert float(gaussian_kl(mean, log_variance)) == pytest.approx(float(differences.mean()), abs=4 * error)
    assert error < 0.01


def test_divergence_of_gaussians_by_hand():
    found = gaussian_kl(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, float(np.log(4.0))]]))
    torch.testing.assert_close(found, torch.tensor([0.0, float(2.0 + 0.5 * (3.0 - np.log(4.0)))]))


@pytest.mark.parametrize("cases", [(), (3,)])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_densities_and_gradients_are_those_of_torch_distributions(likelihood, cases):
    n, d = 300, 1000  # more rows than one block holds
    inputs = numbers(1, n, d)
    parameters = [
        numbers(2 + head, *cases, n, d).requires_grad_() for head in range(len(likelihood_heads(likelihood, 1)))
    ]
    if likelihood == "bernoulli":
        inputs = (inputs > 0).float()
        expected = distributions.Bernoulli(logits=parameters[0]).log_prob(inputs.expand(*cases, n, d)).sum(-1)
    else:
        mean, log_variance = parameters
        expected = distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(inputs).sum(-1)
    found = log_likelihood(likelihood, tuple(parameters), inputs)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)
    weights = numbers(9, *found.shape)
    right = torch.autograd.grad((expected * weights).sum(), parameters)
    made = torch.autograd.grad((found * weights).sum(), parameters)
    torch.testing.assert_close(made, right, rtol=1e-4, atol=1e-4)


def test_the_logits_are_left_as_they_were_and_may_be_large():
    logits = torch.tensor([[0.3, -200.0, 200.0]])
    before = logits.clone()
    found = log_likelihood("bernoulli", (logits,), torch.tensor([[1.0, 0.0, 0.0]]))
    assert float(found) == pytest.approx(-np.log1p(np.exp(-0.3)) - 200.0, rel=1e-6)
    torch.testing.assert_close(logits, before)


def test_grey_inputs_are_probabilities():
    logit, value = 0.8, 0.3
    black, white = (
        float(log_likelihood("bernoulli", (torch.tensor([[logit]]),), torch.tensor([[x]]))) for x in (0.0, 1.0)
    )
    found = log_likelihood("bernoulli", (torch.tensor([[logit]]),), torch.tensor([[value]]))
    assert float(found) == pytest.approx((1 - value) * black + value * white, rel=1e-6)


def test_a_constant_input_does_not_drive_its_variance_to_nothing():
    log_variance = torch.tensor([[-50.0]], requires_grad=True)
    found = log_likelihood("gaussian", (torch.zeros(1, 1), log_variance), torch.zeros(1, 1))
    assert found.item() == pytest.approx(5.0 - 0.5 * np.log(2 * np.pi), rel=1e-6)
    (gradient,) = torch.autograd.grad(found.sum(), [log_variance])
    assert float(gradient) == 0


def test_a_softplus_network_by_hand():
    network: Any = SoftplusNetwork(4, (5, 3), (2, 1), torch.Generator().manual_seed(0))
    rows = numbers(1, 6, 4)
    values = rows.double().numpy()
    weights = [
        (layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()) for layer in network.layers
    ]
    for matrix, bias in weights[:-1]:
        values = np.log1p(np.exp(values @ matrix.T + bias))
    values = values @ weights[-1][0].T + weights[-1][1]
    first, second = network(rows)
    np.testing.assert_allclose(first.detach(), values[:, :2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(second.detach(), values[:, 2:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("initial_sd", "expected"), [(None, 0.1), (0.02, 0.02)])
def test_initial_weights(initial_sd, expected):
    layer = normal_linear(100, 400, torch.Generator().manual_seed(0), initial_sd)
    assert float(layer.weight.std()) == pytest.approx(expected, rel=0.02)
    assert float(layer.bias.abs().max()) == 0


def test_densities_of_a_network_in_bfloat16_are_float32():
    network = SoftplusNetwork(8, (16,), (8,), torch.Generator().manual_seed(0))
    inputs = (numbers(1, 5, 8) > 0).float()
    exact = log_likelihood("bernoulli", network(inputs), inputs)
    with reduced_precision("bf16", torch.device("cpu")):
        parameters = network(inputs)
        found = log_likelihood("bernoulli", parameters, inputs)
    assert parameters[0].dtype == torch.bfloat16
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=0.02, atol=0.05)
    torch.autograd.backward(found.sum())
    assert all(weights.grad is not None and weights.grad.dtype == torch.float32 for weights in network.parameters())
