"""Training by several processes against training by one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import distributed, nn

from dcgan_features.data.utils import cli as command
from dcgan_features.data.utils.cli import Interrupted
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan import train as train_command
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.checkpoint import read_state
from dcgan_features.gan.training.data_parallel import SharedBatch, SharedBatchNorm
from dcgan_features.gan.training.dcgan import Run
from tests.gan.tiny import DATA, tiny_images, tiny_recipe
from tests.processes import in_processes, results

ROOT = Path(__file__).parents[3]
SETTINGS: dict[str, Any] = {"images": 192, "flips": True, "checkpoint_every": 2, "sample_every": 4}  # 12 minibatches


def close(path, other, tolerance=2e-4):
    """Whether two files hold the same tensors up to rounding, of which Adam makes more where gradients are small."""
    one, two = load_file(path), load_file(other)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=tolerance, atol=tolerance, err_msg=name)


def normalise(rank, count, images, gradient):
    """A shared normalisation of this process's part; returns output, gradients and running statistics."""
    layer = nn.BatchNorm2d(3, 1e-8)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    share = SharedBatch()
    shared = SharedBatchNorm(layer, share)
    bounds = [0, 1, 3, 4, 9] if count == 4 else [0, 4, 9]
    own = slice(bounds[rank], bounds[rank + 1])
    part = images[own].clone().requires_grad_()
    with share.at_work():
        output = shared(part)
    torch.autograd.backward(output, gradient[own])
    changes = []
    for parameter in (shared.weight, shared.bias):
        assert parameter.grad is not None
        changes.append(share.processes.total(parameter.grad))
    return output.detach(), part.grad, changes, shared.state_dict()


@pytest.mark.parametrize("count", [2, 4])
def test_normalisation_is_that_of_the_whole_minibatch(count):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(9, 3, 4, 4, generator=generator) * 3 + 100  # a mean that swamps the spread
    gradient = torch.randn(9, 3, 4, 4, generator=generator)
    layer = nn.BatchNorm2d(3, 1e-8)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    whole = images.clone().requires_grad_()
    output = layer(whole)
    torch.autograd.backward(output, gradient)
    parts = results(in_processes(count, normalise, count, images, gradient))
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), output.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), whole.grad, rtol=1e-4, atol=1e-5)
    for _, _, changes, state in parts:
        torch.testing.assert_close(changes, [layer.weight.grad, layer.bias.grad], rtol=1e-4, atol=1e-4)
        for name, expected in layer.state_dict().items():
            torch.testing.assert_close(state[name], expected)


def train(rank, out, settings):
    run = Run(tiny_recipe(**settings), tiny_images(), out, DATA, together=True)
    run.finish()
    training = run.training
    return [
        parameter.detach().numpy() for name in training.networks for parameter in getattr(training, name).parameters()
    ]


@pytest.mark.parametrize(("count", "precision", "tolerance"), [(2, "fp32", 2e-4), (4, "fp32", 2e-4), (2, "bf16", 0.02)])
def test_a_run_is_that_of_one_process_up_to_rounding(tmp_path, count, precision, tolerance):
    settings = {**SETTINGS, "precision": precision}
    everyones = results(in_processes(count, train, tmp_path / "together", settings))
    for parameters in everyones[1:]:
        for mine, first in zip(parameters, everyones[0], strict=True):
            np.testing.assert_array_equal(mine, first)  # to the bit
    Run(tiny_recipe(**settings), tiny_images(), tmp_path / "alone", DATA).finish()
    close(tmp_path / "together" / "weights.safetensors", tmp_path / "alone" / "weights.safetensors", tolerance)
    files = sorted(path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("*.[ps]*[gs]"))
    assert (
        sorted(path.relative_to(tmp_path / "together") for path in (tmp_path / "together").rglob("*.[ps]*[gs]"))
        == files
    )
    assert len(list((tmp_path / "together" / "logs").iterdir())) == 1  # one process writes


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "hinge", "averaging": 0.9},
        {"rotation": 1.0, "flips": True},
        {"network": "tiny-spectral", "loss": "hinge", "gradient_penalty": 2.0, "averaging": 0.9, "rotation": 1.0},
    ],
    ids=["batch", "rotation", "spectral"],
)
def test_what_goes_past_the_paper_is_that_of_one_process_too(tmp_path, settings):
    settings = {**SETTINGS, **settings}
    everyones = results(in_processes(2, train, tmp_path / "together", settings))
    for mine, first in zip(everyones[1], everyones[0], strict=True):
        np.testing.assert_array_equal(mine, first)
    Run(tiny_recipe(**settings), tiny_images(), tmp_path / "alone", DATA).finish()
    for name in ("weights", "checkpoint"):
        close(*(tmp_path / folder / f"{name}.safetensors" for folder in ("together", "alone")))


