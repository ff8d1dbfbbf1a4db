"""The report as one HTML page that needs no network: tables, charts, and where every number comes from."""

from dcgan_features.benchmarks.reporting.html.assemble import make_page

__all__ = ["make_page"]
