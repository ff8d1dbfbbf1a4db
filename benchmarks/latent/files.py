"""What was measured of a latent space, as JSON, CSV and Markdown with sentences made from the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.latent import ablation as forget
from dcgan_features.benchmarks.latent import arithmetic, linear, study, walks
from dcgan_features.benchmarks.latent.classifier import FACTORS
from dcgan_features.benchmarks.latent.measure import Measure
from dcgan_features.benchmarks.records.environment import environment
from dcgan_features.benchmarks.records.rows import write_csv
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.table import STAND_IN
from dcgan_features.data.synthetic.shapes import OUTLINES
from dcgan_features.data.utils.files import write_json, write_text

COLUMNS = ("part", "what", "how", "value", "low", "high", "n", "unit")
_TITLES = {
    study.JUDGE: "The judge",
    study.SAMPLES: "What it says of generated images",
    arithmetic.PART: "Arithmetic",
    linear.PART: "How linear each factor is in z",
    forget.PART: "Forgetting the shape",
    walks.PART: "Walks",
}
_HOW = (
    "The generator has learnt from stand-in images, so that what its images can show is known: a shape, its hue, place "
    "and size. The judge is a small network trained on other, labelled stand-in images; what a generated image shows "
    "is known only through it. It is sure of a shape with a probability of at least 0.9, and of the rest where its "
    "doubt is no larger than on 95% of held-out stand-in images; what it is unsure of counts as not meant. All "
    "intervals are 95%: Wilson's for shares, the bootstrap's for the rest."
)
Found = dict[tuple[str, str, str], Measure]


def write_latent(results: Path, measures: Sequence[Measure], about: dict[str, Any]) -> Path:
    """Write latent.json, latent.csv and latent.md; returns the last. about : the weights, their data, the sizes."""
    lines = [asdict(measure) for measure in measures]
    stamp = environment()
    write_json(results / "latent.json", {"about": about, "stand_in": True, "measured": lines, **stamp})
    write_csv(results / "latent.csv", lines, COLUMNS)
    page = [f"# The latent space of {about['weights']} ({STAND_IN})", "", _HOW, "", _about(about)]
    for part, title in _TITLES.items():
        here = [measure for measure in measures if measure.part == part]
        if here:
            found = {(part, measure.what, measure.how): measure for measure in here}
            table = _arithmetic_table(here) if part == arithmetic.PART else _table(here)
            page += ["", f"## {title}", "", *_readings(part, found), "", *table]
    write_text(results / "latent.md", "\n".join(page) + "\n")
    return results / "latent.md"


def _about(about: dict[str, Any]) -> str:
    shown = ", ".join(f"{name} {count}" for name, count in zip(OUTLINES, about["shapes shown by samples"], strict=True))
    seen = "an unknown number of" if about["images_seen"] is None else f"{about['images_seen']:,}"
    return (
        f"Network {about['network']}, {seen} images seen of {about['data']}. "
        f"Shapes that the judge is sure of in {about['sizes']['pool']:,} samples: {shown}."
    )


def _number(measure: Measure) -> str:
    if measure.n == 0:
        return "none"
    return _rounded(measure.value, measure.unit) + measure.unit


def _interval(measure: Measure) -> str:
    return f"{_rounded(measure.low, measure.unit)} to {_rounded(measure.high, measure.unit)}"


def _rounded(value: float, unit: str) -> str:
    digits = 1 if unit == "%" else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no minus before a 0


def _table(measures: Sequence[Measure]) -> list[str]:
    cells = [[m.what, m.how, _number(m), _interval(m), f"{m.n:,}"] for m in measures]
    return markdown_table(["Measured", "By", "Value", "95% interval", "n"], cells, text_columns=2)


def _arithmetic_table(measures: Sequence[Measure]) -> list[str]:
    """One row for each attribute and way; the shares in percent with their intervals."""
    by_row: dict[tuple[str, str], dict[str, Measure]] = {}
    for measure in measures:
        attribute, what = measure.what.split(": ")
        by_row.setdefault((attribute, measure.how), {})[what] = measure
    shares = (arithmetic.BOTH, arithmetic.DONE, arithmetic.KEPT, arithmetic.OTHERS, arithmetic.UNSURE)
    cells = [
        [*names, *(f"{row[what].value:.1f} ({_interval(row[what])})" for what in shares), f"{row[arithmetic.DONE].n:,}"]
        for names, row in by_row.items()
    ]
    headings = [f"{what[:1].upper()}{what[1:]}, %" for what in shares]
    return markdown_table(["Attribute", "By", *headings, "n"], cells, text_columns=2)


def _with(measure: Measure) -> str:
    return f"{_number(measure)} ({_interval(measure)})"


def compared(first: Measure, second: Measure) -> str:
    """How one number stands to another, by their intervals, which is stricter than a test of the difference."""
    if first.low > second.high:
        return "more than"
    if first.high < second.low:
        return "less than"
    return "not clearly different from"


def _readings(part: str, found: Found) -> list[str]:
    sentences: dict[str, Callable[[Found], list[str]]] = {
        study.JUDGE: _read_judge,
        study.SAMPLES: _read_samples,
        arithmetic.PART: _read_arithmetic,
        linear.PART: _read_linear,
        forget.PART: _read_forget,
        walks.PART: _read_walks,
    }
    return [" ".join(sentences[part](found))]


def _read_judge(found: Found) -> list[str]:
    right = found[study.JUDGE, "shape: right", "all test images"]
    sure = found[study.JUDGE, "shape: right", "where it is sure"]
    hue = found[study.JUDGE, "hue: within a twelfth of the circle", "all test images"]
    others = [f"{name} {found[study.JUDGE, f'{name}: R²', 'all test images'].value:.2f}" for name in FACTORS[2:]]
    return [
        f"On test images of the stand-in the judge names {_with(right)} of the shapes rightly, {_with(sure)} where it "
        f"is sure, and {_with(hue)} of the hues; R² of the rest: {', '.join(others)}."
    ]


def _read_samples(found: Found) -> list[str]:
    shape = found[study.SAMPLES, f"{study.SURE} of the shape", "generated"]
    whole = found[study.SAMPLES, study.ALL_SURE, "generated"]
    others = [found[study.SAMPLES, f"{study.SURE} of the {factor}", "generated"] for factor in FACTORS[1:]]
    half = "more than" if shape.low > 50 else "less than" if shape.high < 50 else "about"
    return [
        f"The judge is sure of the shape in {_with(shape)} of the samples, {half} half of them; of hue, place and size "
        f"each in {min(other.value for other in others):.1f}% or more, and of every factor in {_with(whole)}."
    ]


def _read_arithmetic(found: Found) -> list[str]:
    prefix, ours = "all attributes: ", f"z of {arithmetic.EXEMPLARS[0]}"
    if (arithmetic.PART, prefix + arithmetic.BOTH, ours) not in found:
        return ["There are too few samples of which the judge is sure."]
    text = []
    for what, words in (
        (arithmetic.BOTH, "attribute and kind come out as meant"),
        (arithmetic.DONE, "the attribute does"),
    ):
        first = found[arithmetic.PART, prefix + what, ours]
        text.append(f"With three exemplars {words} in {_with(first)} of the trials:")
        controls = [
            f"{compared(first, other)} with {how}, {_with(other)}"
            for how in (arithmetic.PIXELS, arithmetic.RANDOM, arithmetic.UNCHANGED)
            for other in [found[arithmetic.PART, prefix + what, how]]
        ]
        text.append(", ".join(controls) + ".")
    by_attribute = {
        name: found[key] for name in FACTORS if (key := (arithmetic.PART, f"{name}: {arithmetic.DONE}", ours)) in found
    }
    best, worst = (chosen(by_attribute, key=lambda name: by_attribute[name].value) for chosen in (max, min))
    numbers = sorted(arithmetic.EXEMPLARS)
    grown = [found.get((arithmetic.PART, prefix + arithmetic.BOTH, f"z of {number}")) for number in numbers]
    listed = ", ".join(f"{n}: {m.value:.1f}%" for n, m in zip(numbers, grown, strict=True) if m is not None)
    text.append(f"Both as meant, by the number of exemplars: {listed}.")
    text.append(
        f"The attribute that changes most readily is the {best}, {_with(by_attribute[best])}, and least the {worst}, "
        f"{_with(by_attribute[worst])}."
    )
    return text


def _read_linear(found: Found) -> list[str]:
    text = []
    for factor in FACTORS:
        what = linear.SHAPE if factor == "shape" else f"{factor}: R², cross-validated"
        if (linear.PART, what, linear.LINEAR) not in found:
            text.append(f"{factor.capitalize()}: there are too few images of which the judge is sure.")
            continue
        first, other, chance = (
            found[linear.PART, what, how] for how in (linear.LINEAR, linear.NON_LINEAR, linear.PERMUTED)
        )
        text.append(
            f"{factor.capitalize()}: {_with(first)} by the linear model, {compared(first, other)} the non-linear one's "
            f"{_with(other)}, {compared(first, chance)} that of permuted values, {_with(chance)}."
        )
    return text


def _read_forget(found: Found) -> list[str]:
    text = []
    for how in dict.fromkeys(how for _, _, how in found if not how.startswith(forget.RANDOM)):
        random = f"{forget.RANDOM}{how[how.rindex(' (') :]}"
        for what in (forget.GONE, forget.BOTH):
            first, other = found[forget.PART, what, how], found[forget.PART, what, random]
            text.append(
                f"{how[:1].upper()}{how[1:]}: {what} in {_with(first)}, {compared(first, other)} with {random}, "
                f"{_with(other)}."
            )
    text.append(
        f"Gone means that less than {forget.GONE_BELOW:.0%} of the contrast with the ground is left within the box, "
        f"kept that the pixels outside change by less than {forget.KEPT_WITHIN:.0f} of 255 grey levels (root mean "
        "square)."
    )
    return text


def _read_walks(found: Found) -> list[str]:
    ratio, sure = (
        {how: found[walks.PART, what, how] for how in (walks.Z, walks.FADE, walks.JUMPS)}
        for what in (walks.RATIO, walks.SURE)
    )
    length = {how: found[walks.PART, walks.LENGTH, how] for how in (walks.Z, walks.FADE, walks.JUMPS)}
    z, fade, jumps = (ratio[how] for how in (walks.Z, walks.FADE, walks.JUMPS))
    return [
        f"The largest step of a walk in z is {_with(z)} times its mean step, {compared(z, fade)} that of a cross-fade, "
        f"{_with(fade)}, and {compared(z, jumps)} that between unconnected images, {_with(jumps)}.",
        f"The walk is {_with(length[walks.Z])} times as long as the distance of its ends, a cross-fade "
        f"{_with(length[walks.FADE])} times, a series of unconnected images {_with(length[walks.JUMPS])} times.",
        f"On the way the judge is sure of {_with(sure[walks.Z])} of the images, "
        f"{compared(sure[walks.Z], sure[walks.FADE])} in a cross-fade, {_with(sure[walks.FADE])}.",
    ]
