"""Sound: WAV, FLAC and whatever else libsndfile reads, as one channel of float32 at the rate that is wanted."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.raw import check_file, printable, reason_of

Sound = NDArray[np.float32]

_EXTRA = "install it with pip install 'dcgan-features[audio]'"
_CUT = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.M)  # libsndfile's words for a chunk beyond the file's end
_STREAMED = 0x7FFFFF00  # bytes, from which on the length is one that a program wrote that could not know it


def read_sound(path: Path | str, rate: int | None = None, remedy: str = "restore it from a copy") -> tuple[Sound, int]:
    """The samples of a sound file, and how many of them make a second.

    rate : samples a second, to which the sound is resampled where it has others (band-limited, by soxr at its high
        quality); None leaves it. remedy : ends messages.
    Returns float32 (samples,), nominally -1..1, the mean of the channels where there are several, and the rate. Whole
    numbers of 8, 16, 24 and 32 bits are divided by their largest; floating point stays as it is.
    Raises `InputError`, naming the file, when it is absent, no sound, empty, cut off or holds samples that are not
    finite, or when the optional libraries are not installed.
    """
    library = sound_library("soundfile")
    name = printable(path)
    if check_file(path) == 0:
        raise InputError(f"{name} is empty: it has no bytes; {remedy}")
    try:
        with library.SoundFile(str(path)) as file:
            frames, own_rate, said = file.frames, int(file.samplerate), str(file.extra_info)
            samples = file.read(dtype="float32", always_2d=True)
    except MemoryError:
        raise InputError(f"{name} holds more samples than there is memory for; give a shorter recording") from None
    except (library.SoundFileError, RuntimeError, OSError, ValueError) as error:
        raise InputError(f"{name} is not a whole sound file ({_reason(error)}); {remedy}") from None
    cut = _CUT.search(said)
    if cut is not None and 0 < int(cut[1]) < _STREAMED and int(cut[1]) > int(cut[2]):
        raise InputError(
            f"{name} is cut off: {int(cut[2]):,} of its {int(cut[1]):,} bytes of samples are there; {remedy}"
        )
    if len(samples) < frames:
        raise InputError(f"{name} is cut off: {len(samples):,} of its {frames:,} samples are there; {remedy}")
    if len(samples) == 0:
        raise InputError(f"{name} holds no samples; leave it out, or {remedy}")
    wrong = ~np.isfinite(samples).all(1)
    if wrong.any():
        raise InputError(f"{name} holds samples that are not finite, first at {int(wrong.argmax()):,}; {remedy}")
    sound = np.ascontiguousarray(samples.mean(1, dtype=np.float32))
    return (sound, own_rate) if rate is None else (resampled(sound, own_rate, rate), rate)


def resampled(sound: Sound, own_rate: int, rate: int) -> Sound:
    """A sound float32 (samples,) of `own_rate` samples a second, at `rate`: itself where they are equal."""
    if own_rate == rate:
        return sound
    made: Sound = sound_library("librosa").resample(sound, orig_sr=own_rate, target_sr=rate, res_type="soxr_hq")
    return made.astype(np.float32, copy=False)


def write_sound(path: Path | str, sound: NDArray[np.floating[Any]], rate: int) -> None:
    """Write a sound (samples,), -1..1, of `rate` samples a second, atomically: 16 bits, FLAC or WAV by the suffix."""
    library = sound_library("soundfile")
    kind = Path(path).suffix.lstrip(".").upper()
    if kind not in ("WAV", "FLAC"):
        raise InputError(f"{printable(path)} is neither .wav nor .flac; choose one of these")
    with atomic_path(path) as temporary:
        library.write(str(temporary), np.clip(sound, -1.0, 1.0), rate, format=kind, subtype="PCM_16")


def sound_library(name: str) -> ModuleType:
    """The optional library soundfile or librosa. Raises `InputError` where it is not installed."""
    from importlib import import_module  # late, as both take time that commands without sound need not spend

    try:
        return import_module(name)
    except (ImportError, OSError):  # soundfile raises the latter where its libsndfile is missing
        raise InputError(f"sound needs the package {name}; {_EXTRA}") from None


def _reason(error: BaseException) -> str:
    return reason_of(error).removeprefix("Error : ").rpartition(": ")[2].rstrip(".")
