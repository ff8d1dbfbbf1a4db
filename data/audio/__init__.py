"""Recordings: files of sound with their labels, speakers and official splits, brought to one rate and one length.

`spoken_digits`, `esc50` and `speech_commands` read data sets in their official layout, `sound_folder` and `sound_list`
recordings of one's own. Each returns `Recordings`, whose sounds are read file by file when they are wanted.
"""

from typing import TYPE_CHECKING

from dcgan_features.data.utils.lazy import exports_of

if TYPE_CHECKING:
    from dcgan_features.data.audio.esc50 import esc50
    from dcgan_features.data.audio.own import sound_folder, sound_list
    from dcgan_features.data.audio.placement import PLACES, placed
    from dcgan_features.data.audio.recordings import Fold, Recordings
    from dcgan_features.data.audio.speech_commands import speech_commands
    from dcgan_features.data.audio.spoken_digits import spoken_digits
    from dcgan_features.data.audio.synthetic import write_synthetic_digits
else:
    __getattr__, __dir__ = exports_of(__name__, __file__)

__all__ = [
    "PLACES",
    "Fold",
    "Recordings",
    "esc50",
    "placed",
    "sound_folder",
    "sound_list",
    "speech_commands",
    "spoken_digits",
    "write_synthetic_digits",
]
