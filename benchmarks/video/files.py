"""The study's results as sealed JSON, Markdown, a picture and an animation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.reporting.escaping import markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.plots.style import write_figure
from dcgan_features.benchmarks.reporting.table import WARNING
from dcgan_features.benchmarks.video.pictures import SHOWN, figure_of, write_animation
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import write_text
from dcgan_features.data.utils.formats import read_sealed, write_sealed
from dcgan_features.data.video.clips import Frames
from dcgan_features.eval.significance import NOT_APART

FORMAT = 1
_DIGITS = {"squared_error": 2, "ssim": 4, "psnr": 2}
_HEADINGS = {"squared_error": "Squared error", "ssim": "SSIM", "psnr": "PSNR, dB"}


def read_results(path: Path) -> dict[str, Any] | None:
    """What `write_results` wrote; None where there is none yet. Raises `InputError` for a damaged file."""
    if not path.exists():
        return None
    content = read_sealed(path, "remove it and measure again")
    if content.pop("format", None) != FORMAT:
        raise InputError(f"{path} is of another format than {FORMAT}; remove it and measure again")
    return content


def write_results(stem: Path, content: Mapping[str, Any], clips: Frames, predicted: Mapping[str, Frames]) -> None:
    """Write `<stem>.json`, `.md`, `.png` and `.gif`.

    clips, predicted : of the first test clips, as in `pictures.write_animation`.
    """
    warning = WARNING if content["stand_in"] else ""
    write_animation(
        stem.with_suffix(".gif"), clips[:SHOWN], {name: frames[:SHOWN] for name, frames in predicted.items()},
        "synthetic" if content["stand_in"] else "",
    )  # fmt: skip
    write_figure(stem.with_suffix(".png"), figure_of(content, clips, predicted, warning), dpi=110)
    write_text(stem.with_suffix(".md"), "\n".join(page(content, stem.name, warning)) + "\n")
    write_sealed(stem.with_suffix(".json"), {"format": FORMAT, **content})


def page(content: Mapping[str, Any], name: str, warning: str) -> list[str]:
    """The lines of the Markdown page, made of the figures alone."""
    prediction, motion = content["prediction"], content["motion"]
    return [
        f"# {markdown_text(content['title'])}",
        "",
        *([f"**{warning}**", ""] if warning else []),
        f"{prediction['clips']:,} test clips: {markdown_text(prediction['description'])}. Each figure is the mean over "
        f"{prediction['predicted']} predicted frames and all clips, with its 95% interval over clips. Squared error: "
        "summed over a frame's pixels, of 0..1. SSIM: Wang et al. 2004, Gaussian window of 11 x 11, range 1.",
        "",
        *_prediction_table(prediction, content["published"]),
        "",
        f"Published: {markdown_text(content['read_in'])}. What differs: {markdown_text(content['differs'])}.",
        "",
        *_difference_table(prediction),
        "",
        f"![Figures by frame, probe, and a clip]({name}.png)",
        "",
        f"![Test clips and what was predicted]({name}.gif)",
        "",
        "## What moves, and how",
        "",
        f"{motion['train']:,} training and {motion['test']:,} test clips of {motion['length']} frames: two different "
        f"{motion['kind']}, test clips of test pictures, moving alike in one of 8 directions at one of "
        f"{len(motion['speeds'])} speeds ({', '.join(map(str, motion['speeds']))} of the way between the walls a "
        "frame), without a bounce. The middle frame alone says nothing of the motion. L2-SVM, C chosen on held-out "
        "training clips; percent right with 95% interval; both: the two highest of one score a class are the two.",
        "",
        *_motion_table(motion),
        "",
        *_motion_differences(motion),
        "",
        "## How",
        "",
        *(f"- {line}" for line in _how(content)),
    ]


def _prediction_table(prediction: Mapping[str, Any], published: list[Mapping[str, Any]]) -> list[str]:
    rows = []
    for system in prediction["systems"]:
        parameters = system["parameters"]
        rows.append(
            [
                system["title"],
                f"{parameters / 1e6:.2f}M" if parameters else "",
                *(
                    f"{rounded(system[metric]['value'], digits)} "
                    f"({interval(system[metric]['low'], system[metric]['high'], digits)})"
                    for metric, digits in _DIGITS.items()
                ),
            ]
        )
    for item in published:
        rows.append(
            [f"{item['title']}, published", item["parameters"], f"{item['squared_error']}", f"{item['ssim']}", ""]
        )
    return markdown_table(["Predictor", "Parameters", *_HEADINGS.values()], rows)


def _difference_table(prediction: Mapping[str, Any]) -> list[str]:
    rows = []
    titles = {system["name"]: system["title"] for system in prediction["systems"]}
    for item in prediction["differences"]:
        digits = _DIGITS[item["metric"]]
        verdict = {True: "better", False: "worse", None: NOT_APART}[item["better"]]
        rows.append(
            [
                f"{titles[item['first']]} less {titles[item['second']]}",
                _HEADINGS[item["metric"]],
                rounded(item["value"], digits, sign=True),
                interval(item["low"], item["high"], digits, sign=True),
                verdict,
            ]
        )
    return markdown_table(["Clip by clip", "Of", "Difference", "95% interval", "Verdict (Holm)"], rows, (0, 1, 4))


def _motion_table(motion: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            view["title"],
            f"{view['features']:,}",
            *(
                f"{rounded(found['value'], 1)} ({interval(found['low'], found['high'])})"
                for found in (view["accuracy"][task] for task in motion["tasks"])
            ),
            rounded(view["mean_average_precision"], 1),
        ]
        for view in motion["views"]
    ]
    rows.append(["Chance", "", *(rounded(motion["chance"][task], 1) for task in motion["tasks"]), ""])
    headings = ["Features of", "Number", *motion["tasks"].values(), "Mean average precision, each"]
    return markdown_table(headings, rows)


def _motion_differences(motion: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            f"{item['first']} less {item['second']}",
            motion["tasks"][item["task"]],
            rounded(item["difference"], 1, sign=True),
            interval(item["low"], item["high"], sign=True),
        ]
        for item in motion["differences"]
    ]
    return markdown_table(["On the same test clips", "Of", "Points", "95% interval"], rows, 2)


def _how(content: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{name}: {about['clips_seen']:,} clips seen, {about['batches']:,} minibatches; {about['data']}; "
        f"weights {about['weights'][:12]}"
        for name, about in content["trainings"].items()
    ]
    lines.append(f"{content['device']}; measured in {content['seconds']:.0f} s; commit {content['commit']}")
    return [markdown_text(line) for line in lines]
