"""Images made to fit a network that takes larger ones, or colour: a border of zeros, one grey channel three times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dcgan_features.data.dataset import Dataset, Images
from dcgan_features.data.utils.errors import InputError


def adapted(images: Images, size: int | None = None, channels: int | None = None) -> Images:
    """Images of size x size pixels and of so many channels, with not a pixel value changed or left out.

    images : uint8 (n, height, width, 1 or 3).
    size : smaller images get a border of zeros, equal on opposite sides; where that cannot be, the right and the
        bottom border are one pixel wider. None leaves the size as it is.
    channels : 3 repeats a grey channel three times. None leaves the channels as they are.

    Returns uint8 (n, size, size, channels), C-contiguous, or `images` itself where it fits already. Raises
    `InputError` for images larger than `size`, for colour that would have to become grey, and for other channels.
    """
    count, height, width, depth = images.shape
    rows, columns = (height, width) if size is None else (size, size)
    if height > rows or width > columns:
        raise InputError(
            f"images of {width}x{height} pixels do not fit into {columns}x{rows}, and none of them is cut: "
            "give a larger size, or load them resized"
        )
    wanted = depth if channels is None else channels
    if wanted != depth and (depth, wanted) != (1, 3):
        raise InputError(f"images of {depth} channels cannot be given {wanted}: only one grey channel becomes three")
    if (rows, columns, wanted) == (height, width, depth):
        return images
    result = np.zeros((count, rows, columns, wanted), np.uint8)
    top, left = (rows - height) // 2, (columns - width) // 2
    result[:, top : top + height, left : left + width] = images
    return result


def adapted_dataset(dataset: Dataset, size: int | None = None, channels: int | None = None) -> Dataset:
    """The data set with its training and test images through `adapted`; the note says what was done to them.

    A data set that fits already is returned as it is. Raises `InputError` as `adapted` does, naming the data set.
    """
    try:
        train = adapted(dataset.train_images, size, channels)
        test = None if dataset.test_images is None else adapted(dataset.test_images, size, channels)
    except InputError as error:
        raise InputError(f"{dataset.name}: {error}") from None
    if train is dataset.train_images:
        return dataset
    (height, width, depth), (rows, columns, wanted) = dataset.train_images.shape[1:], train.shape[1:]
    padded = f"zeros around {width}x{height} to {columns}x{rows}" if (rows, columns) != (height, width) else ""
    repeated = "the grey channel three times" if wanted != depth else ""
    note = "; ".join(part for part in (dataset.note, padded, repeated) if part)
    return replace(dataset, train_images=train, test_images=test, note=note)
