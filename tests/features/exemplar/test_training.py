import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.exemplar.surrogate import NOT_DRAWN
from dcgan_features.features.exemplar.training import ExemplarRun, ExemplarTraining, Losses
from dcgan_features.features.exemplar.weights import load_exemplar_weights
from dcgan_features.gan.training.loop import TrainingDiverged
from tests.features.exemplar.tiny import DATA, TINY, tiny_images, tiny_recipe

ROOT = Path(__file__).parents[3]


def train(out, samples=80, resume=True, data=DATA, **settings):
    return ExemplarRun(tiny_recipe(samples=samples, **settings), tiny_images(), out, data, resume=resume).finish()


def test_a_step_is_stochastic_gradient_descent_on_the_cross_entropy():
    training = ExemplarTraining(tiny_recipe(dropout=0.0, momentum=0.0, weight_decay=0.0), tiny_images())
    drawn = []
    draw = training.surrogate.draw

    def noted(*arguments):
        drawn.append(draw(*arguments))
        return drawn[-1]

    training.surrogate.draw = noted  # type: ignore[method-assign]
    before = [parameter.detach().clone().requires_grad_() for parameter in training.network.parameters()]
    losses = training.step()
    patches, seeds = drawn[0]
    names = [name for name, _ in training.network.named_parameters()]
    pixels = training.network.normalise(patches)
    logits = torch.func.functional_call(training.network, dict(zip(names, before, strict=True)), (pixels,))
    loss = functional.cross_entropy(logits, seeds)
    torch.testing.assert_close(losses.surrogate, loss.detach())
    assert abs(losses.surrogate.item() - math.log(8)) < 0.1
    for old, slope, new in zip(before, torch.autograd.grad(loss, before), training.network.parameters(), strict=True):
        torch.testing.assert_close(new, old - 0.01 * slope)


def test_training_patches_are_normalised_to_mean_0_and_deviation_1():
    training = ExemplarTraining(tiny_recipe(), tiny_images())
    patches, _ = training.surrogate.draw(2000, torch.Generator().manual_seed(5))
    pixels = training.network.normalise(patches).transpose(0, 1).flatten(1)
    assert pixels.mean(1).abs().max() < 0.1
    assert (pixels.std(1) - 1).abs().max() < 0.1


def test_the_learning_rate_is_constant_then_falls_to_0():
    recipe = tiny_recipe(samples=80, decay=40, learning_rate=0.1)
    assert [round(recipe.rate(step), 6) for step in range(10)] == [0.1] * 6 + [0.08, 0.06, 0.04, 0.02]
    short = tiny_recipe(samples=16, decay=4000, learning_rate=0.1)
    assert [round(short.rate(step), 6) for step in range(2)] == [0.1, 0.05]


def test_the_surrogate_classes_are_learnt():
    fixed = {"seeds": 4, "samples_per_seed": 2, "batch_size": 16, "dropout": 0.0}
    training = ExemplarTraining(
        tiny_recipe(network="8c5-8c5-16f", optimiser="adam", learning_rate=0.003, decay=0, **fixed), tiny_images()
    )
    errors = [training.step().error.item() for _ in range(80)]
    assert sum(errors[:3]) / 3 > 0.5  # of 4 classes; chance is 0.75
    assert sum(errors[-5:]) / 5 < 0.1


@pytest.mark.parametrize("settings", [
    {"optimiser": "sgd", "samples_per_seed": 3, "precision": "bf16"},
    {"optimiser": "adam", "cluster_after": 24, "cluster_distance": 0.3},
])  # fmt: skip
def test_a_run_in_parts_is_the_same_to_the_bit(tmp_path, settings):
    for samples in (16, 32, 80):
        train(tmp_path / "parts", samples, **{**settings, "decay": 0})
    train(tmp_path / "whole", **{**settings, "decay": 0})
    first, second = (tmp_path / name / "weights.safetensors" for name in ("parts", "whole"))
    assert first.read_bytes() == second.read_bytes()


KILLED = {"samples": 8 * 60, "checkpoint_every": 1}
PROGRAM = f"""
import os, signal, sys, time, torch
from pathlib import Path
from dcgan_features.features.exemplar import training
from dcgan_features.features.exemplar.training import ExemplarRun
from tests.features.exemplar.tiny import DATA, tiny_images, tiny_recipe
torch.set_num_threads(1)
training._SCALE_SAMPLES = 128
out = Path(sys.argv[1])
training.ExemplarTraining(tiny_recipe(), tiny_images()).step()  # imports what torch imports late
checkpoint = out / "checkpoint.safetensors"
for wait in (0.0, 0.05, 0.02):
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    child = os.fork()
    if not child:
        ExemplarRun(tiny_recipe(**{KILLED}), tiny_images(), out, DATA).finish()
        os._exit(0)
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the run ended before it could be killed"
        time.sleep(0.001)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the run ended before it could be killed"
"""


def test_killed_at_any_moment_a_run_resumes_to_the_bit(tmp_path):
    killed = tmp_path / "killed"
    subprocess.run([sys.executable, "-c", PROGRAM, str(killed)], cwd=ROOT, check=True, timeout=300)
    whole_run = {**KILLED, "checkpoint_every": None}
    run = ExemplarRun(tiny_recipe(**whole_run), tiny_images(), killed, DATA)
    assert 3 <= run.training.steps_done < 60
    run.finish()
    whole = train(tmp_path / "whole", **whole_run)
    assert (killed / "weights.safetensors").read_bytes() == whole.read_bytes()
    assert not list(killed.rglob("*.tmp"))


