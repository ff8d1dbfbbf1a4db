from typing import Any

import numpy as np
import pytest
import torch
from torch import distributions

from dcgan_features.eval.semi_supervised.m2 import M2, M2Network

CLASSES, LATENT = 3, 1
LIKELIHOODS = pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])


def generator(seed):
    return torch.Generator().manual_seed(seed)


def network(likelihood="bernoulli", seed=0, n_latent=LATENT):
    """Large random weights, so that the classes and the latent variable matter."""
    made = M2Network(4, CLASSES, n_latent, 5, 6, likelihood, None)
    with torch.no_grad():
        for number, weights in enumerate(made.parameters()):
            weights.copy_(0.5 * torch.randn(weights.shape, generator=generator(100 * seed + number)))
    return made


def rows(likelihood, n=6):
    drawn = torch.randn(n, 4, generator=generator(7))
    return (drawn > 0).float() if likelihood == "bernoulli" else drawn


class Reference:
    """The model in float64 and NumPy, one class after another, a class being appended to the inputs as one-hot."""

    def __init__(self, made):
        self.weights = {name: weights.detach().double().numpy() for name, weights in made.named_parameters()}
        self.likelihood = made.likelihood

    def _linear(self, name, x):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _with_class(self, name, x, y):
        """Softplus of the layer whose inputs are x and the one-hot class."""
        both = np.hstack([self.weights[f"{name}_inputs.weight"], self.weights[f"{name}_classes"].T])
        inputs = np.hstack([x, np.tile(np.eye(CLASSES)[y], (len(x), 1))])
        return np.logaddexp(0, inputs @ both.T + self.weights[f"{name}_inputs.bias"])

    def classify(self, x):
        logits = self._linear("classifier.layers.1", np.logaddexp(0, self._linear("classifier.layers.0", x)))
        return np.exp(logits - np.logaddexp.reduce(logits, 1)[:, None])

    def posterior(self, x, y):
        made = self._linear("encoder_heads.layers.0", self._with_class("encoder", x, y))
        return np.split(made, 2, axis=1)

    def log_density(self, x, y, z):
        made = self._linear("decoder_heads.layers.0", self._with_class("decoder", z, y))
        if self.likelihood == "bernoulli":
            return (x * made - np.logaddexp(0, made)).sum(1)
        mean, log_variance = np.split(made, 2, axis=1)
        return -0.5 * (np.log(2 * np.pi) + log_variance + (x - mean) ** 2 / np.exp(log_variance)).sum(1)

    def bound(self, x, y, noise):
        mean, log_variance = self.posterior(x, y)
        z = mean + np.exp(log_variance / 2) * noise
        divergence = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(1)
        return self.log_density(x, y, z) - divergence + np.log(1 / CLASSES)

    def unlabelled_bound(self, x, noise):
        q = self.classify(x)
        return sum(q[:, y] * (self.bound(x, y, noise) - np.log(q[:, y])) for y in range(CLASSES))


@LIKELIHOODS
def test_bounds_are_those_of_a_loop_over_the_classes(likelihood):
    made, x = network(likelihood, n_latent=2), rows(likelihood)
    noise = torch.randn(len(x), 2, generator=generator(1))
    reference = Reference(made)
    each = np.array([reference.bound(x.double().numpy(), y, noise.double().numpy()) for y in range(CLASSES)])
    found = made.bound(x, torch.arange(CLASSES)[:, None], noise)
    np.testing.assert_allclose(found.detach(), each, rtol=1e-4)
    assert np.ptp(each, axis=0).min() > 0.1
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    np.testing.assert_allclose(made.bound(x, labels, noise).detach(), each[labels, np.arange(6)], rtol=1e-4)
    expected = reference.unlabelled_bound(x.double().numpy(), noise.double().numpy())
    np.testing.assert_allclose(made.unlabelled_bound(x, noise).detach(), expected, rtol=1e-4)


@LIKELIHOODS
def test_improbable_classes_are_left_out_of_the_unlabelled_bound(likelihood):
    made, x = network(likelihood, n_latent=2), rows(likelihood)
    noise = torch.randn(len(x), 2, generator=generator(1))
    reference, values = Reference(made), x.double().numpy()
    q = reference.classify(values)
    least = float(np.median(q))
    kept = q >= least
    assert {1, 2} <= set(kept.sum(1))
    q = np.where(kept, q, 0) / np.where(kept, q, 0).sum(1, keepdims=True)
    each = np.stack([reference.bound(values, y, noise.double().numpy()) for y in range(CLASSES)], 1)
    expected = np.sum(np.where(kept, q * (each - np.log(np.maximum(q, 1e-300))), 0), 1)
    found = made.unlabelled_bound(x, noise, least)
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-4)
    all_kept, whole = made.unlabelled_bound(x, noise, 1e-30), made.unlabelled_bound(x, noise)
    np.testing.assert_allclose(all_kept.detach(), whole.detach(), rtol=1e-5)
    assert torch.isfinite(made.unlabelled_bound(x, noise, 1.0)).all()  # never fewer than one class a row
    torch.autograd.backward(found.sum())
    assert all(torch.isfinite(weights.grad).all() for weights in made.parameters())


