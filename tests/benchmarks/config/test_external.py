import re
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dcgan_features.benchmarks.compare.candidate import name_of
from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.external import find_external, read_specification
from dcgan_features.data.utils.errors import InputError
from dcgan_features.features import TorchModuleFeatures, TorchvisionFeatures
from dcgan_features.features.precomputed import StoredFeatures


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3)
        self.second = nn.Conv2d(width, 2, 3)

    def forward(self, x):
        return self.second(self.first(x))


class Centred(Net):
    @staticmethod
    def input_transform(images):
        return images.permute(0, 3, 1, 2).float() - 128


class Needy(nn.Module):
    def __init__(self, width):
        super().__init__()


HERE = "tests.benchmarks.config.test_external"


def built(text):
    return find(read_specification(text), "features", text).build({"device": "cpu"})


@pytest.mark.parametrize(("text", "name", "settings"), [
    ("a.b:C", "a.b:C", {}),
    ("a.b:C@layer,width=64,alpha=1e-4", "a.b:C@layer", {"width": 64, "alpha": 1e-4}),
    ("./mine.py:C,names=[a, b],flag=true", "./mine.py:C", {"names": ["a", "b"], "flag": True}),
    ("file:a,b.npz", "file:a,b.npz", {}),
    (" a:C , width = 3", "a:C", {"width": 3}),
])  # fmt: skip
def test_specifications(text, name, settings):
    read = read_specification(text)
    assert (read.name, read.settings) == (name, settings)


@pytest.mark.parametrize(("text", "sentence"), [
    ("a:C,width=1,width=2", "'width' is given twice"),
    ("a:C,width=", "'width' has no value; write width=..."),
    ("a:C,width=[1", r"the value '\[1' of 'width' cannot be read"),
])  # fmt: skip
def test_settings_that_cannot_be_read(text, sentence):
    with pytest.raises(InputError, match=sentence):
        read_specification(text)


def test_names_of_rows_are_those_of_files():
    assert re.fullmatch("mine.py-colours-width-8-[0-9a-f]{8}", name_of("./mine.py:Colours,width=8"))
    assert re.fullmatch("torchvision-resnet18-layer3-[0-9a-f]{8}", name_of("torchvision:resnet18@layer3"))
    assert name_of("raw-pixels") == "raw-pixels"
    long = [name_of(f"file:{'x' * 200}{end}.npz") for end in "ab"]
    assert len(set(long)) == 2
    assert max(map(len, long)) < 100


def test_a_torch_module_is_wrapped_and_its_weights_are_the_same_each_time():
    first, second = built(f"{HERE}:Net@first,width=5"), built(f"{HERE}:Net@first,width=5")
    assert type(first) is TorchModuleFeatures
    assert (first.layer, first.device, first.input_transform) == ("first", "cpu", None)
    weights = [each.module.state_dict()["first.weight"] for each in (first, second)]
    assert weights[0].shape == (5, 3, 3, 3)
    assert torch.equal(*weights)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    own = built(f"{HERE}:Centred")
    with torch.no_grad():
        expected = own.module(torch.from_numpy(images).permute(0, 3, 1, 2).float() - 128).flatten(1)
    np.testing.assert_allclose(own.fit_transform(images), expected.numpy(), rtol=1e-4, atol=1e-3)


def test_models_and_files_are_classes_with_settings():
    model = built("torchvision:resnet18@layer3,weights=untrained,size=64")
    assert isinstance(model, TorchvisionFeatures)
    assert (model.model, model.layer, model.weights, model.size) == ("resnet18", "layer3", "untrained", 64)
    assert find_external("file:my/features.npz", "").kind is StoredFeatures
    assert find_external("file:my/features.npz", "").implied == {"path": "my/features.npz"}


