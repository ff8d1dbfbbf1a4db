"""`python -m benchmarks.compare`, and the same from Python: your own extractors beside a table's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from dcgan_features.benchmarks.compare.multi_label import MultiLabelReport
    from dcgan_features.benchmarks.compare.report import Report


def compare(
    *extractors: Any,
    data: Any = None,
    size: int | None = None,
    fit: Literal["crop", "pad", "stretch"] = "crop",
    probe: str | Sequence[str] = (),
    C: float | Sequence[float] = (),
    logistic_C: float | Sequence[float] = (),
    k: int | Sequence[int] = (),
    rate: float | None = None,
    standardise: bool = False,
    label_noise: float | Sequence[float] = (),
    limit: int | None = None,
    test_limit: int | Literal["all"] | None = None,
    labelled: int | None = None,
    seed: int = 0,
    table: str | Path = "cifar10",
    preset: str | None = None,
    reference: str | Sequence[str] = (),
    protocol: str | Sequence[str] = (),
    data_root: str | Path | None = None,
    device: str | None = None,
    results: str | Path | None = None,
    store: str | Path = "feature-store",
    rerun: bool = False,
    curve: bool = False,
    save: str | Path | None = None,
) -> Report:
    """Measure extractors and compare them; what is measured already is not run again.

    extractors : objects with `transform(images)`, and `fit(images)` where they learn; torch modules; scikit-learn
        transformers and pipelines; classes and functions without parameters that make one; functions of images; pairs
        (title, extractor), or one mapping of titles to extractors. And texts: "path.py:thing", "package.module:thing",
        "torchvision:resnet18", "timm:resnet18", "file:features.npz", a row of the table, a class of `features`;
        "results:FOLDER" and "predictions:FILE.npz", measured already. "@layer" and ",setting=value" may follow.
    data : a folder of class folders, with `train` and `test` or without; a CSV file of path, label, split and group;
        "torchvision:NAME"; "hf:NAME"; a named data set such as "svhn"; (X, y, X_test, y_test) or (X, y), uint8 images
        (n, height, width, channels); a `data.Dataset`. None: the table's images under the table's protocols.
    size, fit : to which pictures are brought, and how: "crop", "pad" or "stretch".
    probe : of "l2-svm" (by default), "logistic", "knn" (cosine, weighted, k 20), "knn-plain", "sgd". C, k : fixed, or
        several to choose from inside the labels. logistic_C : C of "logistic", where it is to have others than the
        L2-SVM. rate : of "sgd". standardise : features get mean 0 and standard deviation 1 first. label_noise : shares
        of training labels; each probe once more with so many made wrong.
    limit : at most so many training images, for a first look. test_limit : at most so many test images then, a quarter
        as many by default, or "all". labelled : so many training images keep their labels, extractors learn from
        all. seed : of splits, hold-outs and wrong labels.
    table, preset : whose rows may be named, and without data whose images and protocols. protocol : only these.
    reference : those that the others are compared with; by default the table's rows, else the first.
    curve : without data, measure accuracy by number of labels too, as `benchmarks.curves` does.
    data_root : folder of the official data sets. results, store : folders of results and of features.
    save : folder in which the extractors and their fitted probes are kept, see `benchmarks.predict`.

    Writes all that the command writes. The report's `table` has a line an extractor and protocol or probe: `extractor,
    protocol, accuracy, low, high, sd` (percent; the interval is for the test sample), `draws, calibration_error,
    features, effective_rank, parameters, gmacs, images_per_second, fit_seconds, peak_gib, stand_in`, and for a
    reference R `difference_to_R, difference_low_R, difference_high_R` (percentage points), `p_R` (paired, Holm) and
    `verdict_R`. Raises `data.utils.errors.InputError` for what cannot be used or measured.
    """
    from pathlib import Path

    from dcgan_features.benchmarks.compare.files import write_comparison
    from dcgan_features.benchmarks.compare.labelled import PROBES, Request, check_without_probes, compare_labelled
    from dcgan_features.benchmarks.compare.report import Report
    from dcgan_features.benchmarks.compare.run import run_comparison
    from dcgan_features.benchmarks.compare.settings import Settings
    from dcgan_features.data.utils.errors import InputError

    root = Path(data_root) if data_root is not None else None
    given: Any = extractors[0] if len(extractors) == 1 and isinstance(extractors[0], Mapping) else extractors
    objects = isinstance(given, Mapping) or not all(isinstance(item, str) for item in given)
    settings = Settings.checked(
        {
            "fit": fit,
            "C": _several(C),
            "logistic_C": _several(logistic_C),
            "k": _several(k),
            "rate": rate,
            "standardise": standardise,
            "label_noise": _several(label_noise),
            "test_limit": test_limit,
            "labelled": labelled,
            "seed": seed,
            "reference": _several(reference),
            "protocol": _several(protocol),
            "curve": curve,
        },
        "compare",
    )
    request = Request(
        data=data,
        size=size,
        limit=limit,
        probes=_several(probe) or PROBES,
        settings=settings,
        table=table,
        preset=preset,
        data_root=root,
        device=device,
        results=Path(results) if results is not None else Path("results"),
        store=Path(store),
        resume=not rerun,
        save=Path(save) if save is not None else None,
    )
    if data is None and not probe and not objects and save is None:
        check_without_probes(request)
        folder = Path(results) if results is not None else None
        compared = run_comparison(
            given, table, preset, settings.reference, settings.protocol, root, device, folder, Path(store), not rerun,
            curve,
        )  # fmt: skip
    else:
        compared = compare_labelled(given, request)
    for title, why in compared.failed.items():
        raise InputError(f"{title} is not measured: {why}")
    write_comparison(compared)
    return Report(compared)


def compare_multi_label(
    *extractors: Any,
    data: Sequence[Any] | str | Path,
    size: int | None = None,
    C: float | Sequence[float] = (),
    standardise: bool = False,
    seed: int = 0,
    table: str | Path = "cifar10",
    device: str | None = None,
    store: str | Path = "feature-store",
) -> MultiLabelReport:
    """Compare extractors on images of several classes each, by mean average precision; nothing is written.

    data : (X, Y, X_test, Y_test), images as for `compare` and Y (n, k) of 0 and 1; or a CSV file of path and labels,
    these separated by "|", and perhaps split and group. For each class an L2-SVM is fitted
    against all other images. C, the same for all classes, is chosen by mean average precision on a fifth of the
    training images held out, then all are fitted. The other parameters are those of `compare`.
    Raises `data.utils.errors.InputError` for what cannot be used.
    """
    from pathlib import Path

    from dcgan_features.benchmarks.compare.labelled import Request
    from dcgan_features.benchmarks.compare.multi_label import multi_label_report
    from dcgan_features.benchmarks.compare.settings import Settings

    given: Any = extractors[0] if len(extractors) == 1 and isinstance(extractors[0], Mapping) else extractors
    request = Request(
        data=data,
        size=size,
        settings=Settings.checked({"C": _several(C), "standardise": standardise, "seed": seed}, "compare_multi_label"),
        table=table,
        device=device,
        store=Path(store),
    )
    return multi_label_report(given, request)


def _several(given: Any) -> tuple[Any, ...]:
    """One value or several, as several."""
    return (given,) if isinstance(given, str | int | float) else tuple(given)
