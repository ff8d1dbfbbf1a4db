import csv
import json
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dcgan_features.benchmarks.latent import ablation as forget
from dcgan_features.benchmarks.latent import arithmetic, linear, walks
from dcgan_features.benchmarks.latent.__main__ import app
from dcgan_features.benchmarks.latent.classifier import Judgement, train_judge
from dcgan_features.benchmarks.latent.files import compared
from dcgan_features.benchmarks.latent.measure import Measure, resampled, share
from dcgan_features.data.synthetic.stand_in import CLASSES, FACTORS, _shape_cover, stand_in, stand_in_factors
from dcgan_features.data.utils.cli import run
from dcgan_features.eval.protocols import wilson_interval
from dcgan_features.gan.latent.sampler import LatentSampler
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.spec import Convolution, NetworkSpec
from dcgan_features.gan.weights_file import save_weights

SHAPES = [CLASSES.index(name) for name in ("disc", "square", "cross")]
EXTENT = {"disc": 0.85, "square": 0.7, "cross": 0.95}  # half the width of each, upright, of its size
DIMENSIONS = 8


class LinearWorld:
    """Draws one of three shapes on black: every factor is a linear function of z, or the largest of some."""

    spec = SimpleNamespace(latent="normal", latent_size=DIMENSIONS)

    def latent(self, seed, indices):
        return torch.cat(
            [torch.randn(1, DIMENSIONS, generator=torch.Generator().manual_seed(1000 * seed + i)) for i in indices]
        )

    def images(self, latent):
        z = latent.double().numpy()
        factors = np.zeros(len(z), FACTORS)
        factors["x"], factors["y"] = (16 + 2 * z[:, :2].clip(-2, 2)).T
        factors["size"] = 10.75 + 0.8 * z[:, 2].clip(-2, 2)
        factors["hue"] = np.arctan2(z[:, 4], z[:, 3]) / (2 * np.pi) % 1
        factors["shape"] = np.array(SHAPES)[z[:, 5:8].argmax(1)]
        colour = np.stack([(1 + np.cos(2 * np.pi * (factors["hue"] - third / 3))) / 2 for third in range(3)], 1)
        drawn = _shape_cover(factors)[..., None] * (50 + 205 * colour[:, None, None])
        return np.rint(drawn).astype(np.uint8)


class ScrambledWorld(LinearWorld):
    """The same images, but points that lie near each other have nothing in common."""

    def images(self, latent):
        seeds = [np.frombuffer(z.numpy().tobytes(), np.uint32) for z in latent.float()]
        return super().images(
            torch.from_numpy(np.stack([np.random.default_rng(s).standard_normal(DIMENSIONS) for s in seeds]))
        )


class Oracle:
    """Reads the factors off the pixels of a `LinearWorld`."""

    def __call__(self, images):
        covered = images.max(3) > 25
        found: dict[str, Any] = {"hue": [], "x": [], "y": [], "size": [], "shape": []}
        for image, mask in zip(images, covered, strict=True):
            mask = mask if mask.any() else np.ones_like(mask)
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            filled = mask.sum() / (height * width)
            name = "square" if filled > 0.9 else "disc" if filled > 0.65 else "cross"
            red, green, blue = image[mask].mean(0).astype(float)
            angle = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)
            found["hue"].append(angle / (2 * np.pi) % 1)
            found["x"].append(columns.mean() + 0.5)
            found["y"].append(rows.mean() + 0.5)
            found["size"].append((height + width) / 4 / EXTENT[name])
            found["shape"].append(CLASSES.index(name))
        sure = dict.fromkeys(("shape", "hue", "x", "y", "size"), np.ones(len(images), bool))
        return Judgement(**{name: np.array(values) for name, values in found.items()}, sure=sure)

    def features(self, images):
        seen = self(images)
        angle = 2 * np.pi * seen.hue
        return np.stack([seen.x, seen.y, seen.size, np.cos(angle), np.sin(angle)], 1).astype(np.float32)


@pytest.fixture(scope="module")
def pools():
    made = {}
    for name, world in (("linear", LinearWorld()), ("scrambled", ScrambledWorld())):
        latent = world.latent(0, range(700))
        images = world.images(latent)
        made[name] = world, (latent, images, Oracle()(images))
    return made


def by_name(measures):
    return {(measure.what, measure.how): measure for measure in measures}


def test_the_oracle_reads_what_was_drawn(pools):
    latent, _, judged = pools["linear"][1]
    z = latent.numpy()
    assert np.abs(judged.x - 16 - 2 * z[:, 0].clip(-2, 2)).max() < 0.7
    assert np.abs(judged.size - 10.75 - 0.8 * z[:, 2].clip(-2, 2)).mean() < 0.5
    assert (judged.shape == np.array(SHAPES)[z[:, 5:8].argmax(1)]).mean() > 0.99
    assert np.abs((judged.hue - np.arctan2(z[:, 4], z[:, 3]) / (2 * np.pi) + 0.5) % 1 - 0.5).max() < 0.02


