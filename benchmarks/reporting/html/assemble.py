"""The page put together: what each part shows, and the template that it is put into."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dcgan_features.benchmarks.records.figures import rounded
from dcgan_features.benchmarks.reporting.diff import EXPLANATION, VERDICTS, Change
from dcgan_features.benchmarks.reporting.html.compared import compared_views, suite_views
from dcgan_features.benchmarks.reporting.html.pictures import picture_views
from dcgan_features.benchmarks.reporting.html.speed import speed_views
from dcgan_features.benchmarks.reporting.html.tables import table_view
from dcgan_features.benchmarks.reporting.table import WARNING, Report


def make_page(reports: list[Report], folder: Path, changes: list[Change] | None = None, against: str = "") -> str:
    """The page, from the reports of tables and whatever else lies in the results' `folder`.

    changes : since an earlier report, of which `against` says which; None leaves the section out.
    The same results give the same page to the byte.
    """
    protocols = {name: title for report in reports for name, title in report.outline.titles.items()}
    environment = Environment(
        loader=PackageLoader("dcgan_features.benchmarks.reporting.html", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rounded"] = rounded
    return environment.get_template("page.html").render(
        style=_file("style.css"),
        script=_file("script.js"),
        tables=[table_view(report, folder) for report in reports],
        summary=_summary(reports),
        compared=compared_views(folder, protocols),
        suites=suite_views(folder),
        speed=speed_views(folder / "speed"),
        pictures=picture_views(folder / "figures"),
        changes=changes,
        against=against,
        explanation=EXPLANATION,
        verdicts=VERDICTS,
        warning=WARNING,
    )


def _file(name: str) -> Markup:
    return Markup(
        resources.files("dcgan_features.benchmarks.reporting.html").joinpath(name).read_text(encoding="utf-8")
    )


def _summary(reports: list[Report]) -> dict[str, Any]:
    results = [result for report in reports for result in report.results.values()]
    lines = [line for report in reports for line in report.lines]
    measured = sum(line["measured"] is not None for line in lines)
    lead = f"{measured} of {len(lines)} figures are measured"
    if results:
        lead += f", the latest on {max(result.finished for result in results)[:10]}"
    title = "Features learned without labels: published and measured"
    if results and all(result.stand_in for result in results):
        title += " (stand-in)"
    lead += ". Every figure is a link to where it comes from."
    return {"title": title, "lead": lead, "files": len(results)}
