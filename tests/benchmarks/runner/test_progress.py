import re

import pytest

from dcgan_features.benchmarks.runner.progress import TimeLeft


def test_the_time_left_follows_what_was_taken():
    time_left = TimeLeft([10, 5, None, 20])
    assert time_left.seconds() == 35 * 60
    time_left.finish(300)  # half of what was expected
    assert time_left.seconds() == pytest.approx(25 * 60 / 2)
    time_left.finish(1500)  # 30 minutes for 15, all in all
    assert time_left.seconds() == pytest.approx(20 * 60 * 2)
    time_left.finish(77)  # nothing was expected of it
    assert time_left.seconds() == pytest.approx(20 * 60 * 2)
    time_left.finish(1)
    assert time_left.seconds() is None


def test_rows_without_estimates_have_no_time_left():
    assert TimeLeft([None, None]).seconds() is None
    assert TimeLeft([]).seconds() is None


def test_each_finished_row_says_what_it_gave(cli, make_table):
    rows = [{"name": name, "title": name, "extractor": {"class": "RawPixels"}, "minutes": 1} for name in ("a", "b")]
    _, _, err = cli("--table", make_table(rows=rows))
    assert "[1/2] a, about 2 min 00 s left in all" in err
    assert re.search(r"\[2/2\] b, about \d+ s left in all", err)
    assert re.search(
        r"^a: all labels \d+\.\d\d \(stand-in\), 5 a class \d+\.\d\d ±\d+\.\d\d \(stand-in\), after", err, re.M
    )
