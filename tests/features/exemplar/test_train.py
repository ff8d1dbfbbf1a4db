"""The command, from its arguments to its exit code, and what a user can get wrong in a recipe."""

import sys

import numpy as np
import pytest

from dcgan_features.data.utils.cli import run
from dcgan_features.features.exemplar.train import app
from dcgan_features.features.exemplar.weights import load_exemplar_weights
from tests.features.exemplar.tiny import TINY, tiny_images


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    np.save(tmp_path / "images.npy", tiny_images())
    np.save(tmp_path / "small.npy", tiny_images(size=20))
    np.save(tmp_path / "grey.npy", np.full((9, 40, 40, 3), 50, np.uint8))
    (tmp_path / "my.yaml").write_text(f"network: {TINY}\nbatch_size: 8\nseeds: 8\nsamples: 32\ndecay: 16\n")
    (tmp_path / "bad.yaml").write_text("sedes: 8\n")
    options = {"--data": "images.npy", "--out": "out", "--recipe": "my.yaml", "--device": "cpu"}

    def call_with(*arguments, **changed):
        given = {**options, **{f"--{name}": value for name, value in changed.items()}}
        line = [part for option, value in given.items() for part in (option, value) if value is not None]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["features.exemplar.train", *line, *arguments])
        with pytest.raises(SystemExit) as raised:
            run(app)
        captured = capsys.readouterr()
        return raised.value.code, captured.out, captured.err

    return call_with


def test_it_says_what_it_does_and_goes_on_where_it_was(call, tmp_path):
    code, out, err = call()
    assert code == 0, err
    assert f"network {TINY}, 8 seed patches of images (12 images), cpu, bf16" in out
    assert "32 samples in 4 batches of 8" in out
    assert f"training {TINY}: 32 of 32" in err
    code, out, _ = call(samples="48")
    assert code == 0
    assert "resuming after batch 4" in out
    assert load_exemplar_weights(tmp_path / "out" / "weights")[1]["samples_seen"] == 48


@pytest.mark.parametrize(("changed", "sentence"), [
    ({"recipe": "bad.yaml"}, "unknown key 'sedes' in bad.yaml: did you mean 'seeds'?"),
    ({"network": "huge"}, "the network 'huge' is neither one of small, middle, large nor written like"),
    ({"samples": "0"}, "samples: input should be greater than or equal to 1 (not 0)"),
    ({"data": "small.npy"}, "20x20 pixels, smaller than a patch of 32x32"),
    ({"data": "grey.npy"}, "8 seed patches are wanted, but only 0 of 9 images have any contrast"),
    ({"data": "stl10-unlabeled"}, "did you mean 'stl10-unlabelled'"),
])  # fmt: skip
def test_what_a_user_can_get_wrong_is_one_sentence_and_exit_code_2(call, tmp_path, changed, sentence):
    code, _, err = call(**changed)
    assert code == 2
    assert sentence in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
