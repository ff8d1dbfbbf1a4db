import errno
import json
import math
from typing import Any

import filelock
import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.batch_norm import reestimate_batch_statistics
from dcgan_features.gan.training.adversarial import AdversarialTraining, Losses
from dcgan_features.gan.training.dcgan import Run, TrainingDiverged, check_images
from dcgan_features.gan.weights_file import load_weights
from tests.data.utils.test_gpu import GONE, OUT, Accelerator
from tests.gan.tiny import DATA, TINY, tiny_images, tiny_recipe


def train(out, data=DATA, resume=True, images_seen=160, **settings):
    recipe = tiny_recipe(images=images_seen, **settings)
    return Run(recipe, tiny_images(), out, data, resume=resume).finish()


def test_a_run_leaves_weights_that_say_where_they_come_from(tmp_path):
    path = train(tmp_path, snapshot_every=64)
    loaded = load_weights(path, TINY)
    about = loaded.metadata
    assert (about["images_seen"], about["batches"], about["data"]) == (160, 10, DATA)
    assert about["recipe"]["learning_rate"] == 2e-4
    names = sorted(file.name for file in (tmp_path / "snapshots").glob("*.json"))
    assert names == ["weights-0000000064.json", "weights-0000000128.json"]
    network: Any = loaded.discriminator
    kept = network.normalisations[1].running_var.clone()
    reestimate_batch_statistics(network, tiny_images())
    assert torch.equal(network.normalisations[1].running_var, kept)


def final_bytes(out):
    return (out / "weights.safetensors").read_bytes(), (out / "checkpoint.safetensors").read_bytes()


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_run_in_parts_is_the_same_to_the_bit(tmp_path, precision):
    for seen in (48, 80, 112, 160):  # ends after generator and discriminator minibatches, in either pass
        train(tmp_path / "parts", precision=precision, flips=True, images_seen=seen)
    train(tmp_path / "whole", precision=precision, flips=True)
    assert final_bytes(tmp_path / "parts")[0] == final_bytes(tmp_path / "whole")[0]


def test_samples_and_checkpoints_do_not_change_the_result(tmp_path):
    train(tmp_path / "plain")
    train(tmp_path / "busy", sample_every=2, checkpoint_every=1, snapshot_every=48, log_every=1)
    assert final_bytes(tmp_path / "plain")[0] == final_bytes(tmp_path / "busy")[0]
    pictures = sorted((tmp_path / "busy" / "samples").iterdir())
    assert [file.name for file in pictures] == [f"{step:08d}.png" for step in (2, 4, 6, 8, 10)]
    assert Image.open(pictures[0]).size == (82, 82)  # 64 images of 8x8


def test_losses_are_logged_and_a_resumed_run_hides_what_it_repeats(tmp_path):
    train(tmp_path, log_every=2, checkpoint_every=4, images_seen=96)
    train(tmp_path, log_every=2)
    log = EventAccumulator(str(tmp_path / "logs")).Reload()
    events = log.Scalars("loss/generator")
    assert [event.step for event in events] == [2, 4, 6, 8, 10]
    assert all(0.1 < event.value < 5 for event in events)
    assert {"loss/real", "loss/fake", "images_per_second"} <= set(log.Tags()["scalars"])


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Accelerator(GONE), "the GPU failed or is gone (CUDA error: unspecified launch failure)"),
        (torch.OutOfMemoryError(OUT), "the memory does not suffice (CUDA out of memory. Tried to allocate 20.00 GiB)"),
    ],
)
def test_a_gpu_that_fails_ends_the_run_which_goes_on_where_it_was_saved(tmp_path, monkeypatch, error, sentence):
    step = AdversarialTraining.step

    def failing(training):
        if training.steps_done == 7:
            raise error
        return step(training)

    monkeypatch.setattr(AdversarialTraining, "step", failing)
    with pytest.raises(InputError) as raised:
        train(tmp_path / "failed", checkpoint_every=3)
    said = str(raised.value)
    assert said.startswith(f"training stopped after batch 7 of 10: {sentence}")
    assert said.endswith(f"run the same command again to resume from the last checkpoint in {tmp_path / 'failed'}")
    assert "\n" not in said
    monkeypatch.setattr(AdversarialTraining, "step", step)
    assert Run(tiny_recipe(), tiny_images(), tmp_path / "failed", DATA).training.steps_done == 6
    train(tmp_path / "failed")
    train(tmp_path / "whole")
    assert final_bytes(tmp_path / "failed")[0] == final_bytes(tmp_path / "whole")[0]


