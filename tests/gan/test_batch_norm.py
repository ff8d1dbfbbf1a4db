import warnings
from typing import Any

import numpy as np
import pytest
import torch

from dcgan_features.gan.batch_norm import evenly_spaced, reestimate_batch_statistics
from dcgan_features.gan.networks import Discriminator
from tests.gan.test_networks import array, convolve_by_hand, normalise_by_hand
from tests.gan.tiny import TINY, tiny_images


def statistics_by_hand(network, images, batch_size):
    """Means over the minibatches of every normalised layer's mean and biased variance."""
    means: dict[int, list[Any]] = {1: [], 2: []}
    variances: dict[int, list[Any]] = {1: [], 2: []}
    for start in range(0, len(images), batch_size):
        hidden = images[start : start + batch_size].transpose(0, 3, 1, 2) / 127.5 - 1
        for index, layer in enumerate(TINY.discriminator):
            hidden = convolve_by_hand(hidden, array(network.convolutions[index].weight), layer.stride)
            if index:
                means[index].append(hidden.mean(axis=(0, 2, 3)))
                variances[index].append(hidden.var(axis=(0, 2, 3)))
                hidden = normalise_by_hand(hidden, network.normalisations[index])
            hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    return {index: (np.mean(means[index], axis=0), np.mean(variances[index], axis=0)) for index in means}


@pytest.mark.parametrize(("count", "used"), [(16, 16), (20, 16), (3, 3)])
def test_statistics_equal_a_computation_by_hand(count, used):
    network = Discriminator(TINY, torch.Generator().manual_seed(0)).train()
    # A few images of another brightness, so that averages over minibatches differ from those over all images.
    images = tiny_images(count)
    images[:8] //= 4
    expected = statistics_by_hand(network, images[:used], 8)
    assert reestimate_batch_statistics(network, images, batch_size=8) is network
    for index, (mean, variance) in expected.items():
        np.testing.assert_allclose(array(network.normalisations[index].running_mean), mean, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(array(network.normalisations[index].running_var), variance, rtol=1e-4)
    assert not network.training


def test_statistics_do_not_depend_on_the_former_ones():
    network: Any = Discriminator(TINY)
    reestimate_batch_statistics(network, tiny_images(seed=1))
    reestimate_batch_statistics(network, tiny_images())
    first = network.normalisations[2].running_var
    network.normalisations[1].running_mean += 7
    reestimate_batch_statistics(network, tiny_images())
    assert torch.equal(network.normalisations[2].running_var, first)


def test_reduced_precision_is_close():
    exact = reestimate_batch_statistics(Discriminator(TINY, torch.Generator().manual_seed(0)), tiny_images())
    close = Discriminator(TINY, torch.Generator().manual_seed(0))
    reestimate_batch_statistics(close, tiny_images(), dtype=torch.bfloat16)
    for ours, theirs in zip(close.normalisations[1:], exact.normalisations[1:], strict=True):
        torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=0.03, atol=0)


def test_read_only_images_are_taken_without_a_warning():
    images = tiny_images()
    images.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reestimate_batch_statistics(Discriminator(TINY), images)
        reestimate_batch_statistics(Discriminator(TINY), torch.from_numpy(tiny_images()))


def test_no_images():
    with pytest.raises(ValueError, match="at least one image"):
        reestimate_batch_statistics(Discriminator(TINY), tiny_images(0))
    with pytest.raises(ValueError, match="batch_size"):
        reestimate_batch_statistics(Discriminator(TINY), tiny_images(), batch_size=0)


def test_evenly_spaced_images_are_the_first_the_last_and_those_between():
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    assert evenly_spaced(images, 4).ravel().tolist() == [0, 3, 6, 9]
    assert evenly_spaced(images, 1).ravel().tolist() == [0]
    assert evenly_spaced(images, 20).ravel().tolist() == list(range(10))
