"""A comparison as files: Markdown, CSV, JSON, pictures, and lists of the images that only one gets right."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.compare.curves import write_comparison_curves
from dcgan_features.benchmarks.compare.figures import draw_confusion, draw_disagreements
from dcgan_features.benchmarks.compare.result import Candidate, Compared
from dcgan_features.benchmarks.compare.text import couple_name, markdown
from dcgan_features.data.utils.files import atomic_path, write_text
from dcgan_features.data.utils.formats import write_sealed
from dcgan_features.eval.confusion import Disagreement

_PROVENANCE = {
    "features", "seconds", "peak_gib", "device", "unlabelled", "deviations", "digests", "identity", "commit",
    "versions", "finished",
}  # fmt: skip
_INDEX_COLUMNS = ["image", "class", "only_right", "share_first", "share_second", "said_instead"]


def write_comparison(compared: Compared) -> list[str]:
    """Write everything into `compared.folder`; the names of the files.

    `comparison.md`, `.csv` and `.json`; `confusion-<name>.png` for each candidate; and for each two compared
    `<name>-against-<name>.png`, a sheet of the clearest images that only one gets right, and `.csv`, all of them. With
    curves, `<table>-labels.md`, `.csv` and `.png`.
    """
    folder, classes, files = compared.folder, list(compared.dataset.classes), []
    for each in compared.candidates:
        path = folder / f"confusion-{each.name}.png"
        matrices = {title: compared.confusion(each, name) for name, title in compared.protocols.items()}
        draw_confusion(path, f"{each.title} on {compared.dataset.title}", matrices, classes)
        files.append(path.name)
    for first, second in compared.couples:
        found, path = compared.disagreement(first, second), folder / f"{couple_name(first, second)}.png"
        draw_disagreements(path, found, (first.title, second.title), compared.dataset)
        _write_indices(path.with_suffix(".csv"), found, compared)
        files += [path.name, path.with_suffix(".csv").name]
    if compared.curves and compared.table is not None:
        files += write_comparison_curves(folder, compared.table, compared.curves, compared.dataset)
    with atomic_path(folder / "comparison.csv") as temporary:
        compared.frame().to_csv(temporary, index=False)
    write_sealed(folder / "comparison.json", _content(compared))
    write_text(folder / "comparison.md", markdown(compared))
    return ["comparison.md", "comparison.csv", "comparison.json", *files]


def _write_indices(path: Path, found: Disagreement, compared: Compared) -> None:
    """`only_right` is "first" or "second"; the shares are of the fits that are right; `said_instead` is the other's."""
    classes, truth = compared.dataset.classes, compared.candidates[0].predictions.truth
    sides = (("first", found.only_first, found.mistaken_second), ("second", found.only_second, found.mistaken_first))
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_INDEX_COLUMNS)
        for who, indices, said in sides:
            for index in indices:
                shares = f"{found.first[index]:.3f}", f"{found.second[index]:.3f}"
                writer.writerow([index, classes[truth[index]], who, *shares, classes[said[index]]])


def _content(compared: Compared) -> dict[str, Any]:
    return {
        "format": 1,
        "table": compared.name,
        "title": compared.title,
        "preset": compared.preset,
        "data": compared.dataset.title,
        "stand_in": compared.dataset.stand_in,
        "protocols": compared.protocols,
        "references": compared.references,
        "not_measured": compared.failed,
        "extractors": [_entry(compared, each) for each in compared.candidates],
        "pairs": [
            {
                "extractor": pair.first,
                "reference": pair.second,
                "protocol": pair.protocol,
                **asdict(pair.comparison),
                "verdict": pair.comparison.verdict,
            }
            for pair in compared.pairs
        ],
    }


def _entry(compared: Compared, each: Candidate) -> dict[str, Any]:
    result, matrices = each.result, {name: compared.confusion(each, name) for name in compared.protocols}
    return {
        "name": each.name,
        "title": each.title,
        "protocols": {
            name: {
                **result.protocols[name].model_dump(
                    include={"measured", "sd", "low", "high", "values", "chosen", "calibration_error"}
                ),
                "fit_seconds": result.protocols[name].seconds,
                "class_accuracies": dict(zip(compared.dataset.classes, matrix.diagonal().tolist(), strict=True)),
                "confusion_percent": matrix.round(3).tolist(),
            }
            for name, matrix in matrices.items()
        },
        **result.model_dump(include=_PROVENANCE),
        "settings": result.settings["measurement"],
    }
