"""`python -m benchmarks.compare`, and the same from Python: your own extractors beside a table's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def compare(
    *extractors: str,
    table: str | Path = "cifar10",
    preset: str | None = None,
    reference: Sequence[str] = (),
    protocol: Sequence[str] = (),
    data_root: str | Path | None = None,
    device: str | None = None,
    results: str | Path | None = None,
    store: str | Path = "feature-store",
    rerun: bool = False,
    curve: bool = False,
) -> pd.DataFrame:
    """Measure extractors under a table's protocols and compare them; what is measured already is not run again.

    extractors : "path.py:Class", "package.module:Class", "torchvision:resnet18", "timm:resnet18", "file:features.npz",
        or a row of the table; "@layer" and ",setting=value" may follow, as for `python -m benchmarks.compare`.
    table, preset : whose protocols; a shipped table's name or the path of one in YAML. protocol : only these.
    reference : those that the others are compared with; by default the table's rows, else the first.
    curve : measure accuracy by number of labels too, as `benchmarks.curves` does.
    data_root : folder of the official data sets. results, store : folders of results and of features.

    Writes all that the command writes, and returns a line an extractor and protocol: `extractor, protocol, accuracy,
    low, high, sd` (percent; the interval is for the test sample), `draws, features, images_per_second, fit_seconds,
    peak_gib, stand_in`, and for a reference R `difference_to_R, difference_low_R, difference_high_R` (percentage
    points), `p_R` (paired, Holm) and `verdict_R`.
    Raises `data.utils.errors.InputError` for what cannot be used or measured.
    """
    from pathlib import Path

    from dcgan_features.benchmarks.compare.files import write_comparison
    from dcgan_features.benchmarks.compare.run import run_comparison
    from dcgan_features.data.utils.errors import InputError

    compared = run_comparison(
        extractors,
        table,
        preset,
        reference,
        protocol,
        Path(data_root) if data_root is not None else None,
        device,
        Path(results) if results is not None else None,
        Path(store),
        not rerun,
        curve,
    )
    for title, why in compared.failed.items():
        raise InputError(f"{title} is not measured: {why}")
    write_comparison(compared)
    return compared.frame()