@LIKELIHOODS
def test_unlabelled_bound_is_below_the_likelihood_by_the_divergence_from_the_posterior(likelihood):
    """Log p(x) - KL(q(y, z | x) || p(y, z | x)): every class, and the latent variable on a dense grid."""
    made = network(likelihood, seed=3)
    reference, x = Reference(made), rows(likelihood)[:1].double().numpy()
    grid = np.linspace(-12, 12, 4001)[:, None]
    width = float(grid[1, 0] - grid[0, 0])
    normal = -0.5 * (np.log(2 * np.pi) + grid[:, 0] ** 2)
    joint = np.array([reference.log_density(x, y, grid) + normal for y in range(CLASSES)]) + np.log(1 / CLASSES)
    log_evidence = np.logaddexp.reduce(joint, axis=None) + np.log(width)
    log_q = np.log(reference.classify(x)[0])[:, None] + np.array(
        [
            distributions.Normal(mean.item(), np.exp(log_variance / 2).item())
            .log_prob(torch.from_numpy(grid[:, 0]))
            .numpy()
            for mean, log_variance in (reference.posterior(x, y) for y in range(CLASSES))
        ]
    )
    divergence = float((np.exp(log_q) * (log_q - (joint - log_evidence))).sum() * width)
    noise = torch.randn(40_000, 1, generator=generator(4))
    with torch.no_grad():
        bounds = made.unlabelled_bound(torch.from_numpy(x).float().expand(len(noise), 4), noise)
    error = float(bounds.std()) / len(bounds) ** 0.5
    assert divergence > 10 * error  # else the test could not tell a bound from the likelihood
    assert float(bounds.mean()) == pytest.approx(log_evidence - divergence, abs=5 * error + 1e-4)


@LIKELIHOODS
def test_gradient_of_the_unlabelled_bound_by_finite_differences(likelihood):
    made, x = network(likelihood, seed=1), rows(likelihood)
    noise = torch.randn(len(x), LATENT, generator=generator(2))
    torch.autograd.backward(made.unlabelled_bound(x, noise).sum())
    reference = Reference(made)
    for name, weights in made.named_parameters():
        expected = np.empty(weights.shape)
        for place in np.ndindex(*weights.shape):
            values = []
            for step in (1e-5, -1e-5):
                reference.weights[name][place] += step
                values.append(reference.unlabelled_bound(x.double().numpy(), noise.double().numpy()).sum())
                reference.weights[name][place] -= step
            expected[place] = (values[0] - values[1]) / 2e-5
        np.testing.assert_allclose(weights.grad, expected, rtol=2e-3, atol=2e-4, err_msg=name)


def test_the_objective_is_the_papers_over_the_number_of_rows():
    x, made = rows("gaussian", 10), network("gaussian")
    y = np.array([0, 1, 2, -1, -1, -1, -1, -1, -1, -1])
    classifier: Any = M2(n_latent=LATENT, alpha=0.3, prior=2.0, epochs=1, device="cpu").fit(x.numpy(), y)
    assert classifier.beta_ == pytest.approx(0.3 * 10 / 3)
    noise = torch.randn(10, LATENT, generator=generator(5)).double().numpy()
    drawn = iter([noise[:3], noise[3:]])
    classifier._noise = lambda chosen: torch.from_numpy(next(drawn)).float()
    labels = torch.tensor([0, 1, 2])
    found = classifier._loss(made, x[:3], labels, x[3:]).item()
    reference, values = Reference(made), x.double().numpy()
    expected = -reference.unlabelled_bound(values[3:], noise[3:]).sum()
    for row, label in enumerate(labels):
        expected -= reference.bound(values[[row]], label, noise[[row]])[0]
        expected -= classifier.beta_ * np.log(reference.classify(values[[row]])[0, label])
    expected += 2.0 / 2 * sum((w**2).sum() for w in reference.weights.values() if w.ndim > 1)
    assert found == pytest.approx(expected / 10, rel=1e-4)


@pytest.fixture(scope="module")
def blobs():
    """Two elongated clusters, along a dimension that says nothing of the class."""
    random = np.random.default_rng(0)
    y = np.repeat([3, 8], 150)
    x = np.where(y == 3, -1.5, 1.5)[:, None] * [1.0, 1.0, 0.0] + random.normal(size=(300, 3)) * [0.4, 0.4, 1.5]
    return x.astype(np.float32), y


