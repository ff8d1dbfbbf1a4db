"""The command, from its arguments to its exit code."""

import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data.folder import folder
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.formats import read_sealed
from dcgan_features.data.utils.hashing import array_digest
from dcgan_features.gan.train import app
from dcgan_features.gan.weights_file import load_weights
from tests.gan.tiny import TINY, tiny_images


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PICTURE_CACHE", str(tmp_path / "cache"))
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
    assert "images/s here: " in out
    assert not (tmp_path / "out" / "losses.png").exists()  # fewer minibatches than one line of the log
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
    ({"images": "0"}, "images: input should be greater than or equal to 1"),
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


def test_a_training_begins_with_what_another_one_came_to(call, tmp_path):
    assert call()[0] == 0
    recipe = (tmp_path / "my.yaml").read_text()
    (tmp_path / "more.yaml").write_text(f"{recipe}start_from: out/weights\nrotation: 1\n")
    code, out, err = call(recipe="more.yaml", out="more")
    assert code == 0, err
    assert "first weights: out/weights" in out
    about = load_weights(tmp_path / "more" / "weights").metadata
    assert about["data"]["start"]["sha256"] == load_weights(tmp_path / "out" / "weights").metadata["sha256"]
    (tmp_path / "none.yaml").write_text(f"{recipe}start_from: nothing\n")
    code, _, err = call(recipe="none.yaml", out="none")
    assert code == 2
    assert err.startswith("error: nothing.safetensors does not exist")
    assert not (tmp_path / "none").exists()


def test_resuming_with_another_seed_names_the_setting(call):
    call()
    code, _, err = call(seed="5")
    assert code == 2
    assert "seed=0, not 5" in err
    assert call("--no-resume", seed="5")[0] == 0


@pytest.fixture
def pictures(tmp_path):
    """40 pictures of various sizes, 10 of them near-duplicates of others; and a recipe that says nothing of length."""
    root, generator = tmp_path / "pictures", np.random.default_rng(0)
    root.mkdir()
    for index in range(30):
        rough = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        image = Image.fromarray(rough).resize((64, 48 + index % 2), Image.Resampling.BICUBIC)
        image.save(root / f"{index:02d}.png")
        if index < 10:
            image.save(root / f"{index:02d}b.jpg", quality=95)
    (tmp_path / "folder.yaml").write_text("network: tiny\nbatch_size: 16\nprecision: fp32\n")
    return root


def test_a_folder_needs_no_settings_and_its_broken_pictures_are_listed(call, pictures, tmp_path):
    (pictures / "10.png").write_bytes(b"bad")
    code, out, err = call(data="pictures", recipe="folder.yaml")
    assert code == 2
    assert err.splitlines()[-1].startswith("error: more than 0 of 40 pictures in ")
    assert "10.png (it is of no format that Pillow knows)" in err
    listed = [{"path": "pictures/10.png", "reason": "it is of no format that Pillow knows"}]
    assert json.loads((tmp_path / "out" / "unreadable.json").read_text()) == listed
    assert not (tmp_path / "out" / "weights.safetensors").exists()

    (tmp_path / "folder.yaml").write_text("network: tiny\nbatch_size: 16\nprecision: fp32\nunreadable: 0.03\n")
    code, out, err = call(data="pictures", recipe="folder.yaml")
    assert code == 0, err
    assert "note: 1 file of pictures cannot be read and will be left out, listed in out/unreadable.json: 10.png" in out
    assert "network tiny on 39 images (pictures (39 images))" in out
    assert "800 images in 50 batches of 16" in out  # 25 epochs of 2 minibatches
    assert json.loads((tmp_path / "out" / "unreadable.json").read_text()) == listed
    about = load_weights(tmp_path / "out" / "weights").metadata
    (pictures / "10.png").unlink()
    assert about["data"]["digest"] == array_digest(folder(pictures, 8).train_images)
    assert (about["images_seen"], about["data"]["resized_to"]) == (800, 8)

    code, out, err = call(data="pictures", recipe="folder.yaml", epochs="26")
    assert code == 0, err
    assert "resuming after batch 50" in out
    assert not (tmp_path / "out" / "unreadable.json").exists()


def test_the_run_ends_in_pictures_of_its_course(call, pictures, tmp_path):
    code, out, err = call(data="pictures", recipe="folder.yaml", epochs="2")
    assert code == 0, err
    assert [file.name for file in (tmp_path / "out" / "samples").iterdir()] == ["00000004.png"]  # the last
    for name in ("epochs.png", "training.webp"):
        assert f"picture: out/{name}" in out
        Image.open(tmp_path / "out" / name).load()
    real = np.asarray(Image.open(tmp_path / "out" / "real.png"))
    assert np.array_equal(real[2:10, 2:10], folder(pictures, 8).train_images[0])


def test_near_duplicates_are_left_out_on_request(call, pictures, tmp_path):
    settings = "near_duplicates: remove\nhash_images: 6000\nepochs: 1\n"
    with open(tmp_path / "folder.yaml", "a") as file:
        file.write(settings)
    code, out, err = call(data="pictures", recipe="folder.yaml")
    assert code == 0, err
    about = load_weights(tmp_path / "out" / "weights").metadata["data"]
    assert about["description"] == f"pictures (40 images), less {40 - about['images']} near-duplicates"
    assert 30 <= about["images"] <= 34
    for file in (tmp_path / "cache").glob("*.npy"):
        assert file.name.startswith(("near-duplicates-", "unique-"))
    code, out, err = call(data="pictures", recipe="folder.yaml", epochs="2")
    assert code == 0, err
    assert "resuming after batch" in out
    assert "learning what near-duplicates share" not in err  # it was kept


def test_a_damaged_grid_does_not_end_a_finished_training_in_failure(call, tmp_path):
    assert call()[0] == 0
    (tmp_path / "out" / "samples" / "00000002.png").write_bytes(b"damaged")
    code, out, err = call(images="96")
    assert (code, err.count("error")) == (0, 0)
    assert "note: no pictures of the run are made" in out
    assert "00000002.png cannot be read as a picture" in out


def test_a_run_inside_its_own_pictures_resumes(call, tmp_path):
    for number, image in enumerate(tiny_images(20)):
        (tmp_path / "mine").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "mine" / f"{number}.png")
    options = {"data": "mine", "out": "mine/run"}
    assert call(**options)[0] == 0
    code, out, err = call(**options, images="96")
    assert code == 0, err
    assert "resuming after batch 4" in out
    assert "on 20 images" in out
    assert "note: in" in out
    assert "what trainings wrote is left out: run" in out
    code, _, err = call(data="mine", out="mine")
    assert (code, "is the folder of the pictures themselves" in err) == (2, True)


def test_it_watches_unless_it_is_told_not_to(call, tmp_path):
    recipe = (tmp_path / "my.yaml").read_text()
    (tmp_path / "my.yaml").write_text(f"{recipe}watch_every: 32\n")
    code, out, err = call()
    assert code == 0, err
    assert re.search(r"watched: out/watch.png, \d alarms, \d+\.\d% of the time", out)
    assert len(read_sealed(tmp_path / "out" / "watch.json")["readings"]) == 3
    code, out, _ = call("--no-watch", out="not")
    assert code == 0
    assert "watched" not in out
    assert not (tmp_path / "not" / "watch.json").exists()
    weights = [(tmp_path / folder / "weights.safetensors").read_bytes() for folder in ("out", "not")]
    assert weights[0] == weights[1]
    assert call("--on-alarm", "panic")[0] == 2
