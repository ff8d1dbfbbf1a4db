import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import nn

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.batch_norm import average_batch_statistics, reestimate_generator_statistics
from dcgan_features.gan.latent.sampler import BLOCK, LatentSampler, draw_named
from dcgan_features.gan.networks import Discriminator, Generator, unscale_images
from dcgan_features.gan.spec import LSUN_64_NARROW, SVHN_32
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.checkpoint import save_state
from dcgan_features.gan.weights_file import save_weights
from tests.gan.tiny import DATA, TINY, tiny_images, tiny_recipe, tiny_sampler


def test_a_sample_is_named_by_seed_and_number_alone():
    sampler = tiny_sampler()
    many = sampler.latent(3, range(20))
    assert many.shape == (20, 5)
    assert torch.equal(sampler.latent(3, [7, 2]), many[[7, 2]])
    assert torch.equal(tiny_sampler(seed=9).latent(3, [7]), many[[7]])
    assert not torch.equal(sampler.latent(4, [7]), many[[7]])
    assert len(torch.unique(many)) == many.numel()


@pytest.mark.parametrize(
    ("spec", "distribution", "where"), [(LSUN_64_NARROW, "uniform", (-1, 2)), (SVHN_32, "norm", (0, 1))]
)
def test_z_has_the_distribution_the_network_was_trained_with(spec, distribution, where):
    points = draw_named(spec, 100, 5).numpy()
    assert points.dtype == np.float32
    assert kstest(points.ravel(), distribution, where).pvalue > 1e-3


def test_an_image_is_the_same_in_any_company():
    sampler = tiny_sampler()
    latent = sampler.latent(0, range(BLOCK + 9))
    together = sampler.images(latent)
    assert together.dtype == np.uint8
    assert together.shape == (BLOCK + 9, 8, 8, 3)
    for index in (0, 5, BLOCK, BLOCK + 8):
        np.testing.assert_array_equal(sampler.images(latent[[index]])[0], together[index])
    np.testing.assert_array_equal(sampler.images(latent.flip(0)), together[::-1])
    with torch.no_grad():  # the network itself, in evaluation mode, without blocks
        plain = unscale_images(sampler.generator(latent)).numpy()
    assert np.abs(plain.astype(int) - together).max() <= 1


def test_statistics_of_the_generator_are_averages_over_minibatches():
    generator = Generator(TINY, torch.Generator().manual_seed(0))
    latent = torch.rand(20, 5, generator=torch.Generator().manual_seed(1))
    reestimate_generator_statistics(generator, latent, batch_size=8)
    means, variances = [], []
    for start in (0, 8):  # the last four are left over
        block = latent[start : start + 8] @ generator.projection.weight.T
        means.append(block.mean(0))
        variances.append(block.var(0, correction=0))
    layer = generator.projection_normalisation
    torch.testing.assert_close(layer.running_mean, torch.stack(means).mean(0))
    torch.testing.assert_close(layer.running_var, torch.stack(variances).mean(0))
    assert not generator.training
    with pytest.raises(ValueError, match="at least two"):
        reestimate_generator_statistics(generator, latent[:1])


def test_with_the_statistics_of_one_minibatch_its_images_are_those_of_training():
    generator = Generator(TINY, torch.Generator().manual_seed(0))
    latent = torch.rand(16, 5, generator=torch.Generator().manual_seed(1))
    expected = generator.train()(latent)
    average_batch_statistics(generator, generator, [latent])
    torch.testing.assert_close(generator(latent), expected)


def test_the_generator_in_two_parts_is_the_generator():
    sampler = tiny_sampler()
    latent = sampler.latent(0, range(4))
    for layer, shape in enumerate([(4, 6, 2, 2), (4, 5, 4, 4)]):
        hidden = sampler.hidden(latent, layer)
        assert hidden.shape == shape
        assert hidden.min() == 0
        torch.testing.assert_close(sampler.generator.image(hidden, layer), sampler.generator(latent))
    with pytest.raises(InputError, match=r"no layer 2; the hidden layers are 0 .* to 1"):
        sampler.hidden(latent, 2)


def written(folder, generator=True):
    source = torch.Generator().manual_seed(0)
    networks = Discriminator(TINY, source), Generator(TINY, source)
    return save_weights(folder / "weights", networks[0], networks[1] if generator else None, {"data": DATA})


def test_weights_are_found_by_stem_either_file_or_folder(tmp_path, monkeypatch):
    file = written(tmp_path)
    latent = tiny_sampler().latent(0, range(3))
    pictures = [
        LatentSampler.load(path, "cpu").images(latent)
        for path in (file, file.with_suffix(".json"), tmp_path / "weights", str(tmp_path))
    ]
    assert all((picture == pictures[0]).all() for picture in pictures)
    monkeypatch.setattr("dcgan_features.gan.weights_file.SHIPPED", tmp_path)
    sampler = LatentSampler.load("weights", "cpu")
    assert sampler.metadata["data"] == DATA
    assert sampler.spec == TINY
    assert not sampler.discriminator.training


def test_a_run_that_has_no_weights_yet_is_read_from_its_checkpoint(tmp_path):
    training = AdversarialTraining(tiny_recipe(), tiny_images())
    for _ in range(4):
        training.step()
    save_state(tmp_path / "checkpoint.safetensors", training, DATA)
    sampler = LatentSampler.load(tmp_path, "cpu")
    assert sampler.metadata["images_seen"] == 64
    latent = sampler.latent(0, range(3))
    expected = LatentSampler(training.generator, training.discriminator, device="cpu")
    np.testing.assert_array_equal(sampler.images(latent), expected.images(latent))
    for layer in sampler.discriminator.normalisations[1:]:
        assert isinstance(layer, nn.BatchNorm2d)
        assert layer.running_var is not None
        assert not torch.equal(layer.running_var, torch.ones_like(layer.running_var))


def test_what_cannot_be_loaded(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither weights nor a checkpoint"):
        LatentSampler.load(tmp_path / "empty")
    with pytest.raises(InputError, match=r"nowhere\.safetensors does not exist; .* a name of shipped ones"):
        LatentSampler.load(tmp_path / "nowhere")
    (tmp_path / "empty" / "checkpoint.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="is damaged, or the checkpoint of something else"):
        LatentSampler.load(tmp_path / "empty")
    file = written(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        LatentSampler.load(file)
    with pytest.raises(InputError, match="no generator"):
        LatentSampler.load(written(tmp_path, generator=False))


def test_samples_and_z_that_do_not_exist():
    sampler = tiny_sampler()
    with pytest.raises(InputError, match="no sample is chosen"):
        sampler.latent(0, [])
    with pytest.raises(InputError, match="no sample -1"):
        sampler.latent(0, [2, -1])
    with pytest.raises(InputError, match="seed is -1"):
        sampler.latent(-1, [2])
    with pytest.raises(ValueError, match=r"\(n, 5\), not \(2, 4\)"):
        sampler.images(torch.zeros(2, 4))
