"""What README and docs promise a reader: short, at hand, in the field's words, and no figure that nothing backs."""

import csv
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# Pages of what was tried on the way: they say at their head that not every run was kept.
HISTORY = {"method-dcgan-history.md"}

# The glossary's words that mean nothing else here; CONTRIBUTING lists them, and may name them.
PRIVATE = (
    r"telling rotations", r"tells rotations", r"\bcontenders?\b", r"balanced layers", r"mirror images?\b", r"made-up",
    r"look(ed)? into, Ready", r"\bjudge\(", r"the laboratory\b",
)  # fmt: skip
TEXTS = [
    *DOCUMENTS,
    *sorted((ROOT / "benchmarks").rglob("*.yaml")),
    *sorted((ROOT / "results").glob("*.md")),
]


def test_the_readme_is_short_and_its_commands_are_at_hand():
    text = README.read_text(encoding="utf-8")
    assert len(text.split()) <= 1200
    first = "\n".join(text.splitlines()[:40])
    assert "make demo" in first
    assert "make test" in first
    assert "python -m benchmarks.cifar10" in first
    assert len(re.findall(r"^!\[", text, re.M)) == 1
    block = text.split("<!-- overview:")[1].split("<!-- /overview -->")[0]
    assert 6 <= block.count("\n| ") - 1 <= 12


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_fields_words_are_used(path):
    text = path.read_text(encoding="utf-8")
    if path.name == "CONTRIBUTING.md":
        text = re.sub(r"(?s)^## Words\n.*?(?=^## )", "", text, flags=re.M)
    text = re.sub(r"(?s)renamed:.*?\n\n", "", text) if path.suffix == ".yaml" else text
    assert [found[0] for word in PRIVATE for found in re.finditer(word, text, re.I)] == []


# What a document does not quote, and of which there are so many that a wrong figure would be among them by chance:
# the accuracy of every draw and of every C, trials, logs of losses.
UNQUOTED = re.compile(r"values|scores|errors|chosen|trials|loss .*|by_C")


# Figures of two digits that are no measurements: settings, versions, factors, and what follows from sizes.
SETTINGS = {
    "audio.md": {"0.64"},
    "README.md": {"3.11"},
    "index.md": {"3.11"},
    "explorer.md": {"0.25"},
    "method-dcgan.md": {"0.02"},
    "method-kmeans-3-layer.md": {"0.25"},
    "own-pictures.md": {"1.25"},
    "scale.md": {"1.15", "5.73"},
    "semi-supervised.md": {"1.96"},
    "stability.md": {"1.25"},
}


def numbers_in_results():
    """The numbers of committed results that a document may quote, with two digits after the point, by result.

    A result is a file at the top of `results` or a folder there, by its name without suffix.
    """
    by_result: dict[str, set[str]] = {}
    found: set[str] = set()

    def of(path):
        place = path.relative_to(ROOT / "results").parts[0].partition(".")[0]
        return by_result.setdefault(place, set())

    def take(value):
        if isinstance(value, dict):
            for key, item in value.items():
                if not UNQUOTED.fullmatch(key):
                    take(item)
        elif isinstance(value, list):
            for item in value:
                take(item)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.add(f"{abs(value):.2f}")

    for path in (ROOT / "results").rglob("*.json"):
        found = of(path)
        take(json.loads(path.read_text(encoding="utf-8")))
    for path in (ROOT / "results").rglob("*.csv"):
        found = of(path)
        with open(path, newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                for value in line.values():
                    if value and re.fullmatch(r"[-+]?\d+\.\d+", value):
                        take(float(value))
    return by_result


def quotable(path, measured):
    """What a document may quote: its settings, and the numbers of the results that it names."""
    text = path.read_text(encoding="utf-8")
    named = [name for name in measured if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]
    return SETTINGS.get(path.name, set()).union(*(measured[name] for name in named))


@pytest.fixture(scope="module")
def measured():
    return numbers_in_results()


def figures_of(text):
    """Percentages in prose: with two digits after the point, outside code and generated tables."""
    text = re.sub(r"(?s)<!-- (results|overview):.*?<!-- /\1 -->", "", text)
    text = re.sub(r"(?s)```.*?```|`[^`\n]*`|\]\([^)]*\)", "", text)
    return re.findall(r"(?<![\d.,v])\d{1,2}\.\d{2}(?![\d.])", text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_figure_of_two_digits_stands_in_a_committed_result(path, measured):
    if path.name in HISTORY:
        assert "not kept" in path.read_text(encoding="utf-8")
        return
    figures = figures_of(path.read_text(encoding="utf-8"))
    known = quotable(path, measured)
    assert [figure for figure in figures if figure not in known] == []
    # Of all figures that could be typed most are not among those.
    assert not figures or sum(f"{number / 100:.2f}" in known for number in range(10_000)) < 3000


def test_settings_that_no_document_has_any_more_are_forgotten():
    texts = {path.name: figures_of(path.read_text(encoding="utf-8")) for path in DOCUMENTS}
    assert [(name, figure) for name, figures in SETTINGS.items() for figure in figures - set(texts[name])] == []


def test_figures_are_found_in_prose_and_nowhere_else():
    text = (
        "It has 81.49 and 3 of 4.\n```sh\n12.34\n```\n<!-- results:a -->\n| 55.55 |\n<!-- /results -->\n1.2.3, 1,000.25"
    )
    assert figures_of(text) == ["81.49"]