def test_arithmetic_succeeds_where_factors_are_linear_and_fails_where_points_have_nothing_in_common(pools):
    results = {}
    for name, (world, pool) in pools.items():
        measures = arithmetic.measure_arithmetic(world, Oracle(), pool, 40, np.random.default_rng(1))
        results[name] = by_name(measures)
    key = f"all attributes: {arithmetic.BOTH}"
    ours, scrambled = (results[name][key, "z of 3"] for name in ("linear", "scrambled"))
    assert ours.n == scrambled.n == 200
    assert ours.value > 65
    for control in (arithmetic.RANDOM, arithmetic.UNCHANGED, arithmetic.PIXELS):
        assert compared(ours, results["linear"][key, control]) == "more than"
    assert scrambled.value < 35
    assert compared(scrambled, results["scrambled"][key, arithmetic.RANDOM]) == "not clearly different from"
    done = f"all attributes: {arithmetic.DONE}"
    assert results["linear"][done, arithmetic.UNCHANGED].value < 10
    assert results["linear"][done, "z of 10"].value > results["linear"][done, "z of 3"].value


def test_trials_pick_disjoint_exemplars_of_the_meant_values(pools):
    judged = pools["linear"][1][2]
    found = arithmetic.values(judged, exemplars=True)
    trials = arithmetic.draw_trials(found, "hue", 30, 3, np.random.default_rng(0))
    assert len(trials) == 30
    for trial in trials:
        plus, minus, base = trial.plus, trial.minus, trial.base
        assert len({*plus, *minus, *base}) == 9
        assert (found["hue"][plus] == trial.wanted).all()
        assert len(set(found["hue"][minus]) | set(found["hue"][base])) == 1
        assert found["hue"][minus][0] not in (-1, trial.wanted)
        assert set(found[trial.kind][plus]) == set(found[trial.kind][minus])
        assert (found[trial.kind][base] == trial.kept).all()
        assert found[trial.kind][plus][0] not in (-1, trial.kept)


def test_values_of_attributes_by_hand():
    sure = {name: np.array([True] * 5 + [False]) for name in ("shape", "hue", "x", "y", "size")}
    column = np.array([16.5, 10.0, 22.0, 15.2, 16.0, 9.0])
    judged = Judgement(
        np.arange(6), np.array([0.02, 0.3, 0.69, 0.97, 0.18, 0.1]), column, column, np.full(6, 11.0), sure
    )
    results = arithmetic.values(judged, exemplars=False)
    assert results["hue"].tolist() == [0, 1, 2, 0, 1, -1]
    assert results["x"].tolist() == [1, 0, 1, 0, 0, -1]
    exemplars = arithmetic.values(judged, exemplars=True)
    assert exemplars["hue"].tolist() == [0, 1, 2, 0, -1, -1]
    assert exemplars["x"].tolist() == [-1, 0, 1, -1, -1, -1]
    assert exemplars["size"].tolist() == [-1] * 6  # too near the middle
    assert exemplars["shape"].tolist() == [0, 1, 2, 3, 4, -1]


def test_linearity_is_found_where_it_is(pools):
    for name, (low, high) in {"linear": (0.85, 1), "scrambled": (-0.1, 0.1)}.items():
        latent, _, judged = pools[name][1]
        found = by_name(linear.measure_linearity(latent.numpy(), judged, np.random.default_rng(0)))
        for factor in ("x", "size"):
            assert low <= found[f"{factor}: R², cross-validated", linear.LINEAR].value <= high
            assert abs(found[f"{factor}: R², cross-validated", linear.PERMUTED].value) < 0.1
        shape, frequent = found[linear.SHAPE, linear.LINEAR], found[linear.SHAPE, "most frequent shape"]
        assert compared(shape, frequent) == ("more than" if name == "linear" else "not clearly different from")


def test_walks_are_even_where_the_world_is(pools):
    found = {}
    for name, (world, _) in pools.items():
        found[name] = by_name(walks.measure_walks(world, Oracle(), 3, 12, np.random.default_rng(0)))
    ours, jumps = (found["linear"][walks.LENGTH, how].value for how in (walks.Z, walks.JUMPS))
    assert 1 <= ours < 3 < jumps
    assert found["scrambled"][walks.LENGTH, walks.Z].value > 3
    lengths = walks.step_lengths(np.array([[[0, 0], [3, 4], [3, 4]]], np.float32))
    assert lengths.tolist() == [[5, 0]]


def test_boxes_contrast_and_change_by_hand():
    judged: Any = SimpleNamespace(x=np.array([4.0, 1.5]), y=np.array([3.0, 7.0]), size=np.array([1.5, 2.0]))
    boxes = forget.boxes_of(judged, 8)
    assert boxes.tolist() == [[2, 1, 6, 5], [0, 5, 4, 8]]
    held = forget.inside(boxes, 8)
    assert held.sum((1, 2)).tolist() == [16, 12]
    assert held[0, 1:5, 2:6].all()
    images = np.full((2, 8, 8, 3), 100, np.uint8)
    images[0, 2:4, 3:5] = 140  # 4 of 16 pixels differ by 40
    assert forget.contrasts(images, held) == pytest.approx([20, 0])