def fitted(x, y, **settings):
    defaults = {"n_latent": 2, "hidden": 16, "classifier_hidden": 16, "epochs": 40, "batch_size": 50, "device": "cpu"}
    return M2(**{**defaults, "learning_rate": 1e-2, "alpha": 1.0, **settings}).fit(x, y)


def test_rows_without_labels_help(blobs):
    """Two labels a cluster, which lie askew, so that they alone put the boundary askew too."""
    x, truth = blobs
    first, second = (np.flatnonzero(truth == label) for label in (3, 8))
    seen = np.concatenate([first[np.argsort(x[first, 2])[55:57]], second[np.argsort(x[second, 2])[93:95]]])
    y = np.full(len(truth), -1)
    y[seen] = truth[seen]
    together = fitted(x, y)
    assert list(together.classes_) == [3, 8]
    assert np.mean(fitted(x[seen], y[seen], epochs=100).predict(x) == truth) < 0.97
    assert np.mean(together.predict(x) == truth) > 0.98
    np.testing.assert_allclose(together.predict_proba(x).sum(1), 1, rtol=1e-5)


def test_leaving_improbable_classes_out_changes_little(blobs):
    x, truth = blobs
    y = np.where(np.arange(300) % 10 == 0, truth, -1)
    whole, fewer = fitted(x, y, epochs=20), fitted(x, y, epochs=20, least_probability=1e-3)
    np.testing.assert_allclose(fewer.predict_proba(x), whole.predict_proba(x), atol=0.02)
    assert np.mean(fewer.predict(x) == truth) > 0.98


def test_works_without_rows_without_labels_and_in_bfloat16(blobs):
    x, truth = blobs
    for precision in ("fp32", "bf16"):
        classifier = fitted(x, truth, epochs=10, precision=precision)
        assert np.mean(classifier.predict(x) == truth) > 0.98
        assert classifier.beta_ == 1.0


def test_inputs_that_describe_distributions_are_drawn_from(blobs):
    x, truth = blobs
    y = np.where(np.arange(300) % 10 == 0, truth, -1)
    certain, vague = (np.hstack([x, np.full_like(x, log_variance)]) for log_variance in (-40.0, np.log(0.09)))
    classifier = fitted(vague, y, epochs=30, sample_inputs=True)
    drawn = classifier._draw(torch.from_numpy(vague).repeat(100, 1)).view(100, 300, 3)
    np.testing.assert_allclose(drawn.mean(0), x, atol=0.15)
    assert float(drawn.std(0).mean()) == pytest.approx(0.3, rel=0.02)
    np.testing.assert_allclose(classifier._draw(torch.from_numpy(certain)), x, atol=1e-6)
    assert np.mean(classifier.predict(vague) == truth) > 0.98
    np.testing.assert_array_equal(classifier.predict(certain), classifier.predict(vague))  # by the means alone
    with pytest.raises(ValueError, match="X has 3 columns"):
        fitted(x, y, sample_inputs=True)


def test_grey_inputs_are_binarised_in_training_alone():
    x = np.full((40, 4), 0.5, np.float32)
    x[:20, 0], x[20:, 0] = 0.9, 0.1
    y = np.repeat([0, 1], 20)
    drawn = M2(likelihood="bernoulli", epochs=1, device="cpu")._draw(torch.from_numpy(x))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert 0.7 < float(drawn[:20, 0].mean()) <= 1.0
    assert M2(likelihood="bernoulli", binarise=False)._draw(torch.from_numpy(x)) is not None
    np.testing.assert_array_equal(M2(likelihood="bernoulli", binarise=False)._draw(torch.from_numpy(x)), x)
    classifier = fitted(x, y, likelihood="bernoulli")
    np.testing.assert_array_equal(classifier.predict(x), y)
    np.testing.assert_array_equal(classifier.predict_proba(x), classifier.predict_proba(x))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"likelihood": "poisson"}, "likelihood='poisson'"),
        ({"likelihood": "bernoulli"}, "takes X of 0..1"),
        ({"likelihood": "bernoulli", "sample_inputs": True}, "sample_inputs goes with"),
        ({"alpha": -1.0}, "alpha"),
        ({"prior": float("nan")}, "prior"),
        ({"initial_sd": -1.0}, "initial_sd"),
        ({"least_probability": 1.5}, "least_probability"),
        ({"n_latent": 0}, "n_latent"),
    ],
)
def test_unusable_parameters_and_rows(blobs, settings, message):
    with pytest.raises(ValueError, match=message):
        fitted(*blobs, **settings)
