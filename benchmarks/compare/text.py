"""A comparison as text: Markdown, and tables on the screen."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from dcgan_features.benchmarks.compare.result import Candidate, Compared
from dcgan_features.benchmarks.records.figures import interval, rounded, with_pm
from dcgan_features.benchmarks.reporting.escaping import markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.table import STAND_IN, WARNING
from dcgan_features.data.utils.cli import duration
from dcgan_features.eval.significance import LEVEL, NOT_APART, Comparison

EXPLANATION = (
    "Accuracy in percent on the test images: the mean over the label draws, ± their standard deviation; its 95% "
    "interval is for the test sample. Differences are compared image by image: the 95% interval is over label draws "
    "(paired t), or with a single draw over test images (Newcombe, method 10); p is that of the paired t test, or with "
    "a single draw of McNemar's, adjusted after Holm for the number of pairs under the same protocol. Extraction "
    "counts the fit of the extractor; its images a second are training and test images over that time."
)
_COST = [
    "Extractor", "Features", "Effective rank", "Parameters", "GMACs an image", "Extraction", "Images/s", "Fits",
    "Peak GiB",
]  # fmt: skip
_KNOWN = {"effective_rank": ",.0f", "parameters": ",", "gmacs": ".3g"}
_PAIRED = [
    "Extractor", "Against", "Labels", "Difference", "95% interval", "p", "Only it is right", "Only the other", "Verdict"
]  # fmt: skip


def couple_name(first: Candidate, second: Candidate) -> str:
    """The stem of the files that show two candidates side by side."""
    return f"{first.name}-against-{second.name}"


def _title(compared: Compared) -> str:
    mark = f" ({STAND_IN})" if compared.dataset.stand_in else ""
    return f"{compared.title}: a comparison{mark}"


def _accuracy_cells(compared: Compared, each: Candidate) -> list[str]:
    found = [each.result.protocols[name] for name in compared.protocols]
    shown = [f"{with_pm(item.measured, item.sd, 2)} ({interval(item.low, item.high)})" for item in found]
    return [each.title, *shown]


def _calibration(compared: Compared) -> list[str]:
    """Expected calibration errors, of the protocols whose classifiers give probabilities."""
    known = {
        name: title
        for name, title in compared.protocols.items()
        if any(each.result.protocols[name].calibration_error is not None for each in compared.candidates)
    }
    if not known:
        return []
    cells = [
        [each.title, *(_number(each.result.protocols[name].calibration_error, ".2f") for name in known)]
        for each in compared.candidates
    ]
    said = "Expected calibration error (15 bins), in percentage points: how far probabilities are from shares that "
    "are right."
    return ["", said, "", *markdown_table(["Extractor", *known.values()], cells)]


def _cost_cells(compared: Compared, each: Candidate) -> list[str]:
    result, rate = each.result, compared.images_per_second(each)
    fits = sum(result.protocols[name].seconds for name in compared.protocols)
    extraction = ["", ""] if rate is None else [duration(result.seconds["features"]), f"{rate:,.0f}"]
    known = [_number(result.features.get(key), form) for key, form in _KNOWN.items()]
    return [each.title, f"{result.features['count']:,}", *known, *extraction, duration(fits), f"{result.peak_gib:.2f}"]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _paired_cells(compared: Compared) -> list[list[str]]:
    return [
        [
            *found.names,
            compared.protocols[pair.protocol],
            rounded(found.difference, sign=True),
            interval(found.low, found.high, 2, sign=True),
            "< 0.0001" if found.adjusted < 1e-4 else f"{found.adjusted:.4f}",
            f"{np.mean(found.only_first):,.0f}",
            f"{np.mean(found.only_second):,.0f}",
            found.verdict,
        ]
        for pair in compared.pairs
        for found in [pair.comparison]
    ]


def markdown(compared: Compared) -> str:
    """The comparison in Markdown, with links to the pictures and lists beside it."""
    candidates, protocols = compared.candidates, compared.protocols
    text = [f"# {markdown_text(_title(compared))}", ""]
    text += [f"**{WARNING}**", ""] if compared.dataset.stand_in else []
    text += [f"{markdown_text(compared.source)}. {EXPLANATION}", "", "## Accuracy", ""]
    cells = [_accuracy_cells(compared, each) for each in candidates]
    text += markdown_table(["Extractor", *protocols.values()], cells)
    text += _calibration(compared)
    if compared.pairs:
        text += ["", "## Paired", "", *markdown_table(_PAIRED, _paired_cells(compared), 3)]
    text += ["", "## Cost", "", *markdown_table(_COST, [_cost_cells(compared, each) for each in candidates])]
    if compared.curves:
        text += ["", "## By number of labels", "", f"![Curves]({compared.name}-labels.png)"]
    headings = ["Class", *(each.title for each in candidates)]
    for name, title in protocols.items():
        by_class = np.stack([compared.confusion(each, name).diagonal() for each in candidates], axis=1)
        cells = [[label, *(f"{value:.1f}" for value in values)] for label, values in _by_class(compared, by_class)]
        text += ["", f"## Accuracy by class, {markdown_text(title)}", "", *markdown_table(headings, cells)]
    text += ["", "## Confusion", ""]
    text += [f"![Confusion matrices of {markdown_text(each.title)}](confusion-{each.name}.png)" for each in candidates]
    for first, second in compared.couples:
        stem = couple_name(first, second)
        text += ["", f"## Images that only one gets right: {markdown_text(f'{first.title} and {second.title}')}", ""]
        text += [f"![The clearest of them]({stem}.png)", "", f"All of them, by index: [{stem}.csv]({stem}.csv)"]
    text += ["", "## How each was measured", ""]
    for each in candidates:
        text += _provenance(each)
    text += [
        f"- **{markdown_text(title)}**: not measured: {markdown_text(why)}" for title, why in compared.failed.items()
    ]
    return "\n".join(text) + "\n"


def _by_class(compared: Compared, values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return list(zip(compared.dataset.classes, values, strict=True))


def _provenance(each: Candidate) -> list[str]:
    result = each.result
    line = (
        f"- **{markdown_text(each.title)}**: learnt without labels from {markdown_text(result.unlabelled)}; "
        f"{result.device}; measured {result.finished}, commit {result.commit or 'unknown'}"
    )
    return [line, *(f"  - {markdown_text(remark)}" for remark in [*result.deviations, *_ends_of_C(each)])]


def _ends_of_C(each: Candidate) -> list[str]:
    """Where the best C was the largest or smallest tried: what is external comes at a scale that nobody foresaw."""
    remarks = []
    for name, found in each.result.protocols.items() if each.external else ():
        tried = [
            (choice["C"], [float(value) for value in choice["scores"]]) for choice in found.chosen if "C" in choice
        ]
        ends = sum(C in (min(values), max(values)) for C, values in tried if len(values) > 1)
        if ends:
            least, most = min(tried[0][1]), max(tried[0][1])
            remarks.append(
                f"{name}: the best C was the smallest or largest tried, {least:g} or {most:g}, in {ends} of "
                f"{len(tried)} fits; features at another scale may do better"
            )
    return remarks


def print_comparison(compared: Compared, console: Console | None = None) -> None:
    """The accuracies, the paired differences and the cost on the screen."""
    console = console or Console()
    console.print(Text(_title(compared), style="bold"))
    accuracy = ["extractor", *compared.protocols.values()]
    _print(console, accuracy, [_accuracy_cells(compared, each) for each in compared.candidates])
    for reference in compared.references:
        cells = [
            [line[0], *line[2:6], _verdict(pair.comparison)]
            for line, pair in zip(_paired_cells(compared), compared.pairs, strict=True)
            if pair.second == reference
        ]
        if cells:
            headings = [f"against {compared.titles[reference]}", "labels", "difference", "95% interval", "p", "verdict"]
            _print(console, headings, cells)
    headings = [heading.lower().replace("gmacs", "GMACs").replace("gib", "GiB") for heading in _COST]
    _print(console, headings, [_cost_cells(compared, each) for each in compared.candidates])
    for each in compared.candidates:
        for remark in _ends_of_C(each):
            console.print(Text(f"{each.title}, {remark}"))
    if any(_verdict(pair.comparison).endswith("*") for pair in compared.pairs):
        console.print(Text("* on these test images; others could show the reverse"))
    if compared.dataset.stand_in:
        console.print(Text(WARNING))


def _verdict(pair: Comparison) -> str:
    """The verdict in a word or two; a star where it holds for these test images only."""
    if pair.adjusted >= LEVEL:
        return NOT_APART
    return ("better" if pair.difference > 0 else "worse") + ("*" if not pair.general else "")


def _print(console: Console, headings: list[str], rows: list[list[str]]) -> None:
    grid = Grid(box=None, padding=(0, 1), pad_edge=False)
    for number, heading in enumerate(headings):
        left = number == 0 or heading in ("labels", "verdict")
        grid.add_column(heading, justify="left" if left else "right", overflow="fold")
    for cells in rows:
        grid.add_row(*map(Text, cells))
    console.print(grid)
    console.print()
