"""What every picture that Pillow draws here is made of: an array as a picture, a grid of images, the font."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

BORDER = 2  # pixels between the images of a grid


def as_picture(image: NDArray[np.uint8]) -> Image.Image:
    """Return one image, uint8 (height, width, 3 or 1), as a picture in colour or grey."""
    return Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)


def image_grid(images: NDArray[np.uint8]) -> Image.Image:
    """Return one picture of uint8 images (n, height, width, 3 or 1), row by row on white, about square."""
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    canvas = np.full(
        (rows * (height + BORDER) + BORDER, columns * (width + BORDER) + BORDER, channels), 255, dtype=np.uint8
    )
    for index, image in enumerate(images):
        top = BORDER + index // columns * (height + BORDER)
        left = BORDER + index % columns * (width + BORDER)
        canvas[top : top + height, left : left + width] = image
    return as_picture(canvas)


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return letters `size` pixels high of the font that comes with matplotlib, the same on every machine."""
    import matplotlib  # late: it takes half a second

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