def test_a_mistake_of_the_programs_is_no_failure_of_the_gpu(tmp_path, monkeypatch):
    def mistaken(training):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(AdversarialTraining, "step", mistaken)
    with pytest.raises(RuntimeError, match="device-side assert"):
        train(tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    train(tmp_path / "good", images_seen=96)
    step = AdversarialTraining.step

    def poisoned(training):
        losses = step(training)
        return losses if training.steps_done < 8 else Losses(torch.tensor(math.nan), torch.tensor(0.0), None)

    monkeypatch.setattr(AdversarialTraining, "step", poisoned)
    with pytest.raises(TrainingDiverged, match=r"batch 8: the loss 'real' is nan; the checkpoint of batch 6 is kept"):
        train(tmp_path / "bad", checkpoint_every=3)
    assert not (tmp_path / "bad" / "weights.safetensors").exists()
    monkeypatch.undo()
    train(tmp_path / "bad", images_seen=96)
    assert final_bytes(tmp_path / "bad")[0] == final_bytes(tmp_path / "good")[0]


def test_parameters_that_are_not_finite_are_never_saved(tmp_path, monkeypatch):
    run = Run(tiny_recipe(checkpoint_every=4), tiny_images(), tmp_path, DATA)
    step = run.training.step

    def poisoned():
        losses = step()
        if run.training.steps_done == 8:
            with torch.no_grad():
                run.training.generator.projection.weight[0, 0] = math.inf
        return losses

    monkeypatch.setattr(run.training, "step", poisoned)
    with pytest.raises(
        TrainingDiverged, match="batch 8: the loss 'parameters' is nan; the checkpoint of batch 4 is kept"
    ):
        run.finish()
    assert Run(tiny_recipe(), tiny_images(), tmp_path, DATA).training.steps_done == 4


def test_resuming_with_other_settings_or_images_is_refused(tmp_path):
    train(tmp_path, images_seen=96)
    with pytest.raises(InputError, match=r"was begun with seed=0, not 1"):
        train(tmp_path, seed=1)
    with pytest.raises(InputError, match="was begun on other images"):
        train(tmp_path, data={"digest": "1", "description": ""})
    train(tmp_path, seed=1, resume=False)
    train(tmp_path.with_name("fresh"), seed=1)
    assert final_bytes(tmp_path)[0] == final_bytes(tmp_path.with_name("fresh"))[0]


def test_a_run_begun_anew_forgets_the_former_one_at_once(tmp_path, monkeypatch):
    train(tmp_path, images_seen=96)
    monkeypatch.setattr(AdversarialTraining, "step", lambda training: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(tmp_path, resume=False)
    monkeypatch.undo()
    assert Run(tiny_recipe(), tiny_images(), tmp_path, DATA).training.steps_done == 0


@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    train(tmp_path, images_seen=32)
    path = tmp_path / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes({"cut": content[: len(content) // 2], "flip": content, "text": b"hello"}[damage])
    with pytest.raises(
        InputError, match=r"checkpoint\.safetensors is (not a safetensors file, or )?damaged .*--no-resume"
    ):
        train(tmp_path)


def test_weights_in_the_place_of_a_checkpoint(tmp_path):
    weights = train(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "checkpoint.safetensors").write_bytes(weights.read_bytes())
    with pytest.raises(InputError, match="is damaged"):
        train(tmp_path / "b")


def test_two_processes_cannot_share_a_folder(tmp_path):
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(InputError, match="another process trains in"):
        train(tmp_path)


def test_what_a_killed_run_left_half_written_is_cleared_away(tmp_path):
    (tmp_path / ".checkpoint.safetensors.0123456789ab.tmp").write_text("half")
    train(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_full_disk_is_one_sentence_and_leaves_the_former_checkpoint(tmp_path, monkeypatch):
    train(tmp_path, images_seen=32)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match=r"cannot write .*checkpoint\.safetensors: the disk is full"):
        train(tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


@pytest.mark.parametrize(("shape", "sentence"), [
    ((15, 8, 8, 3), "there are 15 images, fewer than one minibatch of 16"),
    ((20, 9, 8, 3), "the images are 9x8 pixels, the network 'tiny' takes 8x8"),
    ((20, 8, 8, 1), r"the images have 1 channel\(s\), the network 'tiny' takes 3"),
])  # fmt: skip
def test_images_that_do_not_fit(shape, sentence):
    with pytest.raises(InputError, match=sentence):
        check_images(np.zeros(shape, np.uint8), TINY, 16)


def test_a_run_begun_with_other_threads_says_so(tmp_path, monkeypatch):
    train(tmp_path, images_seen=32)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    assert "not 99" in Run(tiny_recipe(), tiny_images(), tmp_path, DATA).notes[0]


def test_description_is_json(tmp_path):
    train(tmp_path)
    about = json.loads((tmp_path / "weights.json").read_text())
    assert about["batch_statistics"] == "of the first 70 training images"
