"""A checkpoint's every word is under its digest; one changed bit once resumed a run from another batch."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_tensors
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.checkpoint import read_state, restore_state, save_state
from dcgan_features.gan.training.dcgan import Run
from tests.gan.tiny import DATA, tiny_images, tiny_recipe


@pytest.fixture
def checkpoint(tmp_path):
    training = AdversarialTraining(tiny_recipe(), tiny_images())
    training.step()
    save_state(tmp_path / "checkpoint.safetensors", training, DATA, 12.5)
    return tmp_path / "checkpoint.safetensors"


def rewritten(path, change):
    """The file with another header, its tensors as they were."""
    stated = read_tensors(path)[1]
    change(stated)
    save_file(load_file(path), path, stated)


@pytest.mark.parametrize(("before", "after"), [
    ('"steps_done": 1', '"steps_done": 3'), ('"seconds": 12.5', '"seconds": 92.5'), ('"seed": 0', '"seed": 2'),
    ('"threads": 1', '"threads": 3'), ('"description": "noise"', '"description": "voise"'),
    ('"steps_done": 1', '"steps_done": -1'), ('"steps_done": 1', '"steps_done": null'), ("{", "["),
    ('"data"', '"date"'),
])  # fmt: skip
def test_a_changed_word_is_damage(checkpoint, before, after):
    def change(stated):
        assert before in stated["about"]
        stated["about"] = stated["about"].replace(before, after, 1)

    rewritten(checkpoint, change)
    with pytest.raises(InputError, match=r"the checkpoint .*checkpoint\.safetensors is damaged.*--no-resume"):
        read_state(checkpoint)


@pytest.mark.parametrize("change", [
    lambda stated: stated.update(seal=""), lambda stated: stated.update(sean=stated.pop("seal")),
    lambda stated: stated.pop("about"), lambda stated: stated.update(more="x"),
])  # fmt: skip
def test_a_header_of_other_keys_is_damage(checkpoint, change):
    rewritten(checkpoint, change)
    with pytest.raises(InputError, match="is damaged"):
        read_state(checkpoint)


def test_a_tensor_of_another_shape_is_damage(checkpoint):
    tensors, stated = load_file(checkpoint), read_tensors(checkpoint)[1]
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 2 and min(tensor.shape) > 1)
    tensors[name] = tensors[name].reshape(-1, *reversed(tensors[name].shape))[0]
    save_file(tensors, checkpoint, stated)
    with pytest.raises(InputError, match="SHA-256 differs"):
        read_state(checkpoint)


def test_a_checkpoint_of_an_earlier_version_is_resumed(checkpoint):
    rewritten(checkpoint, lambda stated: stated.pop("seal"))
    about, tensors = read_state(checkpoint)
    training = AdversarialTraining(tiny_recipe(), tiny_images())
    restore_state(checkpoint, training, about, tensors)
    assert training.steps_done == 1
    assert all(torch.isfinite(tensor).all() for tensor in training.generator.state_dict().values())
    rewritten(
        checkpoint, lambda stated: stated.update(about=stated["about"].replace('"steps_done": 1', '"steps_done": ""'))
    )
    with pytest.raises(InputError, match="is damaged"):
        read_state(checkpoint)


def test_one_bit_anywhere_in_the_header_is_damage(checkpoint):
    """Byte 51 among them, where batch 40 became batch 60."""
    whole = checkpoint.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    text = whole[8:end].decode()
    for place in range(8 + text.index("about"), 8 + text.index("about") + 60):
        checkpoint.write_bytes(whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"checkpoint\.safetensors"):
            read_state(checkpoint)
    assert json.loads(json.loads(text)["__metadata__"]["about"])["steps_done"] == 1


def test_a_disk_that_is_full_for_the_log_is_said_once(tmp_path, monkeypatch, capfd):
    import errno

    from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

    write = RecordWriter.write
    written = []

    def fail(writer, content):
        written.append(content)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(writer, content)

    monkeypatch.setattr(RecordWriter, "write", fail)
    with pytest.raises(InputError, match=r"cannot write .*logs: the disk is full"):
        Run(tiny_recipe(images=16 * 60, log_every=1), tiny_images(), tmp_path / "out", DATA).finish()
    assert "Traceback" not in capfd.readouterr().err
