import numpy as np
import pytest
import torch
from scipy.stats import chi

from dcgan_features.gan.latent.encoder import LatentEncoder
from dcgan_features.gan.latent.inversion import invert, keep_inside, nearest_samples, reconstruction_error
from tests.gan.tiny import tiny_sampler


def nothing(count):
    pass


def contrasty(seed=0):
    """A tiny generator whose images vary by many grey levels, as those of a trained one do."""
    sampler = tiny_sampler(seed)
    with torch.no_grad():
        sampler.generator.convolutions[-1].weight *= 40
    return sampler


def test_own_samples_are_found_again_from_the_nearest_of_others():
    sampler = contrasty()
    images = sampler.images(sampler.latent(3, range(12)))
    start = nearest_samples(sampler, images, 4, 200)
    before = reconstruction_error(images, sampler.images(start))
    found = invert(sampler, images, start, 200, nothing)
    after = reconstruction_error(images, sampler.images(found))
    assert after.mean() < 0.35 * before.mean()
    assert (after <= before + 0.5).all()  # half a grey level for rounding
    assert found.abs().max() <= 1


def test_each_image_is_inverted_for_itself():
    sampler = contrasty()
    images = sampler.images(sampler.latent(3, range(4)))
    start = sampler.latent(5, range(4))
    together = invert(sampler, images, start, 20, nothing)
    alone = invert(sampler, images[2:3], start[2:3], 20, nothing)
    np.testing.assert_allclose(together[2:3], alone, atol=1e-4)


def test_nearest_samples_are_those_of_brute_force():
    sampler = contrasty()
    images = sampler.images(sampler.latent(3, range(5)))
    made = sampler.images(sampler.latent(4, range(40)))
    expected = [min(range(40), key=lambda i: ((made[i].astype(int) - image) ** 2).sum()) for image in images]
    found = nearest_samples(sampler, images, 4, 40)
    torch.testing.assert_close(found, sampler.latent(4, range(40))[expected])


def test_steps_are_counted():
    sampler = tiny_sampler()
    counts: list[int] = []
    invert(sampler, sampler.images(sampler.latent(0, [0, 1])), sampler.latent(1, [0, 1]), 3, counts.append)
    assert counts == [2, 2, 2]


def test_z_is_kept_where_the_generator_was_trained():
    latent = torch.tensor([[0.5, -3.0], [2.0, 0.1]])
    assert keep_inside(latent, "uniform").tolist() == [[0.5, -1.0], [1.0, pytest.approx(0.1)]]
    many = 3 * torch.randn(200, 7, generator=torch.Generator().manual_seed(0))
    kept = keep_inside(many, "normal")
    longest = chi.ppf(0.999, 7)
    assert float(kept.norm(dim=1).max()) == pytest.approx(longest, rel=1e-5)
    inside = many.norm(dim=1) < longest
    torch.testing.assert_close(kept[inside], many[inside])
    cosine = torch.cosine_similarity(kept, many)
    torch.testing.assert_close(cosine, torch.ones(200))


def test_reconstruction_error_by_hand():
    first, second = np.zeros((2, 2, 2, 1), np.uint8), np.zeros((2, 2, 2, 1), np.uint8)
    second[1] = 10
    second[1, 0, 0] = 250
    assert reconstruction_error(first, second).tolist() == [0.0, pytest.approx(np.sqrt((250**2 + 300) / 4))]


def test_the_encoder_learns_z_of_samples_it_has_not_seen():
    sampler = contrasty(1)
    latent = sampler.latent(9, range(300))
    images = sampler.images(latent)

    def share(encoder):
        return 1 - ((encoder(images) - latent.numpy()) ** 2).mean() / latent.numpy().var()

    untrained = LatentEncoder(sampler.spec).settle(images)
    encoder = LatentEncoder(sampler.spec).fit(sampler, 1, 2_000, 4, nothing)
    assert share(encoder) > 0.5
    assert share(untrained) < 0.05
    again = LatentEncoder(sampler.spec).fit(sampler, 1, 2_000, 4, nothing)
    np.testing.assert_array_equal(encoder(images), again(images))
    np.testing.assert_allclose(encoder(images[7:9]), encoder(images)[7:9], atol=1e-5)
