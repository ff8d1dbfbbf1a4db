import numpy as np
import pytest
import torch
from torch import distributions

from dcgan_features.data.utils.devices import choose_device
from dcgan_features.features.autoencoder.variational import VariationalAutoencoder, VariationalFeatures
from dcgan_features.features.pca import PixelProjection


@pytest.fixture(scope="module")
def images():
    """One hidden brightness an image, and noise: 80 images of 6 pixels."""
    random = np.random.default_rng(0)
    factor = random.normal(size=(80, 1))
    pixels = 128 + 40 * factor @ np.linspace(0.5, 1.5, 6)[None] + random.normal(0, 20, (80, 6))
    return np.clip(pixels, 0, 255).astype(np.uint8).reshape(80, 2, 3, 1)


def tiny(**settings):
    defaults = {"n_latent": 3, "hidden": (8,), "epochs": 3, "batch_size": 32, "precision": "fp32", "device": "cpu"}
    return VariationalFeatures(**{**defaults, **settings})


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_bound_is_below_the_likelihood_by_the_divergence_from_the_posterior(likelihood):
    """Log p(x) - KL(q(z | x) || p(z | x)), both by quadrature over the one latent variable."""
    network = VariationalAutoencoder(4, (5,), 1, likelihood, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(torch.randn(weights.shape, generator=torch.Generator().manual_seed(weights.numel())))
        x = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
        grid = torch.linspace(-12, 12, 4001, dtype=torch.float64)
        width = float(grid[1] - grid[0])
        made = [part.double() for part in network.decoder(grid[:, None].float())]
        if likelihood == "bernoulli":
            given = distributions.Bernoulli(logits=made[0]).log_prob(x.double()).sum(1)
        else:
            given = distributions.Normal(made[0], (0.5 * made[1]).exp()).log_prob(x.double()).sum(1)
        joint = given + distributions.Normal(0.0, 1.0).log_prob(grid)
        log_evidence = float(torch.logsumexp(joint, 0)) + np.log(width)
        mean, log_variance = (part.double() for part in network(x))
        log_q = distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(grid)[0]
        divergence = float((log_q.exp() * (log_q - (joint - log_evidence))).sum()) * width
        noise = torch.randn(40_000, 1, generator=torch.Generator().manual_seed(1))
        bounds = network.bound(x.expand(len(noise), 4), noise)
    error = float(bounds.std()) / len(bounds) ** 0.5
    assert divergence > 10 * error  # else the test could not tell a bound from the likelihood
    assert float(bounds.mean()) == pytest.approx(log_evidence - divergence, abs=5 * error + 1e-4)


def test_gradient_of_the_bound_by_finite_differences():
    network = VariationalAutoencoder(4, (5,), 2, "gaussian", torch.Generator().manual_seed(0))
    x, noise = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)).unbind()
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(network.bound(x, noise[:, :2]).sum(), parameters)
    directions = [torch.randn(weights.shape, generator=torch.Generator().manual_seed(2)) for weights in parameters]
    step, values = 1e-2, []
    with torch.no_grad():
        for sign in (1, -2, 1):
            values.append(float(network.bound(x, noise[:, :2]).double().sum()))
            for weights, direction in zip(parameters, directions, strict=True):
                weights.add_(sign * step * direction)
    slope = sum(float((one * two).sum()) for one, two in zip(gradients, directions, strict=True))
    _, above, below = values
    assert (above - below) / (2 * step) == pytest.approx(slope, rel=5e-3)


def test_one_factor_is_found_and_the_features_are_its_posterior_means(images):
    """Against the first principal component, and against the decoder's posterior on a dense grid."""
    extractor = tiny(n_latent=1, likelihood="gaussian", epochs=60, batch_size=16, learning_rate=2e-2)
    made = extractor.fit(images).transform(images)[:, 0]
    pixels = images.reshape(80, -1) / 256.0
    centred = pixels - pixels.mean(0)
    factor = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    assert abs(np.corrcoef(made, factor)[0, 1]) > 0.99
    assert 0.8 < made.std() < 1.2  # the posteriors together are the prior, of deviation 1
    grid = torch.linspace(-8, 8, 2001)[:, None]
    mean, log_variance = extractor.network_.decoder(grid)
    inputs = PixelProjection.fit(images, None, 80, True, 0, choose_device("cpu"))(images)
    given = distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(inputs[:, None]).sum(-1)
    posterior = ((given - grid[:, 0].square() / 2).softmax(1) * grid[:, 0]).sum(1)
    assert np.abs(posterior.numpy() - made).mean() < 0.1


