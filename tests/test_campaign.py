"""A short campaign over every reader, and a few kills; `python -m tests.campaign` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.__main__ import table, try_all
from tests.campaign.kills import kill_all, tasks


def test_damaged_inputs_end_in_a_sentence_or_change_nothing(tmp_path: Path) -> None:
    found = try_all(tmp_path, inputs=400, seed=7)
    assert [line for outcome in found.values() for line in outcome.seen] == []
    assert sum(outcome.tried for outcome in found.values()) > 300
    assert table(found, 7).splitlines()[-1].endswith("| 0 |")


@pytest.mark.parametrize("name", ["GAN with EMA, rotation prediction and R1 penalty", "folder of pictures"])
def test_what_was_killed_comes_to_the_same(tmp_path: Path, name: str) -> None:
    (killed,) = kill_all(tmp_path, 3, seed=7, only=[name])
    assert killed.wrong == []
    assert killed.kills >= 3
    assert name in [task.name for task in tasks()]