def test_a_penalty_through_shared_batch_normalisation_is_refused(tmp_path):
    for error in in_processes(2, train, tmp_path, {**SETTINGS, "gradient_penalty": 2.0}):
        assert isinstance(error, InputError)
        assert "'gradient_penalty' with batch normalisation in the discriminator needs one process, not 2" in str(error)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def be_killed(rank, out, settings):
    """Rank 1 is killed in the seventh minibatch."""
    step = AdversarialTraining.step

    def killed(training):
        if rank == 1 and training.steps_done == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(training)

    AdversarialTraining.step = killed  # type: ignore[method-assign]
    return train(rank, out, settings)


def test_a_killed_process_ends_the_run_which_any_number_of_others_resume(tmp_path):
    first, second, third = in_processes(3, be_killed, tmp_path / "killed", SETTINGS)
    assert second is None
    for error in (first, third):
        assert isinstance(error, InputError)
        assert "training stopped after batch 6 of 12: another process is gone" in str(error)
        assert "run the same command again to resume from the last checkpoint" in str(error)
    assert read_state(tmp_path / "killed" / "checkpoint.safetensors")[0]["steps_done"] == 6
    results(in_processes(2, train, tmp_path / "killed", {**SETTINGS, "images": 144}))
    run = Run(tiny_recipe(**SETTINGS), tiny_images(), tmp_path / "killed", DATA)
    assert run.training.steps_done == 9
    assert "the run was begun by 2 processes, not 1" in run.notes[0]
    run.finish()
    Run(tiny_recipe(**SETTINGS), tiny_images(), tmp_path / "alone", DATA).finish()
    close(tmp_path / "killed" / "weights.safetensors", tmp_path / "alone" / "weights.safetensors")


def be_interrupted(rank, out, settings):
    """Both get the signal, as from a terminal, in different minibatches."""
    step = AdversarialTraining.step

    def interrupted(training):
        losses = step(training)
        if training.steps_done == 5 + rank:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses

    AdversarialTraining.step = interrupted  # type: ignore[method-assign]
    distributed.barrier()
    return train(rank, out, settings)


def elsewhere(rank, out, settings):
    return train(rank, out / str(rank), settings)


def test_an_interrupted_run_and_one_that_cannot_begin(tmp_path):
    first, second = in_processes(2, be_interrupted, tmp_path / "a", SETTINGS)
    assert isinstance(first, Interrupted)
    assert "interrupted after batch 5 of 12" in str(first)
    assert isinstance(second, Interrupted | InputError)  # its own signal may come too late
    Run(tiny_recipe(**{**SETTINGS, "images": 64}), tiny_images(), tmp_path / "b" / "0", DATA).finish()
    for error in in_processes(2, elsewhere, tmp_path / "b", SETTINGS):
        assert isinstance(error, InputError)
        assert "the processes are at batches 4, 0" in str(error)
    for error in in_processes(3, train, tmp_path / "c", {**SETTINGS, "batch_size": 2}):
        assert "3 processes cannot share minibatches of 2" in str(error)


def test_the_command_under_torchrun(tmp_path, monkeypatch, capsys):
    """One of its processes is killed: the others end, with what to do, and one process goes on."""
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8))
    (tmp_path / "recipe.yaml").write_text("{batch_size: 4, checkpoint_every: 1, precision: fp32, sample_every: null}")
    module = ["-m", "gan.train", "--data", str(tmp_path / "images.npy"), "--out", str(tmp_path / "out")]
    module += ["--recipe", str(tmp_path / "recipe.yaml"), "--device", "cpu", "--images"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *module, "100000"]
    process = subprocess.Popen(
        torchrun, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    checkpoint = tmp_path / "out" / "checkpoint.safetensors"
    try:
        for _ in range(6000):
            if checkpoint.exists():
                break
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        os.kill(second_of(process.pid), signal.SIGKILL)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode != 0
    assert "2 processes" in out
    assert "another process is gone" in err or "interrupted after batch" in err
    assert "run the same command again to resume from" in err
    done = read_state(checkpoint)[0]["steps_done"]
    monkeypatch.setattr(sys, "argv", ["train.py", *module[2:], str(4 * (done + 1))])
    with pytest.raises(SystemExit, match="0"):
        command.run(train_command.app)
    resumed = capsys.readouterr().out
    assert f"resuming after batch {done:,}" in resumed
    assert "the run was begun by 2 processes, not 1" in resumed


def second_of(torchrun):
    """The process of rank 1 that `torchrun` started."""
    for folder in Path("/proc").iterdir():
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            variables = (folder / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            continue
        if parent == torchrun and b"RANK=1" in variables:
            return int(folder.name)
    raise AssertionError("there is no process of rank 1")