def test_posterior_means_and_log_variances(images):
    extractor = tiny(output="posterior").fit(images)
    made = extractor.transform(images)
    assert made.shape == (80, 6)
    mean, log_variance = extractor.network_(torch.from_numpy(images.reshape(80, -1) / 255.0).float())
    np.testing.assert_allclose(made, torch.cat([mean, log_variance], dim=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tiny().fit(images).transform(images), made[:, :3], rtol=1e-4, atol=1e-5)


def test_variables_of_little_spread_are_left_out(images):
    every = tiny(output="posterior").fit(images).transform(images)
    spread = every[:, :3].std(0)
    limit = float(np.sort(spread)[:2].mean())
    kept = np.flatnonzero(spread > limit)
    assert len(kept) == 2
    made = tiny(output="posterior", min_spread=limit).fit(images).transform(images)
    np.testing.assert_allclose(made, every[:, [*kept, *(kept + 3)]], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="keeps no latent variable"):
        tiny(min_spread=1e6).fit(images)


@pytest.mark.parametrize("components", [None, 4])
def test_gaussian_inputs_are_scaled_pixels_or_components(images, components):
    extractor = tiny(likelihood="gaussian", components=components).fit(images)
    inputs = PixelProjection.fit(images, components, 10_000, True, 0, choose_device("cpu"))(images)
    assert inputs.shape[1] == (components or 6)
    np.testing.assert_allclose(extractor.transform(images), extractor.network_(inputs)[0], rtol=1e-4, atol=1e-5)


def test_thresholded_inputs(images):
    extractor = tiny(inputs="threshold").fit(images)
    black_and_white = np.where(images > 127, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(extractor.transform(black_and_white), extractor.transform(images))
    assert np.abs(tiny(inputs="grey").fit(images).transform(black_and_white)).max() > 0


def test_training_in_bfloat16_learns_much_the_same(images):
    exact = tiny(epochs=20).fit(images)
    rounded = tiny(epochs=20, precision="bf16").fit(images)
    assert rounded.bounds_[-1] == pytest.approx(exact.bounds_[-1], rel=0.02)
    assert rounded.bounds_ != exact.bounds_
    assert rounded.transform(images).dtype == np.float32


def test_a_clipped_gradient_moves_weights_less(images):
    # To so little that it drowns in the number that Adam adds to its denominator; a milder clip it would undo.
    free, clipped = (tiny(epochs=2, clip=clip).fit(images).bounds_ for clip in (None, 1e-12))
    assert clipped[1] - clipped[0] < free[1] - free[0]


def test_the_divergences_weight_rises_to_one(images, monkeypatch):
    """0 at the first minibatch, 1 from half of the training on; the bound is less what the weight leaves out."""
    weights = []
    inner = VariationalAutoencoder.bound

    def seen(self, inputs, noise, weight=1.0):
        weights.append(weight)
        with torch.no_grad():
            free, half, whole = (inner(self, inputs, noise, part) for part in (0.0, 0.5, 1.0))
            mean, log_variance = self(inputs)
        divergence = distributions.kl_divergence(
            distributions.Normal(mean, (0.5 * log_variance).exp()), distributions.Normal(0.0, 1.0)
        ).sum(1)
        torch.testing.assert_close(free - whole, divergence, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(2 * half, free + whole)
        return inner(self, inputs, noise, weight)

    monkeypatch.setattr(VariationalAutoencoder, "bound", seen)
    tiny(epochs=4, batch_size=40, warm_up=0.5).fit(images)
    assert weights == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]
    weights.clear()
    tiny(epochs=1, batch_size=40).fit(images)
    assert weights == [1.0, 1.0]


def test_progress_is_told_after_each_epoch(images):
    told = []
    tiny(progress=lambda *at: told.append(at)).fit(images)
    assert told == [("autoencoder", done, 3) for done in (1, 2, 3)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"likelihood": "poisson"}, "likelihood='poisson'"),
        ({"inputs": "white"}, "inputs='white'"),
        ({"output": "samples"}, "output='samples'"),
        ({"hidden": (8, 0)}, "hidden=0"),
        ({"components": 3}, "components=3 goes with likelihood='gaussian'"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"clip": -1.0}, "clip"),
        ({"decay_from": 1.5}, "decay_from"),
        ({"warm_up": 1.5}, "warm_up"),
        ({"warm_up": float("nan")}, "warm_up"),
        ({"min_spread": -1.0}, "min_spread"),
        ({"learning_rate": 1e30}, "diverged"),
    ],
)
def test_unusable_parameters(images, settings, message):
    with pytest.raises(ValueError, match=message):
        tiny(**settings).fit(images)
