"""The command line that is running, as it is to be typed again."""

import sys
from importlib.machinery import ModuleSpec

import pytest

from dcgan_features.data.utils.torchrun import resuming_command


@pytest.mark.parametrize(("name", "expected"), [
    ("benchmarks.cifar10", "benchmarks.cifar10"),
    ("benchmarks.compare.__main__", "benchmarks.compare"),
    ("dcgan_features.benchmarks.cifar10", "dcgan_features.benchmarks.cifar10"),
    ("dcgan_features.benchmarks.layers.__main__", "dcgan_features.benchmarks.layers"),
])  # fmt: skip
def test_the_module_is_named_as_it_was_typed(monkeypatch, name, expected):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec(name, None))
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py", "--only", "dcgan"])
    assert resuming_command() == ["python", "-m", expected, "--only", "dcgan"]


def test_a_file_is_named_as_a_file(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys, "argv", ["mine.py", "--only", "dcgan"])
    assert resuming_command() == ["python", "mine.py", "--only", "dcgan"]


def test_what_torchrun_started_is_started_by_it_again(monkeypatch):
    monkeypatch.setattr("dcgan_features.data.utils.torchrun.started_by_torchrun", lambda: True)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec("benchmarks.cifar10", None))
    monkeypatch.setattr(sys, "argv", ["x"])
    assert resuming_command() == ["torchrun", "--nproc-per-node", "2", "-m", "benchmarks.cifar10"]
