"""Where images come from: CIFAR-10, a folder or `.npy` of the user's, the built-in stand-in; label draws and splits.

Everything else in the project takes what this package gives: `uint8` images (n, height, width, channels), 0..255,
and `int64` labels.
"""

from typing import TYPE_CHECKING

from dcgan_features.data.utils.lazy import exports_of

if TYPE_CHECKING:
    from dcgan_features.data.dataset import Dataset
    from dcgan_features.data.padding import adapted, adapted_dataset
    from dcgan_features.data.sources import LOADERS, STAND_INS, load, training_images
    from dcgan_features.data.splits import class_balanced_draws, digest_indices, group_holdout, holdout
    from dcgan_features.data.synthetic.stand_in import stand_in_factors
    from dcgan_features.data.utils.errors import InputError
    from dcgan_features.data.utils.hashing import array_digest
else:
    __getattr__, __dir__ = exports_of(__name__, __file__)

__all__ = [
    "LOADERS",
    "STAND_INS",
    "Dataset",
    "InputError",
    "adapted",
    "adapted_dataset",
    "array_digest",
    "class_balanced_draws",
    "digest_indices",
    "group_holdout",
    "holdout",
    "load",
    "stand_in_factors",
    "training_images",
]
