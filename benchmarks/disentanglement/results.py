"""One sealed result a GAN, and the lines of the study's table that are made from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from dcgan_features.benchmarks.disentanglement.measuring import COMPONENTS, ENCODER, UNTRAINED
from dcgan_features.benchmarks.disentanglement.settings import Run, Settings
from dcgan_features.benchmarks.records.environment import environment
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed, write_sealed
from dcgan_features.data.utils.hashing import digest_of

STEM = "latent-measures"
FORMAT = 1
CODES = (ENCODER, UNTRAINED, COMPONENTS)
SCORES = (
    "disentanglement", "completeness", "informativeness", "MIG", "SAP", "FactorVAE score", "linear decodability",
)  # fmt: skip
PATHS = ("perceptual path length", "largest step over mean step")
INVERSION = (
    "mean image", "nearest of 1,000 samples", "encoder", "optimised", "optimised, own samples", "R² of z, own samples",
)  # fmt: skip
COLUMNS = (
    "latent",
    "latent_size",
    "part",
    "of",
    "measure",
    "mean",
    "from",
    "to",
    "seeds",
)  # write_csv rounds low and high
Line = dict[str, Any]


def result_path(results: Path, run: Run) -> Path:
    """Where a run's result lies."""
    return results / STEM / f"{run.name}.json"


def identity(settings: Settings, run: Run) -> str:
    """Digest of all that decides a run's result; that of other runs plays no part."""
    others = {"latent_sizes", "latents", "seeds"}
    own = settings.model_dump(exclude=others)
    return digest_of({"format": FORMAT, "settings": own, "recipe": settings.recipe(run).model_dump(), "run": run})


def write_result(results: Path, settings: Settings, run: Run, found: dict[str, Any], about: dict[str, Any]) -> None:
    """Seal what was measured of a run. about : the images, the weights' digest, and the seconds taken."""
    content = {
        "format": FORMAT,
        "identity": identity(settings, run),
        "run": run._asdict(),
        "stand_in": about["stand_in"],
        "about": about,
        "settings": settings.model_dump(mode="json"),
        "recipe": settings.recipe(run).model_dump(mode="json"),
        "measured": found,
        **environment(),
    }
    write_sealed(result_path(results, run), content)


def read_result(results: Path, settings: Settings, run: Run) -> dict[str, Any] | None:
    """A run's result; None where there is none.

    Raises `InputError` where the file is damaged, or of other settings, over which nothing is written.
    """
    path = result_path(results, run)
    if not path.is_file():
        return None
    found = read_sealed(path, remedy="delete it and run the same command again")
    if found.get("identity") != identity(settings, run):
        raise InputError(f"{path} was measured with other settings; give the same ones, or another folder as --results")
    return found


def lines(results: Sequence[dict[str, Any]]) -> list[Line]:
    """Mean and 95% interval over seeds of every figure of every latent space, keys as `COLUMNS`.

    Raises `InputError` where there is no result.
    """
    if not results:
        raise InputError("nothing of the study is measured yet; run the command without --report")
    found: list[Line] = []
    spaces = dict.fromkeys((one["run"]["latent"], one["run"]["latent_size"]) for one in results)
    for latent, size in sorted(spaces, key=lambda space: (space[0] != "uniform", space[1])):
        here = [
            one["measured"] for one in results if (one["run"]["latent"], one["run"]["latent_size"]) == (latent, size)
        ]
        figures = [_figures(one) for one in here]
        for key in figures[0]:
            mean, low, high = mean_interval([one[key] for one in figures])
            names = dict(zip(("part", "of", "measure"), key, strict=True))
            found.append(
                {"latent": latent, "latent_size": size, **names, "mean": mean, "from": low, "to": high}
                | {"seeds": len(figures)}
            )
    return found


def _figures(measured: dict[str, Any]) -> dict[tuple[str, str, str], float]:
    found: dict[tuple[str, str, str], float] = {}
    for code in CODES:
        scores = measured["codes"][code]
        found |= {("codes", code, name): scores[name] for name in SCORES}
        found |= {("decodability by factor", code, name): value for name, value in scores["by factor"].items()}
    found |= {("paths", "generator", name): measured["paths"][name] for name in PATHS}
    inverted = measured["inversion"]
    found |= {("inversion", "test images", name): inverted[name] for name in INVERSION}
    found |= {("error explained", "optimised", name): value for name, value in inverted["explained by factor"].items()}
    return found


def mean_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean and 95% interval by Student's t; of one value alone there is no interval."""
    array = np.asarray(values, np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return mean, None, None
    half = float(stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array)))
    return mean, mean - half, mean + half
