"""Runs that are stopped from outside: by kill -9 at any moment, and by an interrupt."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dcgan_features.data.utils.cli import Interrupted
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.dcgan import Run
from tests.gan.tiny import DATA, tiny_images, tiny_recipe

ROOT = Path(__file__).parents[2]
SETTINGS = {"images": 16 * 250, "precision": "bf16", "checkpoint_every": 1, "sample_every": 3, "snapshot_every": 1000}
KILLS = 5

# One process imports torch and then forks a run after another, because the import takes most of the time.
PROGRAM = f"""
import os, random, signal, sys, time, torch
from pathlib import Path
from dcgan_features.gan.training.dcgan import Run
from tests.gan.tiny import DATA, tiny_images, tiny_recipe
torch.set_num_threads(1)
out, moments = Path(sys.argv[1]), random.Random(0)
checkpoint = out / "checkpoint.safetensors"
Run(tiny_recipe(), tiny_images(), out, DATA)  # imports what torch only imports when it is used
for _ in range({KILLS}):
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    child = os.fork()
    if not child:
        Run(tiny_recipe(**{SETTINGS}), tiny_images(), out, DATA).finish()
        os._exit(0)
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the run ended before it could be killed"
        time.sleep(0.001)
    time.sleep(moments.uniform(0, 0.15))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the run ended before it could be killed"
"""


def test_killed_at_any_moment_a_run_resumes_to_the_bit(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(killed)], cwd=ROOT, stderr=subprocess.PIPE, check=True, timeout=300
    )
    run = Run(tiny_recipe(**SETTINGS), tiny_images(), killed, DATA)
    assert KILLS <= run.training.steps_done < 250
    run.finish()
    Run(
        tiny_recipe(**{**SETTINGS, "checkpoint_every": None, "sample_every": None}), tiny_images(), whole, DATA
    ).finish()
    for name in ("weights.safetensors", *(f"snapshots/{file.name}" for file in (whole / "snapshots").glob("*.safe*"))):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert len(list((killed / "samples").glob("*.png"))) == 84  # every third, and the last
    assert not list(killed.rglob("*.tmp"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_and_says_how_to_resume(tmp_path, monkeypatch, number):
    step = AdversarialTraining.step

    def interrupted(training):
        losses = step(training)
        if training.steps_done == 5:
            os.kill(os.getpid(), number)
        return losses

    monkeypatch.setattr(AdversarialTraining, "step", interrupted)
    handler = signal.getsignal(number)
    with pytest.raises(Interrupted, match=r"after batch 5 of 10; run the same command again to resume"):
        Run(tiny_recipe(), tiny_images(), tmp_path / "a", DATA).finish()
    assert signal.getsignal(number) is handler
    monkeypatch.undo()
    run = Run(tiny_recipe(), tiny_images(), tmp_path / "a", DATA)
    assert run.training.steps_done == 5
    run.finish()
    Run(tiny_recipe(), tiny_images(), tmp_path / "b", DATA).finish()
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "ab")
    assert first == second
