"""Two reports of different dates."""

import math

import pytest

from dcgan_features.benchmarks import report
from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.reporting.diff import compare_reports, markdown_of_changes
from dcgan_features.benchmarks.reporting.table import read_report
from dcgan_features.data.utils.cli import run
from dcgan_features.eval.protocols import wilson_interval
from tests.benchmarks.reporting.html.conftest import add_row, finish


def make(folder, *rows):
    for arguments in rows:
        add_row(folder, *arguments[:3], **(arguments[3] if len(arguments) > 3 else {}))
    finish(folder)
    return read_report(folder / "tiny.json")


def changes_of(tmp_path, before, after):
    found = compare_reports(make(tmp_path / "before", *before), make(tmp_path / "after", *after))
    return {(change.row, change.protocol): change for change in found}


def test_what_is_new_gone_and_the_same(tmp_path):
    found = changes_of(tmp_path, [("first", 0.8, 1), ("second", 0.6, 2)], [("first", 0.8, 1), ("third", 0.5, 3)])
    verdicts = {row: change.verdict for (row, _), change in found.items()}
    assert verdicts == {"first": "same", "third": "new", "second": "gone"}
    assert len(found) == 6
    same = found["first", "all labels"]
    assert (same.difference, same.low, same.reasons) == (0.0, None, ())


def test_beyond_and_within_the_interval(tmp_path):
    found = changes_of(tmp_path, [("first", 0.8, 1), ("second", 0.6, 2)], [("first", 0.6, 1), ("second", 0.6, 5)])
    beyond, within = found["first", "all labels"], found["second", "all labels"]
    assert (beyond.verdict, within.verdict) == ("beyond", "within")
    assert beyond.high is not None
    assert beyond.low < beyond.difference < beyond.high < 0
    assert within.low < 0 < within.high


def test_kept_predictions_are_compared_image_by_image(tmp_path):
    """Nearly the same predictions: their difference is known much better than either accuracy."""
    found = changes_of(tmp_path, [("first", 0.8, 1)], [("first", 0.82, 1)])["first", "all labels"]
    assert found.before is not None
    assert found.after is not None
    assert found.high - found.low < 0.6 * (found.after["high"] - found.after["low"])
    assert found.difference == pytest.approx(found.after["measured"] - found.before["measured"])
    assert found.verdict == "beyond"


def test_without_predictions_the_accuracies_count_as_independent(tmp_path):
    before = make(tmp_path / "before", ("first", 0.8, 1))
    after = make(tmp_path / "after", ("first", 0.82, 1))
    (tmp_path / "before" / "tiny" / "first.npz").unlink()
    change = compare_reports(before, after)[0]
    assert change.difference is not None
    ends = [wilson_interval(item.results["first"].protocols["all-labels"].measured, 1000) for item in (before, after)]
    half = math.hypot(*((high - low) / 2 for low, high in ends))
    assert change.high == pytest.approx(change.difference + half)
    assert change.low == pytest.approx(change.difference - half)
    assert change.verdict == "within"


def test_what_else_differs_is_said(tmp_path):
    settings = {"measurement": {"classifier": {"name": "L2SVMCV", "settings": {"Cs": [0.5]}}, "minutes": 3}}
    other = {"settings": settings, "commit": "9" * 40, "versions": {"python": "3.11", "torch": "2.7"}, "seeds": {}}
    found = changes_of(tmp_path, [("first", 0.8, 1)], [("first", 0.8, 4, other)])["first", "all labels"]
    assert found.reasons == (
        "measurement.classifier.settings.Cs [0.1, 1.0] → [0.5]", "commit eeeeeeee → 99999999", "torch 2.6 → 2.7"
    )  # fmt: skip


def test_figures_on_other_images_are_not_compared(tmp_path):
    digests = {"data": "a" * 64, "weights": None}
    found = changes_of(tmp_path, [("first", 0.8, 1)], [("first", 0.7, 1, {"digests": digests})])["first", "all labels"]
    assert found.verdict == "not comparable"
    assert found.reasons[0].startswith("other images")


def call(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["report.py", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        run(report.app)
    return ended.value.code


def test_the_report_says_what_changed(tmp_path, monkeypatch, capsys):
    before = make(tmp_path / "before", ("first", 0.8, 1), ("second", 0.6, 2))
    after = make(tmp_path / "after", ("first", 0.6, 1), ("second", 0.6, 2))
    out = tmp_path / "out"
    assert call(monkeypatch, "--results", after.folder, "--against", before.folder, "--out", out) == 0
    text = capsys.readouterr().out
    change = compare_reports(before, after)[0]
    figures = f"{change.difference:+.2f}", f"{change.low:+.2f} to {change.high:+.2f}", "beyond its interval"
    page, markdown = ((out / name).read_text(encoding="utf-8") for name in ("report.html", "changes.md"))
    for words in figures:
        assert words in page
        assert words in markdown
        assert words in text
    assert "the same" in markdown
    assert markdown == markdown_of_changes(compare_reports(before, after), str(before.folder))
    assert call(monkeypatch, "--results", after.folder, "--against", tmp_path / "none", "--out", out) == 2
    assert "holds no results" in capsys.readouterr().err


def test_without_an_earlier_report_nothing_is_said_of_changes(tmp_path, monkeypatch):
    make(tmp_path / "after", ("first", 0.6, 1))
    assert call(monkeypatch, "--results", tmp_path / "after") == 0
    assert not (tmp_path / "after" / "changes.md").exists()
    assert "What changed" not in (tmp_path / "after" / "report.html").read_text(encoding="utf-8")


def test_the_predictions_made_up_here_are_valid(results):
    found = read_report(results / "tiny.json")
    kept = predictions_of(results, found.results["first"])
    right = 100 * (kept.by_protocol["all-labels"][0] == kept.truth).mean()
    assert found.lines[0]["measured"] == pytest.approx(right)
