import sys

import numpy as np
import pytest
import soundfile

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sound, write_sound

RATE = 8000


@pytest.fixture
def noise():
    return np.random.default_rng(0).uniform(-0.5, 0.5, 400)


@pytest.mark.parametrize(
    ("subtype", "levels"), [("PCM_U8", 2**7), ("PCM_16", 2**15), ("PCM_24", 2**23), ("PCM_32", 2**31), ("FLOAT", 2**24)]
)
def test_whole_numbers_of_all_widths_are_divided_by_their_largest(tmp_path, noise, subtype, levels):
    soundfile.write(tmp_path / "a.wav", noise, RATE, subtype=subtype)
    sound, rate = read_sound(tmp_path / "a.wav")
    assert (rate, sound.shape) == (RATE, (400,))
    assert sound.dtype == np.float32
    assert np.abs(sound - noise).max() <= 1.01 / levels + 1e-7


@pytest.mark.parametrize("channels", [2, 5])
def test_channels_are_averaged(tmp_path, noise, channels):
    several = np.stack([noise * (number + 1) / channels for number in range(channels)], 1)
    soundfile.write(tmp_path / "a.wav", several, RATE, subtype="DOUBLE")
    assert np.allclose(read_sound(tmp_path / "a.wav")[0], several.mean(1), atol=1e-6)


def test_flac_is_lossless(tmp_path):
    whole = np.random.default_rng(1).integers(-(2**15), 2**15, 300).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", whole, 44_100)
    sound, rate = read_sound(tmp_path / "a.flac")
    assert rate == 44_100
    assert np.array_equal(sound * 2**15, whole)


def test_a_tone_stays_the_same_tone_when_it_is_resampled(tmp_path):
    time = np.arange(44_100) / 44_100
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 1000 * time), 44_100, subtype="FLOAT")
    sound, rate = read_sound(tmp_path / "a.wav", RATE)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    assert (rate, len(sound)) == (RATE, RATE)
    assert np.abs(sound - expected)[200:-200].max() < 1e-3


def test_a_tone_above_half_the_new_rate_is_gone_and_not_folded_down(tmp_path):
    time = np.arange(44_100) / 44_100
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 6000 * time), 44_100, subtype="FLOAT")
    sound, _ = read_sound(tmp_path / "a.wav", RATE)
    assert np.abs(sound[200:-200]).max() < 1e-2


def cut_wav(path, noise):
    soundfile.write(path, noise, RATE)
    path.write_bytes(path.read_bytes()[:-100])


def cut_flac(path, noise):
    soundfile.write(path, np.tile(noise, 100), RATE, format="FLAC")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_samples(path, noise):
    soundfile.write(path, noise[:0], RATE)


def not_a_number(path, noise):
    soundfile.write(path, np.where(np.arange(400) == 37, np.nan, noise), RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (cut_wav, r"is cut off: 700 of its 800 bytes of samples are there"),
        (cut_flac, "is not a whole sound file"),
        (without_samples, "holds no samples"),
        (not_a_number, "samples that are not finite, first at 37"),
        (lambda path, _: path.write_bytes(b""), "is empty: it has no bytes"),
        (lambda path, _: path.write_bytes(b"RIFF\x00"), "is not a whole sound file"),
        (lambda path, _: path.write_text("no sound at all, but text"), "is not a whole sound file"),
        (lambda path, _: path.mkdir(), "is a folder"),
        (lambda path, _: None, "does not exist"),
    ],
)
def test_what_is_damaged_is_named_in_one_sentence(tmp_path, noise, make, message):
    path = tmp_path / "bad.wav"
    make(path, noise)
    with pytest.raises(InputError, match=message) as caught:
        read_sound(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_length_that_a_streaming_program_could_not_know_is_no_damage(tmp_path, noise):
    path = tmp_path / "streamed.wav"
    soundfile.write(path, noise, RATE)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(read_sound(path)[0]) == 400


def test_without_the_library_it_is_said_how_to_install_it(tmp_path, noise, monkeypatch):
    soundfile.write(tmp_path / "a.wav", noise, RATE)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(InputError, match=r"needs the package soundfile; install it with pip install .*\[audio\]"):
        read_sound(tmp_path / "a.wav")


def test_what_is_written_is_read_back_and_too_loud_is_clipped(tmp_path, noise):
    for name in ("a.wav", "b.flac"):
        write_sound(tmp_path / name, noise * 4, RATE)
        assert np.abs(read_sound(tmp_path / name)[0] - np.clip(noise * 4, -1, 1)).max() < 2 / 2**15
    with pytest.raises(InputError, match=r"neither \.wav nor \.flac"):
        write_sound(tmp_path / "c.mp3", noise, RATE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.flac"]