def test_weights_say_where_they_come_from_and_leave_the_softmax_out(tmp_path):
    path = train(tmp_path)
    network, about = load_exemplar_weights(path)
    assert (about["network"], about["samples_seen"], about["surrogate_classes"]) == (TINY, 80, 8)
    assert (about["data"], about["recipe"]["learning_rate"]) == (DATA, 0.01)
    assert about["versions"].keys() == {"python", "torch", "numpy"}
    assert about["hours"] >= 0
    assert network.logits is None
    run = ExemplarRun(tiny_recipe(), tiny_images(), tmp_path, DATA)
    for own, trained in zip(network.layers.parameters(), run.training.network.layers.parameters(), strict=True):
        assert torch.equal(own, trained)
    assert torch.equal(network.mean, run.training.network.mean)


def test_clustered_seeds_share_a_class_and_dropped_ones_are_not_drawn(tmp_path, monkeypatch):
    given = torch.tensor([0, 0, 2, NOT_DRAWN, 4, 4, 4, NOT_DRAWN])
    seen = []

    def clusters(features, distance, dropped):
        seen.append((tuple(features.shape), distance, dropped))
        return given

    monkeypatch.setattr("dcgan_features.features.exemplar.training.cluster", clusters)
    run = ExemplarRun(tiny_recipe(cluster_after=24, samples=64), tiny_images(), tmp_path, DATA)
    targets: list[tuple[int, set[int]]] = []
    entropy = functional.cross_entropy

    def noted(logits, classes):
        targets.append((run.training.steps_done, set(classes.tolist())))
        return entropy(logits, classes)

    monkeypatch.setattr("dcgan_features.features.exemplar.training.functional.cross_entropy", noted)
    run.finish()
    assert seen == [((8, 6), 0.2, 0.1)]
    assert set().union(*(classes for step, classes in targets if step < 3)) == set(range(8))
    assert set().union(*(classes for step, classes in targets if step >= 3)) == {0, 2, 4}
    assert json.loads((tmp_path / "weights.json").read_text())["surrogate_classes"] == 3


def test_losses_are_logged(tmp_path):
    train(tmp_path, log_every=2)
    log = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [event.step for event in log.Scalars("loss/surrogate")] == [2, 4, 6, 8, 10]
    assert all(0 <= event.value <= 1 for event in log.Scalars("loss/error"))


def test_a_loss_that_is_not_finite_stops_the_run_with_one_sentence(tmp_path, monkeypatch):
    step = ExemplarTraining.step

    def poisoned(training):
        losses = step(training)
        return losses if training.steps_done < 6 else Losses(torch.tensor(math.nan), losses.error)

    monkeypatch.setattr(ExemplarTraining, "step", poisoned)
    with pytest.raises(TrainingDiverged, match="batch 6: the loss 'surrogate' is nan; the checkpoint of batch 4 is"):
        train(tmp_path, checkpoint_every=4)
    assert not (tmp_path / "weights.safetensors").exists()


def test_resuming_with_other_settings_or_images_is_refused(tmp_path):
    train(tmp_path, samples=16)
    with pytest.raises(InputError, match=r"was begun with dropout=0\.5, not 0\.25"):
        train(tmp_path, dropout=0.25)
    with pytest.raises(InputError, match="was begun on other images"):
        train(tmp_path, data={"digest": "1", "description": ""})


def test_an_interrupt_is_survived(tmp_path, monkeypatch):
    step = ExemplarTraining.step

    def interrupted(training):
        losses = step(training)
        if training.steps_done == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses

    monkeypatch.setattr(ExemplarTraining, "step", interrupted)
    with pytest.raises(Exception, match="after batch 5 of 10; run the same command again to resume"):
        train(tmp_path / "a")
    monkeypatch.setattr(ExemplarTraining, "step", step)
    train(tmp_path / "a")
    train(tmp_path / "b")
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "ab")
    assert first == second


def test_a_run_goes_on_from_trained_layers_with_new_surrogate_classes(tmp_path):
    first = train(tmp_path / "first")
    trained, metadata = load_exemplar_weights(first)
    training = ExemplarTraining(tiny_recipe(seeds=12, initial_weights=str(first), colour_power=2.0), tiny_images())
    state = training.network.state_dict()
    for name, tensor in trained.state_dict().items():  # kernels, biases, and what normalises the pixels
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)
    assert training.network.logits is not None
    assert training.network.logits.weight.shape == (12, 6)
    second = train(tmp_path / "second", samples=16, seeds=12, initial_weights=str(first))
    about = json.loads(second.with_suffix(".json").read_text())
    assert about["initial"]["sha256"] == metadata["sha256"]
    assert about["initial"]["samples_seen"] == 80
    assert about["samples_seen"] == 16


def test_initial_weights_of_another_network_are_refused(tmp_path):
    first = train(tmp_path / "first")
    with pytest.raises(InputError, match="holds the network"):
        train(tmp_path / "second", network="4c5-4c5-6f", initial_weights=str(first))
    with pytest.raises(InputError, match="does not exist"):
        train(tmp_path / "second", initial_weights=str(tmp_path / "none.safetensors"))
    assert not (tmp_path / "second" / "weights.json").exists()
