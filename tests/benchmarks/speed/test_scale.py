"""The forecast on paper: what is counted against what is really exchanged, the arithmetic by hand, and the document."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import distributed

from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.speed.forecast import (  # fmt: skip
    Assumed,
    Counts,
    Exchange,
    assumed_lines,
    count,
    counted_lines,
    exchange_seconds,
    extraction_seconds,
    fit_seconds,
    forecast_lines,
    pass_seconds,
    place,
    training_seconds,
)
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import PAPER_32, SVHN_32
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.data_parallel import SharedBatch
from dcgan_features.gan.training.recipe import make_recipe, read_recipe
from dcgan_features.gan.weights_file import SHIPPED, load_weights, save_weights
from tests.gan.tiny import TINY, tiny_images, tiny_recipe
from tests.processes import in_processes, results

DOCS = Path(__file__).parents[3] / "docs"
FORECAST = (DOCS / "scale.md").read_text(encoding="utf-8")
DOCUMENT = (DOCS / "scale-commands.md").read_text(encoding="utf-8")
ROUND = Assumed(
    product=1000.0, training_share=0.5, extraction_share=0.1, device_bytes=400.0, device_rate=100.0, host_rate=10.0,
    wire_inside=8.0, wire_between=2.0, latency=0.5, machine_gpus=2, host_bytes=1000.0, disk_rate=4.0, times_seen=3,
    batch=6, classes=1, passes=2,
)  # fmt: skip
COUNTS = Counts(
    forward=10, generator_step=20, discriminator_step=30, generator_parameters=7, discriminator_parameters=5,
    features=1, image_bytes=1, generator_exchange=Exchange(4, 8, 2), discriminator_exchange=Exchange(8, 16, 4),
)  # fmt: skip


def exchanged(rank):
    """Bytes reduced and gathered, and the number of exchanges, of a minibatch of either kind."""
    reduce, gather, noted = distributed.all_reduce, distributed.all_gather, []

    def reduced(tensor):
        noted.append(("reduced", tensor.numel() * tensor.itemsize))
        return reduce(tensor)

    def gathered(parts, tensor):
        noted.append(("gathered", tensor.numel() * tensor.itemsize))
        return gather(parts, tensor)

    training = AdversarialTraining(tiny_recipe(), tiny_images(), share=SharedBatch())
    distributed.all_reduce, distributed.all_gather = reduced, gathered  # type: ignore[assignment]
    found = []
    for _ in range(2):
        noted.clear()
        training.step()
        gathered_bytes, reduced_bytes = (
            sum(size for name, size in noted if name == kind) for kind in ("gathered", "reduced")
        )
        found.append(Exchange(gathered_bytes, reduced_bytes, len(noted)))
    return found


def test_what_is_exchanged_is_what_a_minibatch_exchanges():
    counts = count(TINY)
    for found in results(in_processes(2, exchanged)):
        assert found == [counts.generator_exchange, counts.discriminator_exchange]


def test_parameters_and_features_of_the_papers_network():
    counts = count(PAPER_32)
    convolutions = 9 * (3 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512)
    assert counts.discriminator_parameters == convolutions + 512 * 16 + 2 * (128 + 256 + 256 + 512 + 512)
    assert (counts.features, counts.feature_bytes, counts.image_bytes) == (28_672, 57_344, 3_072)
    assert counts.checkpoint_bytes == 12 * (counts.generator_parameters + counts.discriminator_parameters)
    assert counts.step == pytest.approx(6.425e9 / 2, rel=0.001)
    assert count(SVHN_32).features == 7_168


def test_times_by_hand():
    assert exchange_seconds(COUNTS, 1, ROUND) == 0
    # two GPUs of a machine: gathered once, reduced 2 * 1/2 times; 12 and 24 bytes at 8 a second, 2 and 4 exchanges
    assert exchange_seconds(COUNTS, 2, ROUND) == pytest.approx((12 / 8 + 1 + 24 / 8 + 2) / 2)
    # four GPUs of two machines: gathered three times, reduced 2 * 3/4 times; at 2 a second
    assert exchange_seconds(COUNTS, 4, ROUND) == pytest.approx(((12 + 12) / 2 + 1 + (24 + 24) / 2 + 2) / 2)
    # 40 images three times are 20 minibatches of 6, each of 6 * 25 operations at 500 a second
    assert training_seconds(COUNTS, 40, 1, ROUND) == pytest.approx(20 * 0.3)
    assert training_seconds(COUNTS, 40, 2, ROUND) == pytest.approx(10 * (0.3 + 3.75))
    assert training_seconds(COUNTS, 40, 2, ROUND, whole=True) == pytest.approx(20 * (0.15 + 3.75))
    assert extraction_seconds(COUNTS, 40, 2, ROUND) == pytest.approx(40 * 10 / 200)


def test_features_lie_where_there_is_room_and_a_pass_takes_what_it_takes_there():
    assert [place(COUNTS, images, 1, ROUND) for images in (99, 100, 399, 400)] == ["GPU", "memory", "memory", "disk"]
    assert [place(COUNTS, 400, gpus, ROUND) for gpus in (2, 3, 8)] == ["disk", "memory", "GPU"]
    # 50 images: 100 bytes, 7 times on the device at 60 a second; once from elsewhere; 5 operations an image at 100
    seconds = pass_seconds(COUNTS, 50, 1, ROUND)
    device = 700 / 60
    assert seconds == pytest.approx({"GPU": device, "memory": device, "disk": 100 / 4, "anew": device + 5})
    assert fit_seconds(COUNTS, 50, 1, ROUND) == pytest.approx(2 * device)
    # of two GPUs, each sends half of its 8 bytes twice
    assert fit_seconds(COUNTS, 50, 2, ROUND) == pytest.approx(2 * (device / 2 + 8 / 8 + 0.5))


def test_tables_show_what_is_assumed():
    lines = assumed_lines(replace(Assumed(), latency=3e-05, device_bytes=80e9))
    assert "| an exchange, whatever its size, seconds | 3e-05 |" in lines
    assert "| memory of a GPU, bytes | 80 · 10⁹ |" in lines


@pytest.mark.parametrize("lines", [counted_lines, forecast_lines, lambda _, assumed: assumed_lines(assumed)])
def test_the_document_shows_what_the_command_prints(lines):
    assert "\n".join(lines(count(PAPER_32), Assumed())) in FORECAST


def blocks(language):
    """What the document shows in blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.M | re.S)