def test_forgetting_drops_the_map_that_draws_the_shape():
    """A generator of constant maps: one draws a white square amid the image, the other the ground."""
    spec = NetworkSpec("two-maps", 8, 3, 4, "normal", (Convolution(2, 3, 2),), (2, 4, 4), (Convolution(3, 3, 2),))
    generator: Any = Generator(spec)
    with torch.no_grad():
        generator.projection.weight.zero_()
        shift = torch.zeros(2, 4, 4)
        shift[0, 1:3, 1:3] = 1
        shift[1] = 1
        generator.projection_normalisation.bias.copy_(shift.flatten())
        generator.convolutions[0].weight[0] = 2.0
        generator.convolutions[0].weight[1] = -0.1
    sampler = LatentSampler(generator, Discriminator(spec), device="cpu")
    n = forget.BOXED + 10
    sure = dict.fromkeys(("shape", "hue", "x", "y", "size"), np.ones(n, bool))
    middle = np.full(n, 4.0)
    judged = Judgement(np.zeros(n, int), np.zeros(n), middle, middle, np.full(n, 3.0), sure)
    measures = forget.measure_forgetting(sampler, 0, judged, 10, 5, np.random.default_rng(0))
    found = by_name(measures)
    ours = found[forget.BOTH, f"{forget.WEIGHTED} (1 of 2)"]
    assert (ours.value, ours.n) == (100, 10)
    assert found[forget.CHANGE, f"{forget.WEIGHTED} (1 of 2)"].value < forget.KEPT_WITHIN
    assert found[forget.BOTH, f"{forget.RANDOM} (1 of 2)"].value < 100


def test_shares_and_resampled_intervals():
    cases = np.arange(40) < 10
    found = share("part", "what", "how", cases)
    assert (found.value, found.low, found.high) == (25, *wilson_interval(25, 40))
    values = np.random.default_rng(0).standard_normal(400)
    measure = resampled("p", "w", "h", [values], lambda column: float(column.mean()), np.random.default_rng(0))
    half = 1.96 * values.std(ddof=1) / 20
    assert measure.low == pytest.approx(values.mean() - half, abs=0.02)
    assert measure.high == pytest.approx(values.mean() + half, abs=0.02)
    assert compared(Measure("", "", "", 2, 1, 3, 9), Measure("", "", "", 5, 4, 6, 9)) == "less than"


def test_the_judge_learns():
    judge = train_judge(False, 1_500, 5, 12, lambda count: None)
    test: Any = stand_in(1, 250, seed=1, clutter=False).test_images
    truth = stand_in_factors(250, seed=1, part="test")
    judged, doubts = judge.doubts(test)
    assert (judged.shape == truth["shape"]).mean() > 0.3  # chance: 0.1
    assert (np.abs((judged.hue - truth["hue"] + 0.5) % 1 - 0.5) < 1 / 12).mean() > 0.5  # chance: 1/6
    assert linear.r2(truth["x"], judged.x) > 0.5
    assert 0.75 < judged.sure["x"].mean() < 1
    assert (judged.sure["shape"] == (doubts["shape"] <= 0.1)).all()
    wrong = judged.shape != truth["shape"]
    assert doubts["shape"][wrong].mean() > doubts["shape"][~wrong].mean()


SMALL = NetworkSpec(
    "small-32", 32, 3, 6, "normal", (Convolution(4, 5, 2),), (4, 8, 8), (Convolution(4, 5, 2), Convolution(3, 5, 2))
)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    def run_command(description):
        data = {"description": description}
        save_weights(tmp_path / "small", Discriminator(SMALL), Generator(SMALL), {"data": data, "images_seen": 0})
        words = ["--checkpoint", str(tmp_path / "small"), "--demo", "--results", str(tmp_path / "results")]
        monkeypatch.setattr(sys, "argv", ["latent.py", *words])
        with pytest.raises(SystemExit) as ended:
            run(app)
        return ended.value.code, capsys.readouterr().err

    return run_command


def test_the_command_writes_all_three_files(call, tmp_path):
    code, _ = call("plain shapes (stand-in) (50,000 images)")
    assert code == 0
    with open(tmp_path / "results" / "latent.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    stored = json.loads((tmp_path / "results" / "latent.json").read_text())
    assert len(stored["measured"]) == len(lines)
    assert stored["stand_in"]
    assert {line["part"] for line in lines} >= {"judge", "samples", "linearity", "walks"}
    page = (tmp_path / "results" / "latent.md").read_text()
    assert "stand-in" in page.splitlines()[0]
    first = next(measure for measure in stored["measured"] if measure["what"] == "shape: right")
    assert f"{first['value']:.1f}% ({first['low']:.1f} to {first['high']:.1f}) of the shapes rightly" in page


def test_a_generator_of_other_images_is_refused(call):
    code, error = call("cifar10 (50,000 images)")
    assert code == 2
    assert "cifar10" in error
    assert "stand-in" in error
