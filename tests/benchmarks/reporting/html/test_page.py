"""The page as text: its figures are the CSV's, and it needs nothing but itself."""

import csv
import json
import re
import tomllib
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcgan_features.benchmarks.reporting.html import make_page
from dcgan_features.benchmarks.reporting.html.classes import confusion_of
from dcgan_features.benchmarks.reporting.html.pictures import picture_views
from dcgan_features.benchmarks.reporting.html.speed import figure_text
from dcgan_features.benchmarks.reporting.table import STAND_IN, WARNING, latex, read_report
from dcgan_features.data.utils.formats import sealed
from tests.benchmarks.reporting.html.conftest import add_row, finish

MEASURED_HERE = Path(__file__).parents[4] / "results"
MOST_BYTES = 6_000_000  # three fifths of it pictures
VOID = {"meta", "link", "img", "br", "hr", "input", "path", "circle", "line", "polyline"}


class Page(HTMLParser):
    """Cells of the results' tables by (table, row, protocol) and label; elements that are left open; addresses."""

    def __init__(self, text):
        super().__init__()
        self.lines, self.addresses, self.ids, self.targets, self.open = {}, [], [], [], []
        self._line, self._cell = None, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "action", "data")]
        self.ids += [found["id"]] if "id" in found else []
        self.targets += [found["href"][1:]] if found.get("href", "").startswith("#") else []
        if tag == "tr" and "data-row" in found:
            key = (found["data-table"], found["data-row"], found["data-protocol"])
            self._line = self.lines.setdefault(key, {})
        if tag == "td" and self._line is not None and "data-label" in found:
            self._cell = self._line.setdefault(found["data-label"], {"text": "", "values": []})
        if tag == "data" and self._cell is not None:
            self._cell["values"].append(found["value"])

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag
        if tag == "tr":
            self._line = None
        if tag == "td":
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell["text"] += data


def reports_in(folder):
    return [read_report(path) for path in sorted(folder.glob("*.json")) if (folder / path.stem).is_dir()]


def page_of(folder):
    return make_page(reports_in(folder), folder)


def shown(value, digits):
    return f"{float(value):.{digits}f}" if value else ""


def check_against_csv(page, path):
    """Every figure of the CSV is in the page as a value, and rounded once, from the raw one, as text."""
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    raw_lines = read_report(path.with_suffix(".json")).lines
    assert lines
    for line, raw in zip(lines, raw_lines, strict=True):
        cells = page.lines[path.stem, line["row"], line["protocol"]]
        for label, columns, digits in (
            ("Published", ("published", "published_pm"), 1),
            ("Measured", ("measured", "sd"), 2),
            ("95% interval", ("low", "high"), 1),
        ):
            figures = [line[column] for column in columns if line[column]]
            assert cells[label]["values"] == figures
            texts = [shown(raw[column], digits) for column in columns if line[column]]
            assert re.findall(r"\d+\.\d+", cells[label]["text"]) == texts
        assert cells["Minutes"]["values"] == ([line["seconds"]] if line["seconds"] else [])
        assert cells["Minutes"]["text"].strip() == (shown(raw["seconds"] / 60, 1) if line["seconds"] else "")
        difference = ""
        if line["measured"] and line["published"] and line["stand_in"] == "False":
            difference = f"{raw['measured'] - raw['published']:+.2f}"
        assert cells["Difference"]["text"].strip() == difference
        assert ("not measured" in cells["Measured"]["text"]) == (not line["measured"])
    assert len([key for key in page.lines if key[0] == path.stem]) == len(lines)


def test_the_figures_are_those_of_the_csv(results):
    check_against_csv(Page(page_of(results)), results / "tiny.csv")


def test_the_figures_measured_here_are_those_of_their_csv():
    page = Page(page_of(MEASURED_HERE))
    for report in reports_in(MEASURED_HERE):
        check_against_csv(page, MEASURED_HERE / f"{report.outline.name}.csv")


@pytest.mark.parametrize("where", ["everything", "here"])
def test_the_page_stands_alone(request, where):
    folder = MEASURED_HERE if where == "here" else request.getfixturevalue(where)
    text = page_of(folder)
    page = Page(text)
    assert page.open == []
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", text)
    assert "default-src 'none'" in text
    assert len(text.encode()) < MOST_BYTES
    assert len(page.ids) == len(set(page.ids))
    assert set(page.targets) <= set(page.ids)
    assert text == page_of(folder)


def test_everything_is_shown(everything):
    text = page_of(everything)
    for words in ("How accuracy grows with the labels", "Accuracy by layer", "Which row beats which", "+19.50",
                  "(-0.25)", "Accuracy by class", "airplane", "Which class is taken for which", "Red square",
                  "The L2-SVM", "11.91", "1.000001", "my.py:Mine", "61.23", "first over mine"):  # fmt: skip
        assert words in text
    assert text.count("<polyline") > 4
    assert STAND_IN not in text.replace("stand-in images", "")


def test_text_of_results_is_escaped(results):
    text = page_of(results)
    assert "First &amp; &lt;best&gt;" in text
    assert "of &lt;a&gt; test" in text
    assert "<best>" not in text
    assert "of <a>" not in text


