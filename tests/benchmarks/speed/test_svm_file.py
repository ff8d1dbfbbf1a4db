"""The measurement of the solver on a file, on one that takes no time."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dcgan_features.benchmarks.speed import svm, svm_file
from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval import L2SVM

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the rate of reading is taken from Linux's counters")


def test_the_file_has_the_large_problems_rows_and_is_written_once(tmp_path):
    path, labels = svm_file.write_problem(tmp_path / "new", 1_300, 24)
    features, expected = svm.large_problem(1_300, 24)
    assert torch.equal(torch.from_file(str(path), size=1_300 * 24, dtype=torch.bfloat16).view(1_300, 24), features)
    np.testing.assert_array_equal(labels, expected)
    before = path.stat().st_mtime_ns
    assert svm_file.write_problem(tmp_path / "new", 1_300, 24)[0] == path
    assert path.stat().st_mtime_ns == before
    assert sorted(item.name for item in path.parent.iterdir()) == [path.name, "features-1300x24.labels.npy"]


def test_the_fit_is_that_of_the_features_in_memory(tmp_path):
    measured = svm_file.fit_file(lambda _: None, tmp_path, 1e-4, 40)
    rows = round(1e-4 * 1e9 / 80)
    assert measured["problem"].startswith(f"{rows:,} x 40, 10 classes")
    assert measured["file_gb"] == pytest.approx(rows * 80 / 1e9)
    X, y = svm.large_problem(rows, 40)
    assert measured["passes"] == L2SVM(svm.PATH[0]).fit(X, y).n_products_
    assert 0 <= measured["relative_gap"] <= 1e-4
    assert measured["features_gb_a_second"] == pytest.approx(
        measured["passes"] * measured["file_gb"] / measured["seconds"]
    )
    assert measured["disk_gb_a_second"] > 0
    assert 0 < measured["own_memory_gib"] < measured["memory_gib"]
    assert "GB beside" in svm_file.verdict(measured)


def test_another_system_is_told_what_is_lacking(tmp_path, monkeypatch):
    monkeypatch.delattr("os.posix_fadvise")
    with pytest.raises(InputError, match="run this on Linux"):
        svm_file.fit_file(lambda _: None, tmp_path, 1e-4, 40)


def test_a_control_groups_limit_counts_as_the_memory(tmp_path, monkeypatch):
    group = tmp_path / "memory" / "small"
    group.mkdir(parents=True)
    own = tmp_path / "cgroup"
    own.write_text("4:memory:/small\n0::/\n")
    kept = Path.read_text
    monkeypatch.setattr(svm_file, "_CGROUPS", tmp_path)
    monkeypatch.setattr(Path, "read_text", lambda self: kept(own if str(self) == "/proc/self/cgroup" else self))
    whole = svm_file.memory_to_be_had()
    (group / "memory.limit_in_bytes").write_text("1000000\n")
    assert svm_file.memory_to_be_had() == 1_000_000 < whole
    (group / "memory.limit_in_bytes").write_text(f"{1 << 62}\n")
    assert svm_file.memory_to_be_had() == whole
    (tmp_path / "memory.max").write_text("max\n")
    assert svm_file.memory_to_be_had() == whole
    (tmp_path / "memory.max").write_text("2000000\n")
    assert svm_file.memory_to_be_had() == 2_000_000
