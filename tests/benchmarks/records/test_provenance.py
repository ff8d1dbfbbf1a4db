"""Where committed results come from: a commit that was there before them, and nothing that is not in it.

The lists are of what was measured before that was checked. They only shrink: nothing may be added to them.
"""

import json
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from dcgan_features.benchmarks.records import environment
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import at_end_of_grid
from dcgan_features.benchmarks.runner.protocol import C_BOUNDS

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "results"

OLDER_THAN_THEIR_COMMIT = {
    "cifar10/dcgan", "cifar10/dcgan-in-domain-rotations", "cifar10/dcgan-in-domain-rotations-views-sqrt-variance",
    "cifar10/dcgan-in-domain-rotations-views-variance", "cifar10/dcgan-in-domain-views-sqrt-variance",
    "cifar10/dcgan-in-domain-views-variance",
}  # fmt: skip
# Measured before grids of C were extended; the tables say of each how many fits chose the end.
AT_THE_END_OF_THEIR_GRID = {
    "cifar10/dcgan-in-domain-rotations-views-sqrt-variance", "cifar10/dcgan-in-domain-views-sqrt-variance",
    "cifar10/dcgan-in-domain-views-variance", "cifar10/kmeans-1-layer", "cifar10/kmeans-1-layer-1600",
    "cifar10/kmeans-3-layer-random-rf", "cifar10/kmeans-view-invariant", "cifar10/kmeans-view-invariant-1600",
    "cifar10/second-order-rotations", "reference-training/dcgan-0005760000-images",
    "reference-training/dcgan-0009600000-images",
}  # fmt: skip


def name_of(path):
    return path.relative_to(RESULTS).with_suffix("").as_posix()


def commits():
    """Every committed file that names a commit, by its name in `results`, with what it says."""
    found = {}
    for path in sorted(RESULTS.rglob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        if isinstance(content, dict) and "commit" in content:
            found[name_of(path)] = content
    return found


def test_results_name_a_clean_commit():
    named = commits()
    assert len(named) > 40
    assert not {name for name, content in named.items() if not content["commit"] or "changed" in content["commit"]}


def test_commits_are_older_than_what_was_measured_with_them():
    git = ["git", "-C", str(ROOT)]
    listed = subprocess.run([*git, "log", "--format=%H %ct"], capture_output=True, text=True, check=False).stdout
    made = {line.split()[0]: int(line.split()[1]) for line in listed.splitlines()}
    if len(made) < 100:
        pytest.skip("the history is not here")
    older = set()
    for name, content in commits().items():
        commit = str(content["commit"])
        if "finished" not in content:
            continue
        assert commit in made, f"{name}: {commit} is no commit of this history"
        if datetime.fromisoformat(content["finished"]).timestamp() < made[commit]:
            older.add(name)
    assert older <= OLDER_THAN_THEIR_COMMIT


@pytest.mark.parametrize("table", ["cifar10", "cifar10-layers", "corpora", "mnist", "reference-training", "svhn"])
def test_the_best_C_lies_inside_its_grid_or_is_known_not_to(table):
    for path in sorted((RESULTS / table).glob("*.json")):
        result = read_row(path)
        assert result is not None
        for found in result.protocols.values():
            if found.settings is not None:  # of a search in the space that its source names, which is not extended
                continue
            at_limits = [float(item["C"]) in C_BOUNDS for item in found.chosen if item.get("scores")]
            if (at_end_of_grid(found) or 0) > sum(at_limits):
                assert name_of(path) in AT_THE_END_OF_THEIR_GRID


def test_a_changed_tree_names_no_commit_and_another_digest(tmp_path, monkeypatch):
    def git(*arguments):
        name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *name, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    for package in environment.PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("x = 1\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "a")
    monkeypatch.setattr(environment, "ROOT", tmp_path.resolve())
    digest = environment.source_tree.__wrapped__
    assert environment.commit() == git("rev-parse", "HEAD")
    before = digest()
    (tmp_path / "gan" / "b.py").write_text("y = 2\n")  # not even known to git
    assert environment.commit() is None
    assert digest() != before
    (tmp_path / "gan" / "b.py").unlink()
    (tmp_path / "notes.txt").write_text("of no consequence")
    assert environment.commit() == git("rev-parse", "HEAD")
    assert digest() == before
    (tmp_path / "eval" / "a.py").write_text("x = 2\n")
    assert environment.commit() is None
    assert digest() != before
