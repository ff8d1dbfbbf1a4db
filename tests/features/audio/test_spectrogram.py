import numpy as np
import pytest
from scipy import signal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from dcgan_features.features import RawPixels
from dcgan_features.features.audio import LogMelSpectrogram

RATE, SAMPLES = 8000, 5120
TIME = np.arange(SAMPLES) / RATE


def tone(hertz, begin=0.0, end=1.0, loud=0.5):
    inside = (begin <= TIME) & (end >= TIME)
    return (loud * np.sin(2 * np.pi * hertz * TIME) * inside).astype(np.float32)


def mel(hertz):
    """Slaney's scale by hand: linear to 1 kHz, logarithmic above, 27 bands to a factor of 6.4."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def row_of(hertz, bands=32, low=50.0):
    """The row, from the top, whose band's centre is nearest."""
    centres = np.linspace(mel(low), mel(RATE / 2), bands + 2)[1:-1]
    return bands - 1 - int(np.abs(centres - mel(hertz)).argmin())


@pytest.mark.parametrize("hertz", [200, 440, 1000, 3000])
def test_a_tone_is_white_in_its_band_and_high_tones_are_on_top(hertz):
    image = LogMelSpectrogram().fit_transform([tone(hertz)])[0, :, :, 0]
    assert abs(int(image[:, 4:28].mean(1).argmax()) - row_of(hertz)) <= 1
    assert image.max() == 255


def test_time_runs_to_the_right():
    image = LogMelSpectrogram().fit_transform([tone(440, begin=0.48)])[0, :, :, 0]  # from frame 24 on
    loudness = image.max(0)
    assert (loudness[26:] > 240).all()
    assert (loudness[:21] == 0).all()


def test_grey_levels_are_decibels_and_loudness_is_left_out():
    """Two tones of which one has a thousandth of the other's power, 30 dB less."""
    both = tone(440) + tone(2500, loud=0.5 / 10**1.5)
    spectrogram = LogMelSpectrogram(range_db=60).fit([both])
    image = spectrogram.transform([both])[0, :, :, 0].astype(float)
    bands = [image[max(row_of(hertz) - 1, 0) : row_of(hertz) + 2, 10:22].max() for hertz in (440, 2500)]
    alone = [power_in_bands(tone(hertz, loud=loud)).max() for hertz, loud in ((440, 0.5), (2500, 0.5 / 10**1.5))]
    expected = 10 * np.log10(alone[0] / alone[1])
    assert abs((bands[0] - bands[1]) * 60 / 255 - expected) < 0.5
    assert np.abs(spectrogram.transform([both / 8])[0, :, :, 0] - image).max() <= 1


def power_in_bands(sound, window=512, hop=160):
    """Mel power by scipy and by hand, (bands, frames)."""
    padded = np.pad(sound, window // 2)
    frames = np.stack([padded[at : at + window] for at in range(0, SAMPLES, hop)])
    power = np.abs(np.fft.rfft(frames * signal.windows.hann(window, sym=False))) ** 2
    edges = np.linspace(mel(50.0), mel(RATE / 2), 34)
    hertz = np.where(edges < 15, edges * 200 / 3, 1000 * 6.4 ** ((edges - 15) / 27))
    bins = np.arange(window // 2 + 1) * RATE / window
    weights = np.stack(
        [
            np.interp(bins, hertz[number : number + 3], [0, 1, 0], 0, 0) * 2 / (hertz[number + 2] - hertz[number])
            for number in range(32)
        ]
    )
    return weights @ power.T


def test_all_pixels_by_hand():
    ramp = np.linspace(0, 1, SAMPLES)
    noise = (np.random.default_rng(0).normal(size=SAMPLES) * ramp).astype(np.float32)
    power = power_in_bands(noise)
    decibels = 10 * np.log10(np.maximum(power / power.max(), 1e-12))
    expected = np.clip(1 + decibels / 60, 0, 1)[::-1] * 255
    image = LogMelSpectrogram().fit_transform([noise])[0, :, :, 0]
    assert np.abs(image - expected).max() <= 0.51


def test_silence_is_black():
    assert not LogMelSpectrogram().fit_transform([np.zeros(SAMPLES, np.float32)]).any()


def test_griffin_lim_gives_a_sound_with_nearly_the_same_spectrogram():
    sounds = [tone(440, 0.1, 0.5) + tone(1200, 0.3, 0.6), tone(300, 0.0, 0.3)]
    spectrogram = LogMelSpectrogram()
    images = spectrogram.fit_transform(sounds)
    made = spectrogram.inverse_transform(images)
    assert made.shape == (2, SAMPLES)
    assert np.allclose(np.abs(made).max(1), 0.9, atol=1e-4)
    again = spectrogram.transform(made)
    assert np.abs(again.astype(float) - images)[images > 128].mean() < 12  # of 255, where it is loud
    others = np.abs(again[::-1].astype(float) - images)[images > 128].mean()
    assert others > 60
    frequencies = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    assert abs(frequencies[np.abs(np.fft.rfft(made[1])).argmax()] - 300) < 40
    assert not spectrogram.inverse_transform(np.zeros((1, 32, 32, 1), np.uint8)).any()


def test_it_is_a_step_of_a_pipeline_and_can_be_cloned():
    sounds = np.stack([tone(hertz) for hertz in (200, 400, 800)])
    pipeline = make_pipeline(LogMelSpectrogram(bands=16, frames=20), RawPixels())
    assert pipeline.fit_transform(sounds).shape == (3, 320)
    copy = clone(LogMelSpectrogram(bands=16))
    assert copy.get_params()["bands"] == 16
    assert not hasattr(copy, "hop_")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bands": 0}, "bands=0"),
        ({"frames": 33}, "do not divide into frames=33"),
        ({"window": 100}, "shorter than a step"),
        ({"low": 4000.0}, "below half the rate"),
        ({"range_db": -1.0}, "range_db must be a finite number above 0"),
    ],
)
def test_wrong_parameters(settings, message):
    with pytest.raises(ValueError, match=message):
        LogMelSpectrogram(**settings).fit([tone(440)])


def test_wrong_sounds_and_images():
    spectrogram = LogMelSpectrogram().fit([tone(440)])
    with pytest.raises(ValueError, match="have 5120 samples"):
        spectrogram.transform([tone(440)[:100]])
    with pytest.raises(ValueError, match="not finite"):
        spectrogram.transform([np.full(SAMPLES, np.nan, np.float32)])
    with pytest.raises(ValueError, match="no sounds"):
        spectrogram.transform([])
    with pytest.raises(ValueError, match="images must have the shape"):
        spectrogram.inverse_transform(np.zeros((1, 8, 8, 1), np.uint8))
