"""From a table's words to objects: which class is meant, what its settings may be, and what it is made with."""

import pytest

from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.schema import Component
from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval import L2SVMCV
from dcgan_features.features import DiscriminatorFeatures, ExemplarCNNFeatures, KMeansFeatures
from tests.benchmarks.spies import Means


class Anything:
    """Takes whatever it is given."""

    def __init__(self, network, **others):
        self.network = network
        self.others = others


class Needy:
    """Cannot do without a setting, and refuses some values of it."""

    def __init__(self, width):
        if width < 1:
            raise ValueError("width must be positive")
        self.width = width


HERE = "tests.benchmarks.config.test_components"


def chosen(name, package="features", **settings):
    return find(Component(name=name, settings=settings), package, "row a")


def test_classes_of_ours_and_of_others_are_found():
    assert chosen("KMeansFeatures").kind is KMeansFeatures
    assert chosen("L2SVMCV", "eval").kind is L2SVMCV
    assert chosen("tests.benchmarks.spies:Means").kind is Means


@pytest.mark.parametrize(("name", "settings", "sentence"), [
    ("KMeanFeatures", {}, "unknown class 'KMeanFeatures' in row a: did you mean 'KMeansFeatures'"),
    ("KMeansFeatures", {"n_unit": 3}, "unknown setting 'n_unit' in row a, KMeansFeatures: did you mean 'n_units'"),
    ("file:x.npz", {"path": "y"}, "unknown setting 'path'"),
    ("L2SVMCV", {}, "unknown class 'L2SVMCV'"),
])  # fmt: skip
def test_what_is_not_there(name, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        chosen(name, **settings)


def test_settings_win_over_offers_and_what_is_not_taken_is_not_given():
    made = chosen("tests.benchmarks.spies:Means", seconds=1.0).build({"seconds": 2.0, "notes": "x", "progress": print})
    assert (made.seconds, made.notes) == (1.0, "x")


@pytest.mark.parametrize(
    ("name", "setting", "kind"),
    [
        ("DiscriminatorFeatures", "discriminator", DiscriminatorFeatures),
        ("ExemplarCNNFeatures", "weights", ExemplarCNNFeatures),
    ],
)
def test_a_network_is_offered_under_the_name_that_the_class_has_for_it(name, setting, kind):
    found = chosen(name)
    assert found.network_setting == setting
    made = found.build({"discriminator": "some.safetensors"})
    assert isinstance(made, kind)
    assert getattr(made, setting) == "some.safetensors"
    with pytest.raises(InputError, match=f"needs the setting '{setting}'; give 'weights' to the row"):
        found.build({})


def test_a_class_that_takes_anything_gets_all_settings():
    made = chosen(f"{HERE}:Anything", network=1, other=2).build({"unasked": 3})
    assert (made.network, made.others) == (1, {"other": 2})


def test_settings_that_lack_and_values_that_are_refused():
    with pytest.raises(InputError, match="row a: Needy needs the setting 'width'; add it to the table"):
        chosen(f"{HERE}:Needy").build({})
    with pytest.raises(InputError, match=f"row a: {HERE}:Needy cannot be made: width must be positive"):
        chosen(f"{HERE}:Needy", width=0).build({})


def test_a_setting_is_the_tables_or_else_the_default():
    assert chosen("DiscriminatorFeatures", grid=2).setting("grid") == 2
    assert chosen("DiscriminatorFeatures").setting("grid") == 4