def test_the_recipe_of_the_document_is_that_of_the_papers_training(tmp_path):
    (recipe,) = blocks("yaml")
    (tmp_path / "paper-32.yaml").write_text(recipe)
    settings = read_recipe(tmp_path / "paper-32.yaml")
    assert (settings.network, settings.images) == ("paper-32", 30 * 1_280_000)
    assert settings.snapshot_every is not None
    assert settings.snapshot_every % settings.batch_size == 0  # so that snapshots are named by it
    assert settings.images // settings.snapshot_every == 20


def test_the_python_of_the_document_runs(tmp_path, monkeypatch):
    """On three made-up images, and a snapshot of an untrained network in the place of a trained one."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    rows = [bytes([7, 9]) + image.transpose(2, 0, 1).tobytes() for image in images]  # labels, then planes of colour
    Path("cifar-100-binary").mkdir()
    Path("cifar-100-binary/train.bin").write_bytes(b"".join(rows))
    network = Discriminator(PAPER_32, torch.Generator().manual_seed(0))
    kept = load_weights(SHIPPED / "paper-32").metadata
    about = {name: kept[name] for name in ("recipe", "data", "images_seen", "batches", "device", "batch_statistics")}
    save_weights(Path("runs/paper-32/snapshots/weights-0009600000"), network, None, about)
    Path("gan/weights").mkdir(parents=True)
    for block in blocks("python"):
        exec(compile(block, "scale.md", "exec"), {})
    np.testing.assert_array_equal(np.load("cifar100.npy"), images)
    shipped = Path("gan/weights/paper-32.safetensors")
    assert shipped.stat().st_size == pytest.approx(9.2e6, rel=0.01)
    loaded = load_weights(shipped, PAPER_32)
    assert loaded.metadata["recipe"] == about["recipe"]
    for name, tensor in loaded.discriminator.state_dict().items():
        torch.testing.assert_close(tensor, network.state_dict()[name], rtol=0.01, atol=1e-6)


def test_the_table_of_the_document_chooses_on_training_images():
    table = load_table("reference")
    assert table.protocols["choice"].scored_on == "validation"
    assert "choice" not in table.presets["default"].protocols  # it is asked for by name
    folders = [Path(row.weights.file).parts[-2] for row in table.rows if row.weights and row.weights.file]
    assert len(folders) == len(table.rows)
    assert all(f"runs/{folder}`" in DOCUMENT or f"--out runs/{folder}" in DOCUMENT for folder in folders)


def test_every_row_past_the_paper_has_a_recipe_that_changes_one_thing():
    (paper,) = (yaml.safe_load(block) for block in blocks("yaml"))
    changes = dict(re.findall(r"^\| [a-zA-Z1 ]+ \| `(.+?)`.*? \| `runs/(.+?)` \|$", DOCUMENT, re.M))
    recipes = {folder: make_recipe({**paper, **yaml.safe_load(change)}) for change, folder in changes.items()}
    first, *rows = load_table("reference").rows
    assert first.name == "dcgan"
    assert [row.name for row in rows] == [f"dcgan-{folder.removeprefix('paper-32-')}" for folder in recipes]
    for row, recipe in zip(rows, recipes.values(), strict=True):
        assert row.weights is not None
        assert row.weights.network == recipe.network
        changed = {key for key, value in recipe if value != getattr(make_recipe(paper), key)}
        assert len(changed) == 1, row.name
