import io

import numpy as np
import pytest
import torch
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from dcgan_features.benchmarks.speed.extract import convolution_flop, measure_extract, print_extract
from dcgan_features.benchmarks.speed.plain_loop import PlainExtraction
from dcgan_features.features import DiscriminatorFeatures
from dcgan_features.gan.batch_norm import reestimate_batch_statistics
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import PAPER_32, SVHN_32


@pytest.mark.parametrize("spec", [PAPER_32, SVHN_32])
def test_operations_agree_with_torchs_own_count(spec):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Discriminator(spec).eval().maps(torch.zeros(1, 3, 32, 32))
    assert convolution_flop(spec) == counter.get_total_flops()


def test_the_papers_network_takes_536_million_operations():
    assert convolution_flop(PAPER_32) == pytest.approx(0.536e9, rel=0.001)


def test_the_plain_loop_makes_the_same_features():
    network = Discriminator(SVHN_32, torch.Generator().manual_seed(0))
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    ours = DiscriminatorFeatures(network, dtype="float32", device="cpu").fit(images).transform(images)
    plain = PlainExtraction(reestimate_batch_statistics(network, images), images, 8, workers=0)()
    torch.testing.assert_close(plain, torch.as_tensor(ours), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("device", "ratio", "said"), [
    ("cpu", 0.74, "on the CPU: at least 0.75 of the matrix product; missed"),
    ("cpu", 0.76, "on the CPU: at least 0.75 of the matrix product; met"),
    ("NVIDIA H200", 0.36, "on a GPU: at least 0.35 of the matrix product; met"),
])  # fmt: skip
def test_the_target_is_that_of_the_device(device, ratio, said):
    row = measure_extract(SVHN_32, ("bfloat16",), repeats=1, n_images=2, device="cpu")[0]
    out = io.StringIO()
    print_extract([{**row, "device": device, "ratio": ratio}], Console(file=out, width=160))
    assert f"Target for bfloat16 {said}." in out.getvalue()


def test_rows_are_consistent_and_printed():
    rows = measure_extract(SVHN_32, repeats=2, n_images=8, device="cpu")
    assert [row["dtype"] for row in rows] == ["bfloat16", "float32"]
    for row in rows:
        assert row["gflops"] == pytest.approx(row["images_per_second"] * convolution_flop(SVHN_32) / 1e9)
        assert row["times_faster"] == pytest.approx(row["images_per_second"] / row["plain_images_per_second"])
        assert row["ratio"] == pytest.approx(row["gflops"] / row["product_gflops"])
    out = io.StringIO()
    print_extract(rows, Console(file=out, width=160))
    assert "svhn-32" in out.getvalue()
    assert "Target for bfloat16" in out.getvalue()
