import json
import platform
import socket

from dcgan_features.benchmarks.speed.machine import machine


def test_the_processor_is_told_from_what_the_kernel_says(tmp_path):
    said = tmp_path / "cpuinfo"
    said.write_text(
        "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nflags\t\t: fpu sse2 fma avx2 avx512f amx_tile\n\n"
        "processor\t: 1\nmodel name\t: Another\nflags\t\t: fpu\n"
    )
    told = machine(said)
    assert told["processor"] == "Some CPU @ 2.0GHz"
    assert told["instructions"] == ["avx2", "fma", "avx512f", "amx_tile"]


def test_where_the_kernel_says_nothing_python_does(tmp_path):
    told = machine(tmp_path / "none")
    assert told["processor"] == platform.machine()
    assert told["instructions"] == []


def test_this_machine_is_described_without_its_name():
    told = machine()
    assert told["cores"] >= 1
    assert "scipy" in told["libraries"]
    assert socket.gethostname() not in json.dumps(told)
