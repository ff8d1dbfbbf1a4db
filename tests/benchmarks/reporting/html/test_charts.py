"""Scales, places of labels, and what becomes of a CSV."""

import re
from itertools import pairwise

import numpy as np
import pytest

from dcgan_features.benchmarks.reporting.html.charts import HEIGHT, WIDTH, Axes, Point, Series, line_chart, scatter
from dcgan_features.benchmarks.reporting.html.intervals import interval_bar, scale_of
from dcgan_features.benchmarks.reporting.html.studies import study_views
from dcgan_features.benchmarks.reporting.html.svg import Scale, apart, linear, logarithmic, tag, tick_text
from tests.benchmarks.reporting.html.conftest import ROWS, TITLES, write_lines


def numbers(svg, element, attribute):
    return [float(value) for value in re.findall(rf'<{element}[^>]* {attribute}="([-\d.]+)%?"', svg)]


def test_scales():
    scale = linear([40, 80])
    assert scale.share(40) == pytest.approx(1 - scale.share(80))
    assert scale.share(60) == pytest.approx(0.5)
    assert scale.ticks == (40, 50, 60, 70, 80)
    scale = logarithmic([100, 10_000])
    assert scale.share(1000) == pytest.approx(0.5)
    assert {100, 1000, 10_000} <= set(scale.ticks)
    assert len(logarithmic([3072, 25_600]).ticks) >= 2
    for single in (linear([5.0]), logarithmic([5.0])):
        assert single.share(5.0) == pytest.approx(0.5)
    assert [tick_text(value) for value in (3e-5, 0.001, 0.5, 20.0, 7000.0)] == [
        "0.00003", "0.001", "0.5", "20", "7,000"
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_labels_keep_their_distance_and_their_order(seed):
    wanted = np.random.default_rng(seed).uniform(0, 100, 8)
    placed = apart(list(wanted), 10, 0, 100)
    order = np.argsort(wanted)
    assert all(after - before >= 10 - 1e-9 for before, after in pairwise(np.array(placed)[order]))
    assert min(placed) >= -1e-9
    assert max(placed) <= 100 + 1e-9
    assert apart([10, 50, 90], 10, 0, 100) == [10, 50, 90]
    assert apart([49, 51], 10, 0, 100) == [45, 55]


def test_elements_are_escaped():
    assert tag("text", "a<b", class_='"x"', x=1.26) == '<text class="&#34;x&#34;" x="1.3">a&lt;b</text>'


def test_a_bar_lies_where_the_figures_are():
    line = {"published": 60.0, "published_pm": None, "measured": 50.0, "low": 40.0, "high": 60.0}
    scale = Scale(0, 100, (0, 50, 100))
    svg = interval_bar(line, scale, [45.0, 55.0])
    assert numbers(svg, "circle", "cx") == [50.0]
    assert numbers(svg, "svg", "x") == [60.0]
    assert (40.0, 60.0) in zip(numbers(svg, "line", "x1"), numbers(svg, "line", "x2"), strict=True)
    assert svg.count("draw-mark") == 2
    whole = scale_of([line])
    assert whole.low < 40
    assert whole.high > 60
    unmeasured = {**line, "measured": None, "low": None, "high": None}
    assert "circle" not in interval_bar(unmeasured, scale)


def test_a_line_chart_places_points_by_their_values():
    points = tuple(Point(x, y) for x, y in ((10, 40), (100, 50), (1000, 60)))
    svg = line_chart([Series("only", points)], Axes("labels", "%", logarithmic=True), "Name & more")
    xs, ys = numbers(svg, "circle", "cx"), numbers(svg, "circle", "cy")
    assert xs[1] == pytest.approx((xs[0] + xs[2]) / 2, abs=0.2)
    assert ys[1] == pytest.approx((ys[0] + ys[2]) / 2, abs=0.2)
    assert ys[0] > ys[2]
    assert 'aria-label="Name &amp; more"' in svg
    assert "only</text>" not in svg  # a single line needs no name
    both = line_chart([Series("one", points), Series("two", points)], Axes("labels", "%"), "Name")
    assert all(f"{name}</text>" in both for name in ("one", "two"))


def test_names_of_points_do_not_cover_each_other():
    random = np.random.default_rng(0)
    points = [Point(float(x), float(y), title=f"row {n}") for n, (x, y) in enumerate(random.uniform(50, 90, (12, 2)))]
    svg = scatter(points, Axes("seconds", "%"), "Name")
    names = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="label( end)?">(row \d+)</text>', svg)
    assert len(names) >= 10
    boxes = [(float(x) - (40 if end else 0), float(y)) for x, y, end, _ in names]
    for number, (x, y) in enumerate(boxes):
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
        assert all(abs(y - other) >= 12 or abs(x - across) >= 35 for across, other in boxes[number + 1 :])


def test_the_label_curve_of_a_csv(everything):
    labels, layers = study_views(everything, "tiny", ROWS, TITLES)
    assert labels["name"] == "tiny-labels"
    (chart,) = labels["charts"]  # `protocol` says the same as `labels`
    assert "Labelled images, log scale" in chart["svg"]
    assert chart["svg"].count('class="trace"') == 3
    assert "First &amp; &lt;best&gt;</text>" in chart["svg"]
    assert labels["lines"][0] == ["first", "10", "1-per-class", "40.0"]
    assert labels["facts"] == [("sd", "0.5")]
    assert [chart["title"] for chart in layers["charts"]] == ["All labels", "5 a class"]
    assert all(name in layers["charts"][0]["svg"] for name in ("grid 1</text>", "grid 2</text>", "all</text>"))
    assert layers["columns"] == ["layer", "grid", "protocol", "measured"]


def test_published_points_stand_beside_the_measured_ones(tmp_path):
    lines = [{"labels": labels, "measured": 50.0, "published": published, "stand_in": False}
             for labels, published in ((10, ""), (100, 60.5))]  # fmt: skip
    write_lines(tmp_path / "tiny-labels.csv", lines)
    (chart,) = study_views(tmp_path, "tiny", {}, {})[0]["charts"]
    assert chart["svg"].count('class="published-point"') == 1
    assert "published 60.5" in chart["svg"]
    assert chart["note"] == "Hollow diamonds: published."
    write_lines(tmp_path / "tiny-labels.csv", [{**line, "stand_in": True} for line in lines])
    assert "published-point" not in study_views(tmp_path, "tiny", {}, {})[0]["charts"][0]["svg"]


def test_lines_beyond_what_a_chart_can_show_are_counted(tmp_path):
    lines = [{"step": step, "run": f"run {run}", "measured": run + step} for run in range(15) for step in (1, 2)]
    write_lines(tmp_path / "tiny-training.csv", lines)
    (view,) = study_views(tmp_path, "tiny", {}, {})
    assert view["charts"][0]["note"] == "3 further lines are in the table below."
    assert len(view["lines"]) == 30


def test_nothing_on_a_logarithmic_scale_lies_at_its_low_end():
    """A time that rounds to 0 seconds."""
    scale = logarithmic([0.0, 0.1, 10.0])
    assert scale.share(0.0) == 0
    assert 0 < scale.share(0.1) < scale.share(10.0) < 1
