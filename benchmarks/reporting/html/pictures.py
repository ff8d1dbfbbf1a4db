"""Pictures of the results' folder, put into the page."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

from dcgan_features.data.utils.formats import read_bytes

MOST_BYTES = 2_500_000  # of all pictures together, before base64 makes them a third larger
LARGE = 500_000  # bytes from which a picture is made smaller
WIDEST = 1200  # pixels that a picture is then wide, at most


def picture_views(folder: Path) -> list[dict[str, Any]]:
    """Every PNG in the folder, by name: caption, size, and the data as a `data:` address.

    The caption is the PNG's "Description", else its name. A large picture is made smaller; one that would make the
    page too large has no data, and is only named.
    """
    views: list[dict[str, Any]] = []
    room = MOST_BYTES
    for path in sorted(folder.glob("*.png")):
        try:
            content, kind, size, caption = _read(path)
        except Exception:  # Pillow's decoders raise nearly every kind of exception over a damaged file
            continue
        fits = len(content) <= room
        room -= len(content) if fits else 0
        data = f"data:image/{kind};base64,{base64.b64encode(content).decode()}" if fits else None
        views.append({"name": path.name, "caption": caption, "width": size[0], "height": size[1], "data": data})
    return views


def _read(path: Path) -> tuple[bytes, str, tuple[int, int], str]:
    content = read_bytes(path)
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        caption = str(image.info.get("Description") or path.stem.replace("-", " ").replace("_", " ").capitalize())
        if len(content) <= LARGE:
            return content, "png", image.size, caption
        smaller = image.convert("RGB")
        smaller.thumbnail((WIDEST, WIDEST * 4))
        buffer = io.BytesIO()
        smaller.save(buffer, format="JPEG", quality=85, optimize=True)
        return buffer.getvalue(), "jpeg", smaller.size, caption
