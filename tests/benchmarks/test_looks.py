import csv
import json
import subprocess

import pytest

from dcgan_features.benchmarks import looks
from dcgan_features.data.utils.errors import InputError

RESULT = {"table": "t", "preset": "default", "commit": "c" * 40, "stand_in": False}


def git(folder, *arguments):
    name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(folder), *name, *arguments], check=True, capture_output=True)


@pytest.fixture
def history(tmp_path):
    """A row measured twice and then renamed, one of a stand-in, one scored on validation images, and another file."""
    git(tmp_path, "init", "-q")
    folder = tmp_path / "results" / "t"
    folder.mkdir(parents=True)

    def commit(name, **changes):
        (folder / f"{name}.json").write_text(json.dumps({**RESULT, "row": name, **changes}))
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", name)

    few = {"few": {"measured": 61.237}}
    commit("a", finished="2026-01-01T00:00:00", protocols=few)
    commit("a", finished="2026-01-03T00:00:00", protocols={**few, "all": {"measured": 80.0}})
    git(tmp_path, "mv", "results/t/a.json", "results/t/b.json")
    commit("b", finished="2026-01-03T00:00:00", protocols={**few, "all": {"measured": 80.0}})  # renamed, not measured
    commit("made", finished="2026-01-04T00:00:00", protocols=few, stand_in=True)
    commit("chosen", finished="2026-01-05T00:00:00", protocols={"few": {"measured": 1.0, "scored_on": "validation"}})
    commit("other", something=1)
    (tmp_path / "results" / "t.json").write_text("{}")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "more")
    return tmp_path


def test_every_measurement_on_a_test_set_is_listed_once(history, cli):
    found = looks.looks_in(history)
    assert [(look.finished[:10], look.row, look.figures) for look in found] == [
        ("2026-01-01", "a", "few 61.24"), ("2026-01-03", "b", "few 61.24; all 80.00")
    ]  # fmt: skip
    code, out, _ = cli(app=looks.app, folders=["--results", str(history / "results")])
    assert (code, "2 measurements of 2 rows" in out) == (0, True)
    with open(history / "results" / "looks.csv", newline="") as file:
        assert [line["row"] for line in csv.DictReader(file)] == ["a", "b"]
    assert "| t | b | 1 | 2026-01-03 | 2026-01-03 |" in (history / "results" / "looks.md").read_text()


def test_without_a_history_there_is_no_log(tmp_path, history):
    (tmp_path / "bare").mkdir()
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{history}", tmp_path / "shallow"], check=True)
    with pytest.raises(InputError, match="not its whole history"):
        looks.looks_in(tmp_path / "shallow")
    (history / ".git").rename(tmp_path / "gone")
    with pytest.raises(InputError, match="no clone"):
        looks.looks_in(tmp_path / "bare")
