"""The command, from its arguments to its exit code."""

import sys

import numpy as np
import pytest

from gan.checkpoint import load_weights
from gan.command import run
from gan.train import app
from tests.gan.tiny import TINY, tiny_images


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    np.save(tmp_path / "images.npy", tiny_images())
    (tmp_path / "my.yaml").write_text("network: tiny\nbatch_size: 16\nprecision: fp32\nimages: 64\nsample_every: 2\n")
    options = {"--data": "images.npy", "--out": "out", "--recipe": "my.yaml", "--device": "cpu"}

    def call_with(*arguments, **changed):
        given = {**options, **{f"--{name}": value for name, value in changed.items()}}
        line = [part for option, value in given.items() for part in (option, value) if value is not None]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["gan.train", *line, *arguments])
        with pytest.raises(SystemExit) as raised:
            run(app)
        captured = capsys.readouterr()
        return raised.value.code, captured.out, captured.err

    return call_with


def test_it_says_what_it_does_and_goes_on_where_it_was(call, tmp_path):
    code, out, err = call()
    assert code == 0, err
    assert "network tiny on 70 images (images (70 images)), cpu, fp32" in out
    assert "64 images in 4 batches of 16" in out
    assert "training tiny: 64 of 64" in err
    assert load_weights(tmp_path / "out" / "weights", TINY).metadata["images_seen"] == 64
    code, out, _ = call(images="96")
    assert code == 0
    assert "resuming after batch 4" in out
    assert load_weights(tmp_path / "out" / "weights").metadata["images_seen"] == 96


@pytest.mark.parametrize(("changed", "sentence"), [
    ({"data": "imges.npy"}, "imges.npy"),
    ({"data": "cifar-10"}, "did you mean 'cifar10'"),
    ({"network": "tinny"}, "unknown network 'tinny' in the options or my.yaml: did you mean 'tiny'"),
    ({"network": "svhn-32"}, "the images are 8x8 pixels, the network 'svhn-32' takes 32x32"),
    ({"recipe": "none.yaml"}, "cannot read the recipe none.yaml"),
    ({"images": "0"}, "'images' is 0"),
    ({"device": "tpu"}, "--device tpu"),
    ({"out": "my.yaml/x"}, "cannot write my.yaml/x"),
    ({"out": None}, "Missing option '--out'"),
    ({"netwrok": "tiny"}, "unknown option '--netwrok': did you mean '--network'?"),
])  # fmt: skip
def test_what_a_user_can_get_wrong_is_one_sentence_and_exit_code_2(call, tmp_path, changed, sentence):
    code, _, err = call(**changed)
    assert code == 2
    assert sentence in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_resuming_with_another_seed_names_the_setting(call):
    call()
    code, _, err = call(seed="5")
    assert code == 2
    assert "seed=0, not 5" in err
    assert call("--no-resume", seed="5")[0] == 0
