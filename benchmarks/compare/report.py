"""What `compare` gives back: tables and pictures of a comparison, for a notebook or a script."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dcgan_features.benchmarks.compare.figures import accuracy_figure, confusion_figure, disagreement_figure
from dcgan_features.benchmarks.compare.result import Candidate, Compared
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_SHOWN = [
    "extractor", "protocol", "accuracy", "low", "high", "calibration_error", "features", "effective_rank", "parameters",
    "gmacs", "images_per_second", "fit_seconds",
]  # fmt: skip


@dataclass(frozen=True)
class Report:
    """A comparison. compared : all that came of it. Extractors are named by their titles or by their files' names."""

    compared: Compared

    @property
    def table(self) -> pd.DataFrame:
        """One line an extractor and protocol; columns as `benchmarks.compare.compare` lists them."""
        return self.compared.frame()

    @property
    def paired(self) -> pd.DataFrame:
        """One line a pair and protocol: the difference in points, its 95% interval, p after Holm, and the verdict."""
        import pandas as pd

        titles = self.compared.titles
        lines = [
            {
                "extractor": titles[pair.first],
                "against": titles[pair.second],
                "protocol": pair.protocol,
                "difference": pair.comparison.difference,
                "low": pair.comparison.low,
                "high": pair.comparison.high,
                "p": pair.comparison.adjusted,
                "verdict": pair.comparison.verdict,
            }
            for pair in self.compared.pairs
        ]
        columns = ["extractor", "against", "protocol", "difference", "low", "high", "p", "verdict"]
        return pd.DataFrame(lines, columns=columns)

    @property
    def folder(self) -> Path:
        """Where the comparison is written."""
        return self.compared.folder

    def plot(self, path: Path | str | None = None) -> Figure:
        """Accuracies with their intervals; written as PNG or PDF where a path is given."""
        compared = self.compared
        found = {}
        for each in compared.candidates:
            results = [each.result.protocols[name] for name in compared.protocols]
            found[each.title] = [(result.measured, result.low, result.high) for result in results]
        figure = accuracy_figure(compared.dataset.title, list(compared.protocols.values()), found)
        if path is not None:
            with atomic_path(path) as temporary:
                figure.savefig(temporary, format=Path(path).suffix.lstrip(".") or "png", dpi=120)
        return figure

    def confusion(self, *extractors: str, protocol: str | None = None) -> Figure:
        """Confusion matrices of the extractors named, side by side; none named is all. protocol : None is the first."""
        compared = self.compared
        name = protocol or next(iter(compared.protocols))
        if name not in compared.protocols:
            raise unknown_name("protocol", name, compared.protocols)
        chosen = [self._named(each) for each in extractors] or compared.candidates
        matrices = {each.title: compared.confusion(each, name) for each in chosen}
        return confusion_figure(compared.protocols[name], matrices, list(compared.dataset.classes))

    def disagreements(self, first: str, second: str) -> Figure:
        """The test images that only one of the two gets right, the clearest first."""
        one, other = self._named(first), self._named(second)
        if one is other:
            raise InputError(f"{first} is given twice; name two extractors")
        found = self.compared.disagreement(one, other)
        return disagreement_figure(found, (one.title, other.title), self.compared.dataset)

    def _named(self, text: str) -> Candidate:
        known = {each.name: each for each in self.compared.candidates}
        known |= {each.title: each for each in self.compared.candidates}
        if text not in known:
            raise unknown_name("extractor", text, known, "the comparison")
        return known[text]

    def _repr_html_(self) -> str:
        table, compared = self.table, self.compared
        shown = table[[column for column in _SHOWN if column in table and table[column].notna().any()]]
        parts = [f"<h4>{html.escape(compared.title)}</h4>", f"<p>{html.escape(compared.source)}</p>"]
        parts.append(shown.to_html(index=False, float_format=lambda value: f"{value:,.2f}", border=0))
        if len(self.paired):
            parts.append(self.paired.to_html(index=False, float_format=lambda value: f"{value:.3g}", border=0))
        parts += [
            f"<p>{html.escape(title)}: not measured: {html.escape(why)}</p>" for title, why in compared.failed.items()
        ]
        return "\n".join(parts)

    def __repr__(self) -> str:
        columns = ["extractor", "protocol", "accuracy", "low", "high"]
        return f"{self.compared.title}\n{self.table[columns].to_string(index=False)}\n{self.folder}"
