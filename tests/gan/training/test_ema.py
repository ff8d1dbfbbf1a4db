from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.conditional.training import make_conditional_recipe
from dcgan_features.gan.latent.sampler import LatentSampler
from dcgan_features.gan.samples import sample_grid
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.dcgan import Run
from dcgan_features.gan.weights_file import load_weights
from tests.gan.tiny import DATA, cut_off_at, tiny_images, tiny_recipe

EVERYTHING: dict[str, Any] = {
    "network": "tiny-spectral", "loss": "hinge", "gradient_penalty": 2.0, "averaging": 0.9, "flips": True,
    "rotation": 1.0,
}  # fmt: skip


def parameters(network):
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def test_three_updates_by_hand():
    training = AdversarialTraining(tiny_recipe(averaging=0.75, learning_rate=0.01), tiny_images())
    seen: dict[str, list[Any]] = {name: [parameters(getattr(training, name))] for name in training.networks}
    for step in range(6):
        training.step()
        updated = training.networks[step % 2]
        seen[updated].append(parameters(getattr(training, updated)))
    for name, network in seen.items():
        for key, found in training.averages[name].named_parameters():
            begun, first, second, third = (weights[key] for weights in network)
            expected = 0.421875 * begun + 0.140625 * first + 0.1875 * second + 0.25 * third
            torch.testing.assert_close(found, expected)
            assert not torch.equal(found, third)
    assert not any(parameter.requires_grad for parameter in training.averages["generator"].parameters())


def test_of_spectral_weights_the_normalised_ones_are_averaged():
    training: Any = AdversarialTraining(tiny_recipe(network="tiny-spectral", averaging=0.5), tiny_images())
    weights = []
    for _ in range(4):
        weights.append(training.discriminator.convolutions[1].weight.detach().clone())
        training.step()
    weights.append(training.discriminator.convolutions[1].weight.detach().clone())
    average = training.averages["discriminator"]
    torch.testing.assert_close(average.convolutions[1].weight, 0.25 * weights[0] + 0.25 * weights[2] + 0.5 * weights[4])


def test_averages_do_not_change_the_training():
    runs = [AdversarialTraining(tiny_recipe(averaging=decay), tiny_images()) for decay in (0.0, 0.9)]
    for training in runs:
        for _ in range(5):
            training.step()
    for name in runs[0].networks:
        first, second = (parameters(getattr(training, name)) for training in runs)
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert not runs[0].averages


@pytest.mark.parametrize("network", ["tiny", "tiny-spectral"])
def test_saved_weights_are_the_averages_with_statistics_of_their_own(tmp_path, network):
    recipe = tiny_recipe(network=network, averaging=0.9, learning_rate=0.01, sample_every=5)
    run = Run(recipe, tiny_images(), tmp_path, DATA)
    loaded = load_weights(run.finish())
    assert loaded.generator is not None
    for name, read in (("generator", loaded.generator), ("discriminator", loaded.discriminator)):
        assert all(
            torch.equal(tensor, read.get_parameter(key))
            for key, tensor in run.training.averages[name].named_parameters()
        )
        assert not torch.equal(next(read.parameters()), next(getattr(run.training, name).parameters()))
    latent = run.training.statistics_latent(2048)
    with torch.no_grad():
        variance, mean = torch.var_mean(loaded.generator.projection(latent), 0, correction=0)
    statistics: Any = loaded.generator.projection_normalisation
    torch.testing.assert_close(statistics.running_mean, mean, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(statistics.running_var, variance, rtol=0.05, atol=1e-4)
    sampler = LatentSampler.load(tmp_path / "checkpoint.safetensors", "cpu")
    for name, read in (("generator", loaded.generator), ("discriminator", loaded.discriminator)):
        for key, tensor in read.named_parameters():
            assert torch.equal(getattr(sampler, name).get_parameter(key), tensor)
    average: Any = run.training.averages["generator"]
    expected = np.asarray(sample_grid(average, run.training.sample_latent()))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "samples" / "00000010.png")), expected)
    assert not np.array_equal(np.asarray(sample_grid(run.training.generator, run.training.sample_latent())), expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"averaging": 0.9},
        {"gradient_penalty": 2.0, "precision": "bf16"},
        EVERYTHING,
        {**EVERYTHING, "precision": "bf16"},
    ],
    ids=["averaging", "penalty-bf16", "everything", "everything-bf16"],
)
def test_a_run_that_is_cut_off_resumes_to_the_bit(tmp_path, monkeypatch, settings):
    recipe = tiny_recipe(checkpoint_every=3, **settings)
    with cut_off_at(monkeypatch, 8):
        Run(recipe, tiny_images(), tmp_path / "cut", DATA).finish()
    run = Run(recipe, tiny_images(), tmp_path / "cut", DATA)
    assert run.training.steps_done == 6
    run.finish()
    Run(recipe, tiny_images(), tmp_path / "whole", DATA).finish()
    assert (tmp_path / "cut" / "weights.safetensors").read_bytes() == (
        tmp_path / "whole" / "weights.safetensors"
    ).read_bytes()
    cut, whole = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("cut", "whole"))
    assert cut.keys() == whole.keys()
    assert all(torch.equal(cut[name], whole[name]) for name in cut)
    if "averaging" in settings:
        assert {name.split(".")[0] for name in cut} >= {"averaged_generator", "averaged_discriminator"}


def test_a_run_is_not_resumed_with_or_without_averages(tmp_path):
    Run(tiny_recipe(images=48), tiny_images(), tmp_path, DATA).finish()
    with pytest.raises(InputError, match=r"was begun with averaging=0\.0, not 0\.9"):
        Run(tiny_recipe(averaging=0.9), tiny_images(), tmp_path, DATA)


def test_conditional_gans_have_none():
    with pytest.raises(InputError, match="conditional GANs have no averaged weights; leave 'averaging' away"):
        make_conditional_recipe({"averaging": 0.5})
