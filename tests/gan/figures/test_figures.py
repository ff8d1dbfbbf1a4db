"""The command, from its arguments to the pictures and the exit code."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.figures.__main__ import app
from dcgan_features.gan.figures.grid import Cell, Row, Sheet, draw_sheet
from dcgan_features.gan.figures.latent import (
    Arithmetic,
    Forget,
    Turn,
    arithmetic_sheet,
    forget_sheet,
    samples_sheet,
    turn_sheet,
    walk_sheet,
)
from dcgan_features.gan.figures.options import EXAMPLES, numbers, read_choice
from dcgan_features.gan.latent.ablation import images_without
from dcgan_features.gan.latent.paths import combine
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.weights_file import save_weights
from tests.gan.tiny import TINY, tiny_sampler

ARITHMETIC = """
seed: 4
plus: {name: tall, samples: [0, 1, 2]}
minus: {name: short, samples: [3, 4, 5]}
also: {name: red, samples: [6, 7, 8]}
result: tall red
"""
TURN = "left: [0, 1, 2, 3]\nright: [4, 5, 6, 7]\nsamples: [8, 9]\nsteps: 5\n"
FORGET = "thing: corner\nboxes: [[2, 0, 0, 4, 4], [7, 0, 0, 4, 4]]\nsamples: [2, 11]\nmaps: [1, 9]\n"


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    source = torch.Generator().manual_seed(0)
    discriminator, generator = Discriminator(TINY, source), Generator(TINY, source)
    save_weights(tmp_path / "weights", discriminator, generator, {"images_seen": 1234})
    save_weights(tmp_path / "half", discriminator, None, {})
    for name, text in (("arithmetic", ARITHMETIC), ("turn", TURN), ("forget", FORGET)):
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)

    def call_with(*arguments):
        monkeypatch.setattr(sys, "argv", ["gan.figures", *arguments])
        with pytest.raises(SystemExit) as raised:
            run(app)
        captured = capsys.readouterr()
        return raised.value.code, captured.out, captured.err

    return call_with


@pytest.mark.parametrize(
    "arguments",
    [
        ("samples", "weights", "--samples", "0-3,9", "--seed", "2"),
        ("walk", "weights", "--samples", "0-2", "--steps", "3"),
        ("arithmetic", "weights", "arithmetic.yaml"),
        ("turn", "weights", "turn.yaml"),
        ("directions", "weights", "--count", "2", "--samples", "5"),
        ("forget", "weights", "forget.yaml"),
    ],
)
def test_every_kind_writes_one_picture_the_same_each_time(call, tmp_path, arguments):
    code, out, err = call(*arguments, "--device", "cpu")
    assert code == 0, err
    first = tmp_path / f"{arguments[0]}.png"
    assert f"written: {first.name}" in out
    assert Image.open(first).mode == "RGB"
    code, *_ = call(*arguments, "--device", "cpu", "--out", "again/other.png")
    assert code == 0
    assert (tmp_path / "again" / "other.png").read_bytes() == first.read_bytes()
    assert [path.name for path in tmp_path.glob("*.png")] == [first.name]


def test_a_palette_and_a_smaller_scale_make_a_smaller_file(call, tmp_path):
    call("samples", "weights", "--samples", "0-5", "--out", "all.png")
    call("samples", "weights", "--samples", "0-5", "--out", "few.png", "--colours", "16", "--scale", "2")
    few = Image.open(tmp_path / "few.png")
    assert few.mode == "P"
    assert few.getcolors(16) is not None  # no more than that
    assert (tmp_path / "few.png").stat().st_size < (tmp_path / "all.png").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("samples", "nowhere"), "unknown weights 'nowhere'"),
        (("samples", "half"), "holds no generator"),
        (("samples", "damaged"), "is damaged"),
        (("samples", "weights", "--samples", ""), "--samples: no sample is chosen"),
        (("samples", "weights", "--samples", "3,x"), "--samples: 'x' is not a number or a range"),
        (("samples", "weights", "--samples", "5-2"), "no sample is chosen"),
        (("samples", "weights", "--samples", "0-999999999"), "too many for a figure"),
        (("samples", "weights", "--device", "tpu"), "--device tpu"),
        (("samples", "weights", "--sample", "3"), "did you mean '--samples'?"),
        (("walk", "weights", "--samples", "3"), "at least two samples"),
        (("directions", "weights", "--count", "6"), "z has 5 dimensions"),
        (("directions", "weights", "--count", "2", "--layer", "4"), "there is no layer 4"),
        (("turn", "weights", "nothing.yaml"), "cannot read the choice nothing.yaml"),
        (("turn", "weights", "forget.yaml"), "forget.yaml lacks 'left'"),
        (("forget", "weights", "far.yaml"), "does not lie in an image of 8 x 8 pixels"),
        (("forget", "weights", "empty.yaml"), "boxes: list should have at least 1 item"),
        (("arithmetic", "weights", "none.yaml"), "plus.samples: list should have at least 1 item"),
        (
            ("arithmetic", "weights", "below.yaml"),
            "plus.samples.0: input should be greater than or equal to 0 (not -1)",
        ),
        (("arithmetic", "weights", "odd.yaml"), "did you mean 'spread'?"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence(call, tmp_path, arguments, sentence):
    (tmp_path / "far.yaml").write_text(FORGET.replace("[2, 0, 0, 4, 4]", "[2, 0, 0, 9, 4]"))
    (tmp_path / "empty.yaml").write_text("thing: x\nboxes: []\nsamples: [1]\n")
    (tmp_path / "none.yaml").write_text(ARITHMETIC.replace("[0, 1, 2]", "[]"))
    (tmp_path / "below.yaml").write_text(ARITHMETIC.replace("[0, 1, 2]", "[-1]"))
    (tmp_path / "odd.yaml").write_text(ARITHMETIC + "spred: 1\n")
    (tmp_path / "damaged.json").write_text("{")
    (tmp_path / "damaged.safetensors").write_bytes(b"")
    code, _, err = call(*arguments)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.png"))


def test_numbers():
    assert numbers("0-3, 8,8", "--samples") == [0, 1, 2, 3, 8, 8]
    with pytest.raises(InputError, match="402 samples are too many"):
        numbers("0-200,0-200", "--samples")


def captions(sheet):
    return [[cell.caption if cell else None for cell in row.cells] for row in sheet.rows]


def shown(sheet: Sheet, row: int, column: int) -> Any:
    return sheet.rows[row].cells[column]


def test_samples_and_walks_name_what_they_show():
    sampler = tiny_sampler()
    sheet = samples_sheet(sampler, 3, [4, 9, 1], columns=2)
    assert captions(sheet) == [["3:4", "3:9"], ["3:1"]]
    np.testing.assert_array_equal(shown(sheet, 1, 0).image, sampler.images(sampler.latent(3, [1]))[0])
    walk = walk_sheet(sampler, 3, [4, 9], 2)
    assert captions(walk) == [["3:4", "1/2"], ["3:9", "1/2"]]
    assert [row.title for row in walk.rows] == ["3:4 to 3:9", "3:9 to 3:4"]
    np.testing.assert_array_equal(shown(walk, 0, 1).image, shown(walk, 1, 1).image)  # the same middle


def test_arithmetic_shows_exemplars_means_result_and_control(tmp_path):
    (tmp_path / "choice.yaml").write_text(ARITHMETIC)
    sampler = tiny_sampler()
    sheet = arithmetic_sheet(sampler, read_choice(Arithmetic, str(tmp_path / "choice.yaml")))
    names = captions(sheet)
    assert [row[:3] for row in names] == [["4:0", "4:1", "4:2"], ["4:3", "4:4", "4:5"], ["4:6", "4:7", "4:8"]]
    assert names[1][5] == "Y"
    assert names[1][7] == "pixels only"
    result = combine(*(sampler.latent(4, range(first, first + 3)) for first in (0, 3, 6)))
    np.testing.assert_array_equal(shown(sheet, 1, 5).image, sampler.images(result[None])[0])
    images = [sampler.images(sampler.latent(4, range(first, first + 3))) / 3 for first in (0, 3, 6)]
    by_hand = (images[0] - images[1] + images[2]).sum(0).clip(0, 255)
    np.testing.assert_allclose(shown(sheet, 1, 7).image, by_hand, atol=0.5001)


def test_a_turn_leaves_the_sample_itself_in_the_middle(tmp_path):
    (tmp_path / "choice.yaml").write_text(TURN)
    sampler = tiny_sampler()
    sheet = turn_sheet(sampler, read_choice(Turn, str(tmp_path / "choice.yaml")))
    assert captions(sheet)[3] == ["0:8 -1.00", "0:8 -0.50", "0:8", "0:8 +0.50", "0:8 +1.00"]
    np.testing.assert_array_equal(shown(sheet, 3, 2).image, sampler.images(sampler.latent(0, [8]))[0])
    mean = sampler.latent(0, range(4)).mean(0, keepdim=True)
    np.testing.assert_array_equal(shown(sheet, 2, 0).image, sampler.images(mean)[0])


def test_forgetting_draws_the_boxes_what_is_left_and_a_control(tmp_path):
    (tmp_path / "choice.yaml").write_text(FORGET)
    sampler = tiny_sampler()
    sheet, found = forget_sheet(sampler, read_choice(Forget, str(tmp_path / "choice.yaml")))
    assert captions(sheet) == [["0:2", "0:7"], ["0:2", "0:11"], ["", ""], ["", ""], ["", ""]]
    speaking = found.maps()
    others = sorted(set(range(6)) - set(speaking))
    assert 1 < len(speaking) < 6
    count = min(len(speaking), len(others))
    titles = ["boxes", "before", "without\n1 maps", f"without\n{len(speaking)} maps"]
    assert [row.title for row in sheet.rows] == [*titles, f"control: without\n{count} other maps"]
    assert shown(sheet, 0, 1).boxes == [(0, 0, 4, 4)]
    latent = sampler.latent(0, [2, 11])
    for row, maps in ((2, speaking[:1]), (3, speaking), (4, others)):
        without = images_without(sampler, latent, maps)
        if row < 4 or count == len(others):
            np.testing.assert_array_equal(shown(sheet, row, 1).image, without[1])
    assert "2 boxes on 2 samples, 2 positions inside" in sheet.note
    assert f"{len(speaking)} of the 6 maps of layer 0" in sheet.note


def test_a_sheet_places_cells_and_frames():
    green, red = np.full((8, 8, 3), (7, 90, 8), np.uint8), np.full((8, 8, 3), (200, 0, 0), np.uint8)
    grey = np.full((8, 8, 1), 77, np.uint8)
    rows = [
        Row([Cell(green, "a"), Cell(red, "b", [(2, 2, 6, 6)])], "first"),
        Row([None, Cell(red), Cell(grey)], "last"),
    ]
    picture = draw_sheet(Sheet("Title", rows, note="a note"), scale=4)
    pixels = np.asarray(picture)
    assert (pixels == 77).all(2).sum() >= 32 * 32
    top, left = np.argwhere((pixels == (7, 90, 8)).all(2)).min(0)
    plain = (pixels == (200, 0, 0)).all(2)
    step = np.argwhere(plain[top])[0, 0] - left
    frame = np.argwhere((pixels == (0xD6, 0x27, 0x28)).all(2)) - (top, left + step)
    assert frame.min(0).tolist() == [8, 8]
    assert frame.max(0).tolist() == [23, 23]
    assert plain.sum() == 2 * 32 * 32 - len(frame)
    assert (pixels[:top] < 60).any()  # the title
    assert not plain[:, : left + step].any()  # the empty place


def test_shipped_choices_are_valid():
    kinds: dict[str, Any] = {"arithmetic": Arithmetic, "turn": Turn, "forget": Forget}
    shipped = sorted(EXAMPLES.glob("*.yaml"))
    assert shipped
    for path in shipped:
        kind = next(kind for name, kind in kinds.items() if name in path.stem)
        assert read_choice(kind, path.stem) == read_choice(kind, str(path))
