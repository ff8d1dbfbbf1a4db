"""Marked tables in documents are replaced by the measured lines, and nothing else is touched."""

import shutil
from pathlib import Path

import pytest

from dcgan_features.benchmarks.documents.__main__ import app
from dcgan_features.benchmarks.documents.figures import filled
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError

RESULTS = Path(__file__).parents[3] / "results"


def test_a_block_is_replaced_and_the_rest_is_kept():
    text = "a\n<!-- results:cifar10 dcgan -->\n| old |\n|---|\nkept\n<!-- /results -->\nb | c\n"
    lines = filled(text, RESULTS).splitlines()
    assert lines[:2] == ["a", "<!-- results:cifar10 dcgan -->"]
    assert lines[-3:] == ["kept", "<!-- /results -->", "b | c"]
    body = lines[4:-3]
    measured = (RESULTS / "cifar10.md").read_text(encoding="utf-8").splitlines()
    rows = [
        line
        for line in measured
        if line.startswith("| DCGAN + L2-SVM | ") and ("labels |" in line or "class |" in line)
    ]
    assert len(body) == 2
    for line, whole in zip(body, rows, strict=True):  # documents leave out the last columns
        assert whole.startswith(line.removesuffix(" |"))
    assert filled("\n".join(lines), RESULTS).splitlines() == lines


def test_wildcards_and_all_rows():
    everything = filled("<!-- results:cifar10 -->\n<!-- /results -->\n", RESULTS)
    some = filled("<!-- results:cifar10 *dcgan raw-pixels -->\n<!-- /results -->\n", RESULTS)
    assert set(some.splitlines()[1:]) < set(everything.splitlines()[1:]) | {"<!-- /results -->"}
    assert "Raw pixels" in some
    assert "K-means" not in some


@pytest.mark.parametrize(
    ("mark", "said"), [("results:nothing", "measure it first"), ("results:cifar10 nobody", "does not have")]
)
def test_unknown_tables_and_rows_are_refused(mark, said):
    with pytest.raises(InputError, match=said):
        filled(f"<!-- {mark} -->\n<!-- /results -->\n", RESULTS)


def test_the_command_writes_only_what_changed(tmp_path, monkeypatch, capsys):
    shutil.copy(RESULTS / "cifar10.json", tmp_path)
    shutil.copytree(RESULTS / "cifar10", tmp_path / "cifar10")
    page, other = tmp_path / "a.md", tmp_path / "b.md"
    page.write_text("<!-- results:cifar10 dcgan -->\n<!-- /results -->\n")
    other.write_text("no table\n")
    monkeypatch.setattr("sys.argv", ["documents", str(page), str(other), "--results", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"written: {page}\n"
    assert "DCGAN + L2-SVM" in page.read_text()
    monkeypatch.setattr("sys.argv", ["documents", str(tmp_path / "absent.md")])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == 2
