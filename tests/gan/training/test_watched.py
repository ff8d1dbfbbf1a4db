"""Watched runs: what they write, that nothing of the training changes, and the way back from an alarm."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed
from dcgan_features.gan.training.adversarial import AdversarialTraining, Losses
from dcgan_features.gan.training.checkpoint import read_state, restore_state
from dcgan_features.gan.training.dcgan import Run, TrainingDiverged
from dcgan_features.gan.training.watched import MOST_ROLLBACKS, TrainingAlarm
from dcgan_features.gan.watching import alarms
from dcgan_features.gan.watching.picture import write_picture
from dcgan_features.gan.watching.watch import WatchSettings, chosen_action
from dcgan_features.gan.weights_file import load_weights
from tests.gan.tiny import DATA, tiny_images, tiny_recipe

IMAGES = 16 * 20


def run_in(folder, watch=None, **settings):
    return Run(tiny_recipe(**{"images": IMAGES, **settings}), tiny_images(), folder, DATA, watch=watch)


def silence(monkeypatch):
    """No measure is ever taken for wrong."""
    known = alarms.MONITORS.items()
    never = {name: dataclasses.replace(monitor, limit=None, untrained=None) for name, monitor in known}
    monkeypatch.setattr(alarms, "MONITORS", never)


@pytest.fixture
def alarmed(monkeypatch):
    """From 192 images on a measure is taken for wrong."""
    never = {
        name: dataclasses.replace(monitor, limit=None, untrained=None) for name, monitor in alarms.MONITORS.items()
    }
    monkeypatch.setattr(alarms, "MONITORS", never)

    def new_alarms(readings, before, untrained):
        last = readings[-1].images
        if last >= 16 * 12 and "rank/1" not in before:
            return [alarms.Alarm("rank/1", last, f"after {last} images it is wrong")]
        return []

    monkeypatch.setattr("dcgan_features.gan.watching.watch.new_alarms", new_alarms)


@pytest.mark.parametrize(
    "settings", [{}, {"precision": "bf16"}, {"network": "tiny-spectral", "averaging": 0.9}], ids=["fp32", "bf16", "ema"]
)
def test_a_watched_training_has_the_same_bits(tmp_path, settings):
    run_in(tmp_path / "not", **settings).finish()
    run_in(tmp_path / "watched", WatchSettings(32), **settings).finish()
    for name in ("weights.safetensors", "checkpoint.safetensors"):
        first, second = (load_file(tmp_path / folder / name) for folder in ("not", "watched"))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
    first, second = (load_weights(tmp_path / folder / "weights").metadata for folder in ("not", "watched"))
    second.pop("watch", None)  # a network of noise may be taken for ill
    assert first == second


def test_readings_are_in_the_log_beside_the_weights_and_in_tensorboard(tmp_path):
    run = run_in(tmp_path, WatchSettings(64))
    run.finish()
    content = read_sealed(tmp_path / "watch.json")
    assert [reading["images"] for reading in content["readings"]] == [0, 64, 128, 192, 256, 320]
    values = content["readings"][-1]["values"]
    assert {key.partition("/")[0] for key in values} == set(alarms.MONITORS)
    assert [key for key in values if key.startswith("rank/")] == ["rank/1", "rank/2", "rank/3"]
    log = EventAccumulator(str(tmp_path / "logs"))
    log.Reload()
    logged = log.Scalars("watch/rank/2")
    assert [event.step for event in logged] == [0, 4, 8, 12, 16, 20]
    assert logged[-1].value == pytest.approx(values["rank/2"], rel=1e-5)
    with Image.open(write_picture(tmp_path)) as picture:
        assert picture.width > 1000
    assert run.watch is not None
    assert 0 < run.watch.seconds < run.seconds


def test_the_gradients_are_those_of_the_last_updates(tmp_path):
    run = run_in(tmp_path, WatchSettings(64), images=64)
    run.finish()
    values = read_sealed(tmp_path / "watch.json")["readings"][-1]["values"]
    for name in run.training.networks:
        gradients = [parameter.grad.flatten() for parameter in getattr(run.training, name).parameters()]
        assert values[f"gradient/{name}"] == pytest.approx(float(torch.cat(gradients).norm()), rel=1e-5)


def test_stop_saves_and_says_why_and_the_same_command_goes_on(tmp_path, alarmed):
    heard: list[str] = []
    settings = WatchSettings(32, "stop", heard.append)
    with pytest.raises(TrainingAlarm, match=r"training stopped: after 192 images it is wrong; run the same command"):
        run_in(tmp_path, settings).finish()
    assert heard == ["alarm: after 192 images it is wrong"]
    assert not (tmp_path / "weights.safetensors").exists()
    run_in(tmp_path, settings).finish()
    about = load_weights(tmp_path / "weights").metadata
    assert about["watch"] == {
        "alarms": [{"key": "rank/1", "images": 192, "reason": "after 192 images it is wrong"}], "rollbacks": [],
    }  # fmt: skip


def test_go_on_goes_on_and_notes_it(tmp_path, alarmed):
    run_in(tmp_path / "watched", WatchSettings(32)).finish()
    run_in(tmp_path / "not").finish()
    first, second = (load_file(tmp_path / folder / "weights.safetensors") for folder in ("watched", "not"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert len(load_weights(tmp_path / "watched" / "weights").metadata["watch"]["alarms"]) == 1


def first_alarm(monkeypatch):
    """An alarm at the reading of 192 images, as long as nothing was rolled back."""
    from dcgan_features.gan.watching.watch import Watch

    look = Watch.look

    def looked(watch, training, images):
        found = look(watch, training, images)
        if images == 192 and not watch.rollbacks:
            alarm = alarms.Alarm("rank/1", images, "it is wrong")
            watch.alarms.append(alarm)
            watch.healthy = 160
            return [alarm]
        return found

    monkeypatch.setattr(Watch, "look", looked)
    never = {
        name: dataclasses.replace(monitor, limit=None, untrained=None) for name, monitor in alarms.MONITORS.items()
    }
    monkeypatch.setattr(alarms, "MONITORS", never)


def test_a_rollback_is_a_training_from_the_healthy_state_with_half_the_rate(tmp_path, monkeypatch):
    first_alarm(monkeypatch)
    heard: list[str] = []
    run_in(tmp_path / "back", WatchSettings(32, "rollback", heard.append), averaging=0.9).finish()
    assert heard == ["alarm: it is wrong", "rollback: to 160 images, learning rate 0.0001"]
    recipe = tiny_recipe(images=IMAGES, averaging=0.9)
    training = AdversarialTraining(recipe, tiny_images())
    for _ in range(10):
        training.step()
    for optimiser in (training.generator_optimiser, training.discriminator_optimiser):
        optimiser.param_groups[0]["lr"] = recipe.learning_rate / 2
    for _ in range(10):
        training.step()
    resumed = run_in(tmp_path / "back", averaging=0.9)
    for name in training.networks:
        for key, tensor in getattr(training, name).state_dict().items():
            assert torch.equal(tensor, getattr(resumed.training, name).state_dict()[key]), key
    note = {"reason": "it is wrong", "images": 192, "back_to": 160, "learning_rate": 1e-4}
    assert load_weights(tmp_path / "back" / "weights").metadata["watch"] == {"alarms": [], "rollbacks": [note]}
    content = read_sealed(tmp_path / "back" / "watch.json")
    assert [reading["images"] for reading in content["readings"]] == list(range(0, IMAGES + 1, 32))
    assert [reading["images"] for reading in content["rollbacks"][0]["discarded"]] == [192]
    assert resumed.training.generator_optimiser.param_groups[0]["lr"] == 1e-4  # also where nobody watches any more
    write_picture(tmp_path / "back")


@pytest.mark.parametrize("moments", [(5, 9), (12, 4), (11, 2, 5)], ids=str)
def test_a_run_that_is_cut_off_has_the_same_rollbacks_and_bits(tmp_path, monkeypatch, moments):
    first_alarm(monkeypatch)
    settings, step = WatchSettings(32, "rollback"), AdversarialTraining.step
    calls = [0]

    def counted(training):
        if cuts and calls[0] == cuts[0]:
            cuts.pop(0)
            raise ZeroDivisionError
        calls[0] += 1
        return step(training)

    cuts: list[int] = []
    monkeypatch.setattr(AdversarialTraining, "step", counted)
    run_in(tmp_path / "whole", settings, checkpoint_every=3).finish()
    for moment in moments:  # of which the later ones come after the way back, once more
        calls[0], cuts[:] = 0, [moment]
        with pytest.raises(ZeroDivisionError):
            run_in(tmp_path / "cut", settings, checkpoint_every=3).finish()
    calls[0] = 0
    run_in(tmp_path / "cut", settings, checkpoint_every=3).finish()
    assert (tmp_path / "cut" / "weights.safetensors").read_bytes() == (
        tmp_path / "whole" / "weights.safetensors"
    ).read_bytes()
    contents = [read_sealed(tmp_path / name / "watch.json") for name in ("cut", "whole")]
    for content in contents:
        content["seconds"] = content["training"] = None
    assert contents[0] == contents[1]
    assert len(contents[0]["rollbacks"]) == 1


def test_a_loss_that_is_no_number_is_rolled_back(tmp_path, monkeypatch):
    step, broken = AdversarialTraining.step, [True]

    def failing(training):
        losses = step(training)
        if training.steps_done == 11 and broken:
            broken.clear()
            return Losses(generator=torch.tensor(float("nan")))
        return losses

    monkeypatch.setattr(AdversarialTraining, "step", failing)
    run_in(tmp_path, WatchSettings(32, "rollback")).finish()
    (note,) = load_weights(tmp_path / "weights").metadata["watch"]["rollbacks"]
    assert note["reason"] == "after 176 images the loss 'generator' is nan"
    assert note["back_to"] == 160


def test_rollbacks_come_to_an_end(tmp_path, monkeypatch):
    def failing(training):
        training.steps_done += 1
        return Losses(generator=torch.tensor(float("nan")))

    monkeypatch.setattr(AdversarialTraining, "step", failing)
    with pytest.raises(TrainingAlarm, match=rf"stopped after {MOST_ROLLBACKS} rollbacks: after 16 images the loss"):
        run_in(tmp_path / "back", WatchSettings(32, "rollback")).finish()
    with pytest.raises(TrainingDiverged):
        run_in(tmp_path / "on", WatchSettings(32)).finish()
    assert read_state(tmp_path / "back" / "checkpoint.safetensors")[0]["steps_done"] == 0


def test_a_checkpoint_whose_watch_is_damaged_is_refused(tmp_path):
    run = run_in(tmp_path, WatchSettings(32))
    run.finish()
    about, tensors = read_state(tmp_path / "checkpoint.safetensors")
    about["watch"]["readings"][0]["images"] = "many"
    from safetensors.torch import save_file

    save_file(tensors, tmp_path / "checkpoint.safetensors", {"about": json.dumps(about)})
    with pytest.raises(InputError, match=r"checkpoint .* is damaged"):
        run_in(tmp_path, WatchSettings(32))


def test_going_back_forgets_what_the_optimiser_did_since(tmp_path):
    from dcgan_features.gan.training.checkpoint import save_state

    training: Any = AdversarialTraining(tiny_recipe(), tiny_images())
    save_state(tmp_path / "state", training, DATA)
    training.step()
    restore_state(tmp_path / "state", training, *read_state(tmp_path / "state"))
    assert training.steps_done == 0
    assert not training.generator_optimiser.state


def test_an_unknown_action_is_refused():
    with pytest.raises(InputError, match="unknown action 'rolback' in --on-alarm: did you mean 'rollback'"):
        chosen_action("rolback")


def test_few_and_grey_images_can_be_watched(tmp_path):
    from dcgan_features.gan.spec import SPECS, Convolution, NetworkSpec

    SPECS["tiny-grey"] = NetworkSpec(
        "tiny-grey", 8, 1, 5, "normal", (Convolution(4, 3, 2),), (6, 4, 4), (Convolution(1, 3, 2),)
    )
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    recipe = tiny_recipe(network="tiny-grey", batch_size=2, images=8)
    Run(recipe, images, tmp_path, DATA, watch=WatchSettings(4)).finish()
    assert len(read_sealed(tmp_path / "watch.json")["readings"]) == 3