def test_a_stand_in_is_named_wherever_its_figures_are(results):
    add_row(results, "second", 0.6, 2, stand_in=True)
    finish(results)
    text = page_of(results)
    assert "Tiny table (stand-in)" in text
    assert text.count(WARNING) == 2  # over the table, and in the row's dialog
    for row in re.findall(r'<tr role="row" data-table="tiny" data-row="second".*?</tr>', text, re.S):
        assert '<span class="tag">stand-in</span>' in row
    classes = text[text.index("Accuracy by class") :]
    assert 'Second <span class="tag">stand-in</span>' in classes


def test_where_a_number_comes_from_is_one_click_away(results):
    text = page_of(results)
    dialog = text[text.index('<dialog id="about-tiny-first"') :].split("</dialog>")[0]
    for words in ("e" * 40, "d" * 64, "c" * 64, "ab" * 32, "torch 2.6", "draws 0", "L2SVMCV", "cpu, 1 threads",
                  "of &lt;a&gt; test", "2026-01-02 03:04:05 UTC", "Time: features", "11 s", "63.7 ±0.7"):  # fmt: skip
        assert words in dialog
    unmeasured = text[text.index('<dialog id="about-tiny-third"') :].split("</dialog>")[0]
    assert "This row is not measured." in unmeasured
    assert "84.3" in unmeasured


def test_draws_have_a_column_for_C_where_C_was_chosen(results):
    head = '<th scope="col" class="number">C</th>'
    assert page_of(results).count(head) == 4  # two rows in two protocols
    path = results / "tiny" / "second.json"
    changed = json.loads(path.read_text())
    for found in changed["protocols"].values():
        found["chosen"] = [{}] * len(found["values"])
    path.write_text(json.dumps(sealed(changed)))
    assert page_of(results).count(head) == 2


def test_damaged_extras_are_left_out(everything):
    (everything / "tiny-labels.csv").write_bytes(b"\xff\xfe\x00")
    (everything / "tiny-layers.csv").write_text("measured\n")
    (everything / "tiny-paired.csv").write_text("row_a,row_b\nx,y\n")
    (everything / "speed" / "svm.json").write_text("{")
    (everything / "figures" / "red-square.png").write_bytes(b"no picture")
    (everything / "tiny" / "first.npz").unlink()
    (everything / "compare" / "tiny-comparison" / "comparison.json").write_text('{"title": 1}')
    text = page_of(everything)
    for words in ("grows with the labels", "by layer", "beats which", "The L2-SVM", 'id="pictures"', "my.py"):
        assert words not in text
    assert "Second" in text[text.index("Accuracy by class") :]


def test_confusion_counts_by_hand():
    truth = np.array([0, 0, 1, 1])
    predicted = np.array([[0, 1, 1, 1], [0, 0, 0, 2]])
    expected = [[75, 25], [25, 50]]  # the 2 is no class of the test set: wrong, without a column
    np.testing.assert_allclose(confusion_of(truth, predicted, np.array([0, 1])), expected)


def test_large_pictures_are_made_smaller_until_the_page_is_full(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (900, 1500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    Image.new("RGB", (20, 10)).save(tmp_path / "b.png")
    large, small = picture_views(tmp_path)
    assert (large["width"], large["height"]) == (1200, 720)
    assert large["data"].startswith("data:image/jpeg;base64,")
    assert small["data"].startswith("data:image/png;base64,")
    monkeypatch.setattr("dcgan_features.benchmarks.reporting.html.pictures.MOST_BYTES", 10_000)
    large, small = picture_views(tmp_path)
    assert large["data"] is None
    assert small["data"] is not None


def test_templates_styles_and_scripts_are_installed():
    root = MEASURED_HERE.parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    installed = project["tool"]["setuptools"]["package-data"]["dcgan_features.benchmarks.reporting.html"]
    files = [path.name for path in (root / "benchmarks" / "reporting" / "html").glob("*.*") if path.suffix != ".py"]
    assert len(files) >= 5
    assert all(any(fnmatch(name, pattern) for pattern in installed) for name in files)


@pytest.mark.parametrize("folder", ["everything", "here"])
def test_latex_is_well_formed(request, folder):
    """No LaTeX is at hand: cells are counted, braces matched, and what LaTeX would take for a command looked for."""
    reports = reports_in(MEASURED_HERE if folder == "here" else request.getfixturevalue(folder))
    for report in reports:
        text = latex(report.outline, report.lines)
        plain = re.sub(r"\\[a-zA-Z]+\{[<>]?\}|\\[&%$#_{}]", "", text)
        assert plain.count("{") == plain.count("}")
        assert text.count("\\begin{") == text.count("\\end{") == 1
        body = plain.split("\\toprule\n")[1].split("\\bottomrule")[0].replace("\\midrule\n", "").splitlines()
        assert len(body) == len(report.lines) + 1
        for line in body:
            assert line.endswith(r" \\")
            assert line.count("&") == 8
            assert not re.search(r"[%#_^~]|\\(?!pm|\\)", line.removesuffix(r"\\"))
            assert line.count("$") % 2 == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(6250, "6,250"), (1.0000009967, "1.000001"), (0.69942, "0.6994"), (1211.4, "1,211"), (True, "yes"), (None, ""),
     ([1, 2], "1, 2"), ("cpu", "cpu"), (4.07e-8, "4.07e-08")],
)  # fmt: skip
def test_figures_of_speed_in_words(value, text):
    assert figure_text(value) == text
