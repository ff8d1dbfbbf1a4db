"""The GPU's kernel, done by Triton's interpreter in a process of its own, against PyTorch's operations."""

import importlib.util
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from dcgan_features.features import DiscriminatorFeatures
from dcgan_features.features.discriminator.pooling import can_fuse
from dcgan_features.gan.networks import LEAK, Discriminator
from dcgan_features.gan.spec import SVHN_32

TRITON = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs Triton")
KERNEL = """
import torch
from torch.nn import functional
from dcgan_features.features.discriminator.fused import rectify_and_pool

for channels, height, width, grid in ((128, 8, 8, 4), (64, 4, 4, 4), (64, 8, 4, 2), (64, 6, 6, 1)):
    for dtype, bound in ((torch.float32, 0.0), (torch.bfloat16, 2.0 ** -7)):
        maps = torch.randn(3, channels, height, width).to(dtype).to(memory_format=torch.channels_last)
        bias = torch.randn(channels).to(dtype)
        wanted = functional.leaky_relu(maps.float() + bias.float()[:, None, None], 0.2)
        cells = functional.max_pool2d(wanted, (height // grid, width // grid)).flatten(1)
        pooled = rectify_and_pool(maps, bias, 0.2, grid)
        assert pooled.dtype == maps.dtype == dtype
        for found, expected in ((maps, wanted), (pooled, cells)):  # the interpreter cuts bfloat16 off
            assert found.shape == expected.shape
            assert ((found.float() - expected).abs() <= bound * expected.abs()).all(), (channels, dtype)

maps = torch.zeros(1, 64, 4, 4).to(memory_format=torch.channels_last)
maps[0, 3, 2, 1] = float("nan")
pooled = rectify_and_pool(maps, torch.zeros(64), 0.2, 2)
assert pooled.isnan().nonzero().tolist() == [[0, 3 * 4 + 2]]
print("done")
"""


@TRITON
def test_the_kernel_rectifies_in_place_and_pools():
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-c", KERNEL], capture_output=True, text=True, env=environment, timeout=300)
    assert done.stdout == "done\n", done.stderr[-2000:]


def maps_on_a_gpu(shape, memory_format=torch.channels_last):
    maps = torch.zeros(shape).to(memory_format=memory_format)
    return SimpleNamespace(shape=maps.shape, is_cuda=True, is_contiguous=maps.is_contiguous)


@TRITON
def test_where_it_is_of_use():
    assert can_fuse(maps_on_a_gpu((2, 64, 8, 8)), 4)
    assert not can_fuse(torch.zeros(2, 64, 8, 8).to(memory_format=torch.channels_last), 4)  # on the CPU
    assert not can_fuse(maps_on_a_gpu((2, 60, 8, 8)), 4)
    assert not can_fuse(maps_on_a_gpu((2, 64, 8, 8)), 3)
    assert not can_fuse(maps_on_a_gpu((2, 64, 9, 9)), 3)  # not a power of two
    assert not can_fuse(maps_on_a_gpu((2, 64, 8, 8), torch.contiguous_format), 4)


def test_a_gpus_way_without_the_kernel_is_the_cpus():
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    extractor = DiscriminatorFeatures(Discriminator(SVHN_32, torch.Generator().manual_seed(0)), dtype="float32")
    extractor.fit(images)
    hidden = torch.randn(2, 3, 32, 32).to(memory_format=torch.channels_last)
    convolution = extractor.convolutions_[0]
    wanted = functional.leaky_relu(convolution(hidden), LEAK)
    maps, pooled = extractor._on_gpu(convolution, hidden)
    torch.testing.assert_close(maps, wanted)
    torch.testing.assert_close(pooled, functional.max_pool2d(wanted, 4).flatten(1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("settings", [{}, {"reflection": "max", "shift": 1, "power": 0.5, "balance": True}])
def test_features_of_a_gpu_are_those_of_the_cpu(settings):
    images = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    network = Discriminator(SVHN_32, torch.Generator().manual_seed(0))
    own, reference = (
        DiscriminatorFeatures(network, dtype="float32", device=device, **settings).fit(images).transform(images)
        for device in ("cuda", "cpu")
    )
    assert np.linalg.norm(own - reference) < 1e-4 * np.linalg.norm(reference)
