import json
import sys

import pytest
import torch

from dcgan_features.benchmarks.speed import __main__ as speed
from dcgan_features.benchmarks.speed import extract as speed_extract
from dcgan_features.data.utils.cli import run


def test_extract_writes_what_it_prints(tmp_path, monkeypatch, capsys):
    row = {
        "network": "paper-32", "dtype": "bfloat16", "device": "cpu", "threads": 2, "images_per_second": 1200.0,
        "to_memory_images_per_second": 1100.0,
        "gflops": 640.0, "product_gflops": 800.0, "ratio": 0.8, "plain_images_per_second": 300.0, "times_faster": 4.0,
    }  # fmt: skip
    asked = {}

    def measure(**options):
        asked.update(options)
        return [row]

    monkeypatch.setattr(speed_extract, "measure_extract", measure)
    monkeypatch.setattr(sys, "argv", ["speed.py", "extract", "--repeats", "3", "--results", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        run(speed.app)
    assert ended.value.code == 0
    assert asked["repeats"] == 3
    written = json.loads((tmp_path / "speed" / "extract.json").read_text())
    assert written["measured"] == [row]
    assert "torch" in written["versions"]
    out, err = capsys.readouterr()
    assert "0.80" in out
    assert "about 24 s" in err


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["extrct"], "extrct"),
    (["extract", "--repeat", "3"], "did you mean '--repeats'?"),
    (["extract", "--device", "cudda"], "--device cudda is not a device"),
])  # fmt: skip
def test_bad_options(monkeypatch, capsys, arguments, sentence):
    monkeypatch.setattr(sys, "argv", ["speed.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        run(speed.app)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_what_a_gpu_gives_stands_beside_what_the_cpu_gives(tmp_path, monkeypatch, capsys):
    from dcgan_features.benchmarks.speed import svm as speed_svm

    asked = []

    def measure(say, device):
        asked.append(device.type)
        return {"fits": [{"rows": 50_000, "seconds": 3.0}]}

    monkeypatch.setattr(speed_svm, "over_rows", measure)
    monkeypatch.setattr(speed, "_place", torch.device)
    for device, file in (("cuda", "svm-rows-gpu.json"), ("cpu", "svm-rows.json")):
        monkeypatch.setattr(sys, "argv", ["speed.py", "svm-rows", "--device", device, "--results", str(tmp_path)])
        with pytest.raises(SystemExit):
            run(speed.app)
        assert ("Target for 50,000 rows" in capsys.readouterr().out) == (device == "cuda")
        assert (tmp_path / "speed" / file).exists()
    assert asked == ["cuda", "cpu"]
