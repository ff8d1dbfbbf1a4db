import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dcgan_features.gan.weights_file import save_weights
from tests.gan.tiny import tiny_sampler

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Weights of a tiny network whose samples differ visibly."""
    sampler = tiny_sampler()
    with torch.no_grad():
        for network in (sampler.generator, sampler.discriminator):
            for parameter in network.parameters():
                if parameter.ndim == 4:
                    parameter.mul_(15)
    return save_weights(
        tmp_path_factory.mktemp("tiny") / "weights", sampler.discriminator, sampler.generator, {"images_seen": 12}
    )


@pytest.fixture(scope="session")
def explorer(checkpoint, tmp_path_factory):
    """The address of a running explorer, and the folder in which it runs."""
    pytest.importorskip("nicegui", reason="NiceGUI is not installed; it comes with the extra 'explore'")
    folder = tmp_path_factory.mktemp("folder")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    process = subprocess.Popen(
        [sys.executable, "-m", "gan.explore", str(checkpoint), "--no-browser", "--device", "cpu"],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line
        yield line.split()[3], folder
    finally:
        process.terminate()
        process.wait(60)
