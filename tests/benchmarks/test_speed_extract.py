import io

import pytest
import torch
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed_extract import convolution_flop, measure_extract, print_extract
from gan.networks import Discriminator
from gan.spec import PAPER_32, SVHN_32


@pytest.mark.parametrize("spec", [PAPER_32, SVHN_32])
def test_operations_agree_with_torchs_own_count(spec):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Discriminator(spec).eval().maps(torch.zeros(1, 3, 32, 32))
    assert convolution_flop(spec) == counter.get_total_flops()


def test_the_papers_network_takes_536_million_operations():
    assert convolution_flop(PAPER_32) == pytest.approx(0.536e9, rel=0.001)


def test_rows_are_consistent_and_printed():
    rows = measure_extract(SVHN_32, repeats=2, n_images=8, device="cpu")
    assert [row["dtype"] for row in rows] == ["bfloat16", "float32"]
    for row in rows:
        assert row["gflops"] == pytest.approx(row["images_per_second"] * convolution_flop(SVHN_32) / 1e9)
        assert row["ratio"] == pytest.approx(row["gflops"] / row["product_gflops"])
    out = io.StringIO()
    print_extract(rows, Console(file=out, width=160))
    assert "svhn-32" in out.getvalue()
    assert "Target for bfloat16" in out.getvalue()
