import copy
import io
import json
import sys

import pytest
import torch
from rich.console import Console
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from dcgan_features.benchmarks.speed import __main__ as speed
from dcgan_features.benchmarks.speed import train as speed_train
from dcgan_features.benchmarks.speed.account import convolution_rates, kind_of, step_parts
from dcgan_features.benchmarks.speed.train import PlainLoop, measure_train, print_train, training_flop
from dcgan_features.data.utils.cli import run
from dcgan_features.gan.spec import PAPER_32, SPECS, SVHN_32
from dcgan_features.gan.training.adversarial import AdversarialTraining
from tests.gan.tiny import TINY, tiny_images, tiny_recipe

CPU = torch.device("cpu")


@pytest.mark.parametrize("spec", [TINY, SVHN_32])
def test_operations_of_a_step_agree_with_torchs_own_count(spec):
    images = torch.zeros(4, spec.image_size, spec.image_size, 3, dtype=torch.uint8).numpy()
    training = AdversarialTraining(tiny_recipe(network=spec.name, batch_size=4), images)
    for expected in training_flop(spec):
        with FlopCounterMode(display=False) as counter:
            training.step()
        assert 4 * expected == counter.get_total_flops()


def test_the_papers_network_takes_6_gflop_for_each_pair_of_updates():
    assert sum(training_flop(PAPER_32)) == pytest.approx(6.425e9, rel=0.001)


def test_the_plain_loop_computes_the_losses_of_its_networks_and_updates_both(monkeypatch):
    torch.manual_seed(0)
    loop = PlainLoop(TINY, tiny_images(16), 16, CPU, workers=0)
    latent = torch.randn(16, TINY.latent_size)
    monkeypatch.setattr(speed_train, "draw_latent", lambda *_: latent)
    generator, discriminator = copy.deepcopy(loop.generator), copy.deepcopy(loop.discriminator)
    real = torch.from_numpy(tiny_images(16)).permute(0, 3, 1, 2).float() / 127.5 - 1  # the only minibatch, in any order
    with torch.no_grad():
        fake = generator(latent)
        on_real, on_fake = functional.softplus(-discriminator(real)), functional.softplus(discriminator(fake))
    losses = loop.step()
    with torch.no_grad():
        on_updated, on_earlier = (functional.softplus(-judge(fake)) for judge in (loop.discriminator, discriminator))
    assert losses == pytest.approx((float(on_real.mean() + on_fake.mean()), float(on_updated.mean())), abs=1e-5)
    assert abs(losses[1] - float(on_earlier.mean())) > 1e-4
    for updated, earlier in ((loop.generator, generator), (loop.discriminator, discriminator)):
        assert not any(torch.equal(*pair) for pair in zip(updated.parameters(), earlier.parameters(), strict=True))


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("aten::convolution_backward", "convolutions, backwards"),
        ("aten::mkldnn_convolution", "convolutions, forwards"),
        ("aten::_convolution", "convolutions, forwards"),
        ("aten::native_batch_norm_backward", "batch normalisation"),
        ("aten::leaky_relu_backward", "rectifiers and tanh"),
        ("aten::mm", "linear layers"),
        ("aten::_fused_adam_", "optimiser"),
        ("aten::copy_", "copies and casts"),
        ("aten::randperm", "everything else"),
    ],
)
def test_operations_are_sorted_by_kind(operation, kind):
    assert kind_of(operation) == kind


def test_parts_of_a_step_add_up_to_the_whole():
    parts = step_parts(TINY, CPU, 8)
    assert sum(parts.values()) == pytest.approx(1)
    for kind in ("convolutions, forwards", "convolutions, backwards", "batch normalisation", "optimiser"):
        assert parts[kind] > 0


def test_every_convolution_is_measured():
    rows = convolution_rates(TINY, CPU, 4, repeats=1)
    assert [row["network"] for row in rows] == ["discriminator"] * 3 + ["generator"] * 2
    assert "3x3, stride 2, 4 to 6 maps, 8 to 4 pixels" in rows[1]["convolution"]
    assert rows[1]["gflop"] == pytest.approx(2e-9 * 4 * 4 * 6 * 9 * 16)  # 4 x 4 places of 6 maps, each of 4 x 3 x 3
    assert all(row[name] > 0 for row in rows for name in ("forward", "input_gradient", "weight_gradient"))


def test_the_command_measures_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed_train, "_IMAGES", 16)

    def tiny(device, say, repeats):
        return measure_train(device, say, ("tiny",), repeats, 8)

    assert "tiny" in SPECS
    monkeypatch.setattr(speed_train, "measure_train", tiny)
    arguments = ["train", "--repeats", "1", "--device", "cpu", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["speed.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        run(speed.app)
    assert ended.value.code == 0
    (row,) = json.loads((tmp_path / "speed" / "train.json").read_text())["measured"]
    assert row["gflop"] == pytest.approx(8e-9 * sum(training_flop(TINY)))
    assert row["ratio"] == pytest.approx(row["gflops"] / row["product_gflops"])
    both = row["generator_seconds"] + row["discriminator_seconds"]
    assert (row["images_per_second"] * both, row["times_faster"] * both) == pytest.approx((16, row["plain_seconds"]))
    assert "Target for tiny" in capsys.readouterr().out
    for times, met in ((3.9, "missed"), (4.0, "met")):
        out = io.StringIO()
        print_train([{**row, "device": "GPU", "times_faster": times}], Console(file=out, width=160))
        assert f"Target for tiny on a GPU: 4 times the plain loop; {met}." in out.getvalue()
