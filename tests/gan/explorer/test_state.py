"""What is chosen on the page, without a page."""

import json

import pytest

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.explorer.state import MOST_PINNED, MOST_SHOWN, Name, State, read_names, write_names
from dcgan_features.gan.figures.latent import Arithmetic, Forget
from dcgan_features.gan.figures.options import read_choice


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", [(0, 3)]),
        ("2:7", [(2, 7)]),
        ("0:0-2, 5", [(0, 0), (0, 1), (0, 2), (0, 5)]),
        ("1:4,5, 0:4,1:4", [(1, 4), (1, 5), (0, 4)]),  # a seed holds on; none is there twice
        (" 12 : 3 - 3".replace(" - ", "-"), [(12, 3)]),
    ],
)
def test_names_are_read_and_written(text, expected):
    names = read_names(text)
    assert [(name.seed, name.index) for name in names] == expected
    assert read_names(write_names(names)) == names


@pytest.mark.parametrize("text", ["", " , ", "a:1", "1:b", "-1", "1:2:3", ":4", "0:5-2", "0:0-60", "0:0-30,1:0-30"])
def test_what_names_no_sample_is_said_in_one_sentence(text):
    with pytest.raises(InputError) as error:
        read_names(text)
    assert "\n" not in str(error.value)


def test_runs_of_names_are_written_as_ranges():
    names = [Name(0, 3), Name(0, 4), Name(0, 5), Name(1, 6), Name(1, 8)]
    assert write_names(names) == "0:3-5, 1:6, 1:8"
    assert len(read_names(f"0:0-{MOST_SHOWN - 1}")) == MOST_SHOWN


def test_the_grid_goes_on_and_to_other_seeds():
    state = State()
    assert [str(name) for name in state.shown] == [f"0:{index}" for index in range(16)]
    state.show_next()
    assert write_names(state.shown) == "0:16-31"
    state.show_seed(7)
    assert write_names(state.shown) == "7:0-15"


def test_pins_are_toggled_and_limited():
    state = State()
    for index in range(MOST_PINNED):
        state.toggle_pin(Name(0, index))
    with pytest.raises(InputError, match=str(MOST_PINNED)):
        state.toggle_pin(Name(0, 99))
    state.toggle_pin(Name(0, 3))
    assert Name(0, 3) not in state.pinned
    assert state.pinned[:4] == [Name(0, 0), Name(0, 1), Name(0, 2), Name(0, 4)]


def test_a_walk_needs_two_pins():
    state = State(pinned=[Name(0, 1)])
    with pytest.raises(InputError, match="two"):
        state.walked()
    state.toggle_pin(Name(5, 1))
    assert state.walked() == [Name(0, 1), Name(5, 1)]


def test_slots_hold_three_exemplars():
    state = State()
    for index in range(3):
        state.toggle_exemplar("A", Name(0, index))
    with pytest.raises(InputError, match="A holds 3"):
        state.toggle_exemplar("A", Name(0, 3))
    state.toggle_exemplar("A", Name(0, 1))
    assert state.slots["A"] == [Name(0, 0), Name(0, 2)]
    state.toggle_exemplar("C", Name(0, 1))
    assert not state.complete
    with pytest.raises(InputError, match="in B yet"):
        state.arithmetic()
    state.toggle_exemplar("B", Name(0, 1))
    assert state.complete


def test_figures_take_the_arithmetic_that_was_chosen(tmp_path):
    state = State(slots={"A": [Name(4, 0), Name(4, 9)], "B": [Name(4, 2)], "C": [Name(4, 3)]})
    path = tmp_path / "arithmetic.json"
    path.write_text(json.dumps(state.arithmetic().model_dump(mode="json"), indent=2), encoding="utf-8")
    choice = read_choice(Arithmetic, str(path))
    assert choice.seed == 4
    assert [choice.plus.samples, choice.minus.samples, choice.also.samples] == [[0, 9], [2], [3]]
    state.slots["B"] = [Name(1, 2)]
    with pytest.raises(InputError, match="seeds 1, 4"):
        state.arithmetic()


def test_boxes_lie_in_the_image():
    state = State(pinned=[Name(0, 1)])
    state.add_box(Name(0, 1), [0, 0.4, 7.6, 8], 8)
    state.add_box(Name(0, 1), [0, 0, 8, 8], 8)  # the same
    assert state.boxes == [(Name(0, 1), (0, 0, 8, 8))]
    for edges in ([0, 0, 9, 8], [-1, 0, 8, 8], [4, 0, 4, 8], [0, 5, 8, 2]):
        with pytest.raises(InputError, match="0 to 8"):
            state.add_box(Name(0, 1), edges, 8)
    state.toggle_pin(Name(0, 1))
    state.toggle_pin(Name(0, 2))
    assert state.boxable == [Name(0, 2), Name(0, 1)]


def test_figures_take_what_was_forgotten(tmp_path):
    state = State(shown=read_names("3:0-4"), thing="hat", maps=2)
    with pytest.raises(InputError, match="no box"):
        state.forgetting()
    state.add_box(Name(3, 9), [1, 2, 3, 4], 8)
    path = tmp_path / "forget.json"
    path.write_text(json.dumps(state.forgetting().model_dump(mode="json")), encoding="utf-8")
    choice = read_choice(Forget, str(path))
    assert (choice.thing, choice.seed, choice.maps) == ("hat", 3, [2])
    assert choice.boxes == [(9, 1, 2, 3, 4)]
    assert choice.samples == [0, 1, 2, 3, 4]
    state.shown = read_names("0:0")
    with pytest.raises(InputError, match="seeds 0, 3"):
        state.forgetting()


def test_settings_name_every_sample():
    state = State(pinned=[Name(0, 1), Name(2, 7)], moved=Name(2, 7), amounts=[0.5])
    state.toggle_exemplar("A", Name(0, 1))
    state.add_box(Name(2, 7), [1, 2, 3, 4], 8)
    settings = json.loads(json.dumps(state.settings("runs/mine", "tiny")))
    assert settings["checkpoint"] == "runs/mine"
    assert settings["pinned"] == ["0:1", "2:7"]
    assert settings["arithmetic"] == {"A": ["0:1"], "B": [], "C": []}
    assert settings["directions"] == {"sample": "2:7", "layer": 0, "amounts": [0.5]}
    assert settings["forget"]["boxes"] == [["2:7", 1, 2, 3, 4]]
    assert [read_names(name)[0] for name in settings["shown"]] == state.shown