def test_a_file_is_a_module_of_its_own_whatever_its_name(tmp_path, monkeypatch):
    """A file named like one of our packages takes nothing's place, and finds what lies beside it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "features.py").write_text("from beside_it import SIZE\nclass Own:\n    size = SIZE\n")
    (tmp_path / "beside_it.py").write_text("SIZE = 7\n")
    assert vars(find_external(f"{tmp_path}/features.py:Own", "").kind)["size"] == 7
    assert not hasattr(sys.modules.get("features"), "Own")


@pytest.mark.parametrize(("name", "sentence"), [
    ("nowhere_at_all:C", "x: cannot import nowhere_at_all .*install it, or name its file: path/to/file.py:Class"),
    (f"{HERE}:Nett", "test_external.py has no class Nett; did you mean 'Net'"),
    (f"{HERE}:HERE", "HERE is not a class but a str"),
    (f"{HERE}:", "names no class"),
    ("none.py:C", "none.py does not exist; check the path"),
    ("broken.py:C", r"cannot import broken.py \(SyntaxError: .*, line 2\); mend it"),
    ("raising.py:C", r"cannot import raising.py \(ZeroDivisionError: .*, raising.py line 1\); mend it"),
    ("needing.py:C", r"cannot import needing.py \(ModuleNotFoundError: No module named 'nowhere_at_all'\)"),
    ("plain.py:D", "plain.py has no class D; did you mean 'C'"),
    ("plain.py:C@layer1", "@layer1 names a layer, but C is not a torch.nn.Module"),
])  # fmt: skip
def test_classes_that_are_not_there(tmp_path, monkeypatch, name, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "broken.py").write_text("x = 1\ny = = 2\n")
    (tmp_path / "raising.py").write_text("1 / 0\n")
    (tmp_path / "needing.py").write_text("import nowhere_at_all\n")
    (tmp_path / "plain.py").write_text("class C:\n    pass\n")
    with pytest.raises(InputError, match=sentence) as raised:
        find_external(name, "x")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("text", "sentence"), [
    (f"{HERE}:Needy", "needs the setting 'width'; write it"),
    (f"{HERE}:Net,widht=3", "unknown setting 'widht' .*did you mean 'width'"),
    ("torchvision:resnet18,model=resnet50", "unknown setting 'model'"),
    ("torchvision:resnet18,layr=a", "did you mean 'layer'"),
])  # fmt: skip
def test_settings_that_do_not_suit(text, sentence):
    with pytest.raises(InputError, match=sentence):
        find(read_specification(text), "features", text).check_complete((), "write it")


@pytest.mark.parametrize(("code", "sentence"), [
    ("import sys\n\nsys.exit(0)", r"mine\.py ends the program .*mine\.py line 3: 0.*__main__"),
    ("import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('data')\nparser.parse_args()",
     r"mine\.py ends the program .*mine\.py line 4"),
    ("def C(:", "SyntaxError"), ("1 / 0", "ZeroDivisionError"),
])  # fmt: skip
def test_files_that_end_the_program_on_import_are_said(tmp_path, code, sentence, capsys):
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(InputError, match=sentence):
        find_external(f"{tmp_path / 'mine.py'}:C", "here")
    assert capsys.readouterr() == ("", "")  # no usage of theirs as if it were ours


def test_our_command_line_is_none_of_their_business(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("import sys\n\nclass C:\n    seen = sys.argv\n")
    monkeypatch.setattr(sys, "argv", ["compare", "--curve"])
    kind: Any = find_external(f"{tmp_path / 'mine.py'}:C", "here").kind
    assert kind.seen == [str(tmp_path / "mine.py")]
    assert sys.argv == ["compare", "--curve"]


def test_a_constructor_that_fails_is_said_with_its_line(tmp_path):
    code = "class C:\n    def __init__(self):\n        assert False, 'no GPU'\n    transform = None\n"
    (tmp_path / "mine.py").write_text(code)
    text = f"{tmp_path / 'mine.py'}:C"
    with pytest.raises(InputError, match=r"cannot be made: .*mine\.py line 3: AssertionError: no GPU; mend it"):
        find(read_specification(text), "features", text).build({})


@pytest.mark.parametrize(("first", "second"), [
    ("mine.py:C,offset=-1", "mine.py:C,offset=1"), ("file:clip-l14.npz", "file:clip_l14.npz"),
    ("file:\u6f22.npz", "file:\u5b57.npz"), ("file:A.npz", "file:a.npz"), ("a" * 300, "a" * 301),
])  # fmt: skip
def test_different_specifications_have_different_names(first, second):
    names = {name_of(text) for text in (first, second)}
    assert len(names) == 2
    assert all(len(name) < 100 and name.isascii() for name in names)
