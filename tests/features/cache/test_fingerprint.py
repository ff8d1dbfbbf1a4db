import functools
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from dcgan_features.data.utils.hashing import digest_array
from dcgan_features.features.cache.fingerprint import describe, source_digest
from dcgan_features.features.discriminator.extractor import DiscriminatorFeatures, RandomDiscriminator
from dcgan_features.features.kmeans.single_layer import KMeansFeatures
from dcgan_features.features.wrappers import TorchModuleFeatures, TransformerFeatures
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import SVHN_32
from dcgan_features.gan.weights_file import save_weights


def test_digest_of_an_array_sees_values_shape_and_type_but_not_memory_order():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert digest_array(array) == digest_array(np.asfortranarray(array))
    others = [array + np.uint8(1), array.reshape(3, 2, 4), array.view(np.int8)]
    assert len({digest_array(array), *map(digest_array, others)}) == 4


def test_parameters_that_change_the_features_change_the_description_and_speed_does_not():
    base = KMeansFeatures()
    same = KMeansFeatures(batch_size=3, device="cpu", progress=print)
    assert describe(base) == describe(same)
    for change in ({"alpha": 0.5}, {"seed": 1}, {"dtype": "float32"}, {"polarity_split": True}):
        assert describe(KMeansFeatures(**change)) != describe(base), change


def test_weights_count_and_where_they_are_kept_does_not(tmp_path):
    network = Discriminator(SVHN_32, torch.Generator().manual_seed(0))
    save_weights(tmp_path / "a", network, None, {})
    in_memory = describe(DiscriminatorFeatures(network))
    assert describe(DiscriminatorFeatures(tmp_path / "a")) == in_memory
    assert describe(DiscriminatorFeatures(str(tmp_path / "a"), batch_size=1)) == in_memory
    with torch.no_grad():
        next(network.parameters())[0, 0, 0, 0] += 1e-3
    assert describe(DiscriminatorFeatures(network)) != in_memory
    assert describe(RandomDiscriminator(seed=0)) != describe(RandomDiscriminator(seed=1))


def test_modules_differ_by_weights_settings_and_code():
    torch.manual_seed(0)
    one = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    strided = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU())
    leaky = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU())
    for other in (strided, leaky):
        other[0].load_state_dict(one[0].state_dict())

    def module(forward):
        return type("Module", (nn.Module,), {"forward": forward})()

    twice, thrice = module(lambda self, x: 2 * x), module(lambda self, x: 3 * x)
    described = [repr(describe(TorchModuleFeatures(each))) for each in (one, strided, leaky, twice, thrice)]
    assert len(set(described)) == 5


def test_functions_differ_by_code_closure_and_arguments():
    def scaled(factor):
        return lambda batch: batch * factor

    functions = [scaled(1), scaled(2), lambda batch: batch + 1, functools.partial(max, 1), functools.partial(max, 2)]
    assert len({repr(describe(function)) for function in functions}) == 5
    assert describe(scaled(1)) == describe(scaled(1))


def test_scikit_learn_transformers_differ_by_their_parameters():
    assert describe(TransformerFeatures(PCA(3))) == describe(TransformerFeatures(PCA(3)))
    assert describe(TransformerFeatures(PCA(3))) != describe(TransformerFeatures(PCA(4)))


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(ValueError, match="Generator cannot be told apart"):
        describe({"random": np.random.default_rng(0)})

    class Own:
        def __init__(self):
            self.random = np.random.default_rng(0)

    with pytest.raises(ValueError, match=r"Own.random: a Generator cannot be told apart.*method fingerprint\(\)"):
        describe(Own())


def test_code_with_a_set_of_constants_is_the_same_in_every_process(tmp_path):
    (tmp_path / "colours.py").write_text(
        "class Colours:\n"
        "    def transform(self, name):\n"
        "        return name in {'red', 'green', 'blue', 'white', 'black'}\n"
    )
    program = (
        "from colours import Colours; from dcgan_features.features.cache.fingerprint import describe; "
        "print(describe(Colours))"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(shown) == 1


def test_a_users_class_differs_by_all_that_its_file_and_its_neighbours_say(tmp_path, monkeypatch):
    """A constant or a helper outside the class decides as much as its methods; what is not imported does not."""
    monkeypatch.syspath_prepend(tmp_path)
    own, helper = tmp_path / "own_class.py", tmp_path / "own_helper.py"
    text = "from own_helper import scale\nGRID = 4\nclass Own:\n    transform = lambda self, x: scale(x) * GRID\n"

    def described():
        for module in ("own_class", "own_helper"):
            sys.modules.pop(module, None)
        return describe(importlib.import_module("own_class").Own())

    own.write_text(text)
    helper.write_text("def scale(x):\n    return x\n")
    first = described()
    (tmp_path / "unrelated.py").write_text("x = 1\n")
    assert described() == first
    own.write_text(text.replace("GRID = 4", "GRID = 80"))
    second = described()
    helper.write_text("def scale(x):\n    return 2 * x\n")
    assert len({repr(first), repr(second), repr(described())}) == 3


def test_a_users_class_of_a_package_counts_the_whole_package(tmp_path, monkeypatch):
    package = tmp_path / "own_package" / "deep"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "extractor.py").write_text("class Own:\n    pass\n")
    (package.parent / "constants.py").write_text("GRID = 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    Own = importlib.import_module("own_package.deep.extractor").Own
    first = source_digest(Own)
    assert source_digest(Own) == first
    (package.parent / "constants.py").write_text("GRID = 8\n")
    assert source_digest(Own) != first
    assert source_digest(PCA) is None  # installed: its own code is described, not all of its package
