import io
import re

import pytest
from matplotlib.figure import Figure
from rich.console import Console

from dcgan_features.benchmarks.records.figures import with_pm
from dcgan_features.benchmarks.records.rows import COLUMNS, Outline, RowOutline, table_lines, write_csv
from dcgan_features.benchmarks.reporting.console import print_table
from dcgan_features.benchmarks.reporting.escaping import figure_text
from dcgan_features.benchmarks.reporting.table import difference_text, latex, markdown, measured_text
from dcgan_features.benchmarks.runner.progress import Stages


@pytest.fixture
def outline():
    published = {"all-labels": {"value": 80.6}, "400-per-class": {"value": 63.7, "pm": 0.7}}
    row = {"name": "kmeans", "title": "View Invariant K-means", "units": 1, "citation": "", "note": ""}
    rows = [RowOutline.model_validate({**row, "published": published})]
    titles = {"all-labels": "all labels", "400-per-class": "400 a class"}
    return Outline(
        format=1, name="t", title="T", metric="accuracy", preset="p", protocols=list(titles), titles=titles, rows=rows
    )


def line(**values):
    return {**dict.fromkeys(COLUMNS), **values}


def test_figures_as_printed():
    assert with_pm(73.8, 0.4) == "73.8 ±0.4"
    assert with_pm(82.8, None) == "82.8"
    assert with_pm(None, None) == ""
    assert measured_text(line()) == "not measured"
    assert measured_text(line(measured=70.123, sd=0.5)) == "70.12 ±0.50"
    assert measured_text(line(measured=70.0, stand_in=True)) == "70.00 (stand-in)"
    assert difference_text(line(measured=70.0, published=73.8)) == "-3.80"
    assert difference_text(line(measured=74.0, published=73.8)) == "+0.20"
    assert difference_text(line(measured=74.0)) == difference_text(line(published=73.8)) == ""
    assert difference_text(line(measured=70.0, published=73.8, stand_in=True)) == ""


def test_latex_escapes(outline):
    named = outline.model_copy(update={"rows": [outline.rows[0].model_copy(update={"title": "50%_a & b"})]})
    shown = {"row": "kmeans", "protocol": "all-labels", "published": 73.8, "published_pm": 0.4, "measured": 70.0}
    text = latex(named, [line(**shown)])
    (cells,) = [part for part in text.splitlines() if "50" in part]
    assert [cell.strip() for cell in cells.removesuffix("\\\\").replace("\\&", "and").split("&")] == [
        "50\\%\\_a and b", "all labels", "73.8 $\\pm$0.4", "70.00", "$-$3.80", "", "", "", ""
    ]  # fmt: skip
    assert "\\begin{tabular}{llrrrrlrr}\n\\toprule\n" in text


def test_an_unmeasured_row_keeps_its_lines(outline, tmp_path):
    lines = table_lines(outline, {})
    write_csv(tmp_path / "t.csv", lines)
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        ",".join(COLUMNS),
        "kmeans,,all-labels,accuracy,80.6" + "," * 26,
        "kmeans,,400-per-class,accuracy,63.7,0.7" + "," * 25,
    ]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("terminal", [True, False])
def test_the_screen_fits_its_width(outline, width, terminal):
    measured = {
        "measured": 61.234,
        "sd": 0.512,
        "low": 60.1,
        "high": 62.4,
        "draws": 10,
        "seconds": 3725.0,
        "peak_gib": 9.3,
    }
    rows = [line(row="kmeans", protocol="all-labels", published=80.6, stand_in=True, **measured)]
    rows += [line(row="kmeans", protocol="400-per-class", published=63.7, published_pm=0.7, stand_in=False, **measured)]
    console = Console(width=width, force_terminal=terminal, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_table(outline, rows, console)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    shown = [" ".join(part.split()) for part in text.splitlines()]
    name = "kmeans" if width == 80 else "View Invariant K-means"
    wide = "" if width == 80 else " 60.1 to 62.4 10 1 h 02 min 9.3"
    assert f"{name} all labels 80.6 61.23 ±0.51 (stand-in){wide}" in shown
    assert f"{'' if terminal else name + ' '}400 a class 63.7 ±0.7 61.23 ±0.51 -2.47{wide}" in shown
    assert "T (stand-in)" in shown[0]
    assert any("made-up images" in part for part in shown)


def test_a_stage_found_on_disk_counts_what_it_took_to_make(tmp_path, monkeypatch):
    clock = iter([0.0, 100.0, 200.0, 201.0, 300.0, 303.0])
    monkeypatch.setattr("dcgan_features.benchmarks.runner.progress.time.perf_counter", lambda: next(clock))
    for expected in (100.0, 100.0):
        stages = Stages("a")
        with stages.timed("features", tmp_path / "seconds.json"):
            pass
        assert stages.seconds == {"features": expected}
    stages = Stages("a")
    with stages.timed("fits"):
        pass
    assert stages.seconds == {"fits": 3.0}


def test_stages_show_one_display_after_another(capsys):
    stages = Stages("row")
    for done in (1, 4):
        stages.report("dictionary", done, 4)
    stages.report("features", 2, 10)
    stages.close()
    lines = capsys.readouterr().err.splitlines()
    assert [text.split(" after")[0] for text in lines] == ["row: dictionary: 4 of 4", "row: features: 2 of 10"]


def test_a_small_spread_is_not_shown_as_none():
    assert with_pm(2.4, 0.02) == "2.40 ±0.02"
    assert with_pm(73.8, 0.4) == "73.8 ±0.4"
    assert with_pm(50.0, 0.0) == "50.0 ±0.0"


POISON = "Evil\n\n# <img src=x onerror=alert(1)> | a | \\input{/etc/passwd} $\\frac{$ [x](javascript:y) `z\x1b[2J"


def test_a_poisonous_title_stays_text_in_every_form(outline, tmp_path):
    row = outline.rows[0].model_copy(update={"title": POISON, "citation": POISON, "note": f"- {POISON}"})
    titles = dict.fromkeys(outline.titles, POISON)
    poisoned = outline.model_copy(update={"rows": [row], "title": POISON, "titles": titles})
    lines = table_lines(poisoned, {})
    text = markdown(poisoned, {}, lines)
    assert "<img" not in text
    assert "\x1b" not in text
    assert [line[:2] for line in text.splitlines() if line.startswith("#")] == ["# ", "##"]
    assert not re.search(r"(?<!\\)\]\(", text)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(line.replace("\\|", "").split("|")) for line in tables} == {len(tables[0].split("|"))}
    made = latex(poisoned, lines)
    comment, *rest = made.splitlines()
    assert comment.startswith("% Evil # ")
    assert "\\input{" not in "\n".join(rest)
    assert "\x1b" not in made


def test_a_poisonous_title_stays_text_in_pictures():
    figure = Figure()
    axes = figure.subplots()
    axes.set_title(figure_text(POISON))
    figure.savefig(io.BytesIO(), format="png")  # raised ValueError for the formula that it was taken for
    assert "\n" not in axes.get_title()
