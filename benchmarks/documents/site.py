"""A hook of mkdocs: pages show pictures of `results/`, where they lie for readers of the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

FIGURES = (Path("results", "figures"), Path("results", "video"))
PICTURES = {".gif", ".png", ".webp"}


def on_files(files: Files, config: Any) -> Files:
    """Add every measured figure to the site, under the path that it has in the repository."""
    root = Path(config["config_file_path"]).parent
    for path in sorted(path for folder in FIGURES for path in (root / folder).glob("*") if path.suffix in PICTURES):
        files.append(
            File(path.relative_to(root).as_posix(), str(root), config["site_dir"], config["use_directory_urls"])
        )
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """From `docs/` a figure lies one folder up; on the site it lies beside the pages."""
    for folder in FIGURES:
        markdown = markdown.replace(f"](../{folder.as_posix()}/", f"]({folder.as_posix()}/")
    return markdown
