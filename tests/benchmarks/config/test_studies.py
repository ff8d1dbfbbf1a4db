"""Studies are found by their names and their files, and what they cannot say is a sentence."""

import pytest

from dcgan_features.benchmarks.config.strict import Strict
from dcgan_features.benchmarks.config.studies import STUDIES, read_study, study_file
from dcgan_features.data.utils.errors import InputError


class Small(Strict):
    place = "a small study"
    rounds: int


def test_names_are_of_shipped_files_and_suffixes_of_ones_own(tmp_path):
    assert study_file("svhn-views", "select-") == STUDIES / "select-svhn-views.yaml"
    file = tmp_path / "own.yml"
    file.write_text("rounds: 3\n")
    assert read_study(Small, file) == Small(rounds=3)
    with pytest.raises(InputError, match=r"selection.*svhn-view.*svhn-views"):
        study_file("svhn-view", "select-", "selection")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rounds: many", "own.yaml: rounds: .*integer"),
        ("round: 3", "round.*rounds"),
        ("[", "own.yaml"),
        ("", "own.yaml"),
    ],
)
def test_what_a_study_cannot_say_is_a_sentence(tmp_path, text, words):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        read_study(Small, file)
