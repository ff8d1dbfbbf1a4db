"""A hook of mkdocs: pages show the pictures in `results/figures`, where they lie for readers of the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

FIGURES = Path("results", "figures")


def on_files(files: Files, config: Any) -> Files:
    """Add every measured figure to the site, under the path that it has in the repository."""
    root = Path(config["config_file_path"]).parent
    for path in sorted((root / FIGURES).iterdir()):
        files.append(
            File(path.relative_to(root).as_posix(), str(root), config["site_dir"], config["use_directory_urls"])
        )
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """From `docs/` a figure lies one folder up; on the site it lies beside the pages."""
    return markdown.replace(f"](../{FIGURES.as_posix()}/", f"]({FIGURES.as_posix()}/")
