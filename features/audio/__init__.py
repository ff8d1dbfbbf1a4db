"""Sound as features: log-mel spectrograms as images, which every extractor takes, and statistics of MFCC."""

from typing import TYPE_CHECKING

from dcgan_features.data.utils.lazy import exports_of

if TYPE_CHECKING:
    from dcgan_features.features.audio.mfcc import MfccStatistics
    from dcgan_features.features.audio.spectrogram import LogMelSpectrogram
else:
    __getattr__, __dir__ = exports_of(__name__, __file__)

__all__ = ["LogMelSpectrogram", "MfccStatistics"]
