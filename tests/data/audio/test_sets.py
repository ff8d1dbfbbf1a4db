"""Data sets of sound in small files of their official layout."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dcgan_features.data.audio import (
    Recordings,
    esc50,
    sound_folder,
    sound_list,
    speech_commands,
    spoken_digits,
    write_synthetic_digits,
)
from dcgan_features.data.audio.synthetic import SPEAKERS
from dcgan_features.data.utils.errors import InputError


def write(path, seed=0, rate=8000, samples=80):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.5, 0.5, samples), rate)


@pytest.fixture
def digits(tmp_path):
    for digit in range(10):
        for speaker in ("ann", "bob"):
            for index in (0, 4, 5, 12):
                write(tmp_path / "spoken-digits" / f"{digit}_{speaker}_{index}.wav", digit)
    return tmp_path


def named(recordings, indices):
    return [recordings.files[index].stem for index in indices]


def test_spoken_digits_own_split_and_speakers(digits):
    made = spoken_digits(digits)
    own = made.fold("test")
    assert (len(made), made.rate, made.classes) == (80, 8000, tuple("0123456789"))
    assert {name.split("_")[2] for name in named(made, own.test)} == {"0", "4"}
    assert {name.split("_")[2] for name in named(made, own.train)} == {"5", "12"}
    assert [int(name.split("_")[0]) for name in named(made, range(80))] == made.labels.tolist()
    folds = made.leave_one_group_out()
    assert [fold.name for fold in folds] == ["ann", "bob"]
    for fold in folds:
        assert {name.split("_")[1] for name in named(made, fold.test)} == {fold.name}
        assert fold.name not in {name.split("_")[1] for name in named(made, fold.train)}
        assert len(fold.train) + len(fold.test) == 80
    assert len(next(made.sounds([3]))) == 80


def test_spoken_digits_that_are_not_whole(digits):
    with pytest.raises(InputError, match="spoken digits are not in"):
        spoken_digits(digits / "elsewhere")
    (digits / "spoken-digits" / "3_ann_5.wav").unlink()
    (digits / "spoken-digits" / "3_ann_12.wav").unlink()
    with pytest.raises(InputError, match="no training recording of the digit 3 by ann"):
        spoken_digits(digits)
    write(digits / "spoken-digits" / "three.wav")
    with pytest.raises(InputError, match=r"three\.wav is not named DIGIT_SPEAKER_INDEX"):
        spoken_digits(digits)


@pytest.mark.real_data
def test_the_official_spoken_digits():
    root = os.environ.get("DATA_ROOT", "")
    if not (Path(root) / "spoken-digits").is_dir():
        pytest.skip("DATA_ROOT does not lead to the spoken digits")
    made = spoken_digits(root)
    assert (len(made), len(made.fold("test").test)) == (3000, 300)
    assert set(Counter(made.labels.tolist()).values()) == {300}
    assert set(Counter(made.groups).values()) == {500}
    assert len(made.leave_one_group_out()) == 6


@pytest.fixture
def esc(tmp_path):
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for number, (target, category) in enumerate([(0, "dog"), (14, "chirping_birds"), (36, "vacuum_cleaner")] * 5):
        name = f"{number % 5 + 1}-{number}-A-{target}.wav"
        lines.append(f"{name},{number % 5 + 1},{target},{category},True,{1000 + number},A")
        write(tmp_path / "ESC-50-master" / "audio" / name, number, 44_100, 500)
    (tmp_path / "ESC-50-master" / "meta").mkdir()
    (tmp_path / "ESC-50-master" / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_esc50_and_its_five_folds(esc):
    made = esc50(esc)
    assert made.classes == ("dog", "chirping_birds", "vacuum_cleaner")
    assert [fold.name for fold in made.folds] == [f"fold {number}" for number in range(1, 6)]
    for number, fold in enumerate(made.folds, 1):
        assert all(name.startswith(f"{number}-") for name in named(made, fold.test))
        assert len(fold.test) == 3
        assert np.array_equal(np.union1d(fold.train, fold.test), np.arange(15))
    by_target = {"0": "dog", "14": "chirping_birds", "36": "vacuum_cleaner"}
    for name, label in zip(named(made, range(15)), made.labels, strict=True):
        assert by_target[name.rpartition("-")[2]] == made.classes[label]
    assert len(next(esc50(esc, rate=8000).sounds([0]))) == round(500 * 8000 / 44_100)


def test_esc50_that_is_not_whole(esc):
    listed = esc / "ESC-50-master" / "meta" / "esc50.csv"
    text = listed.read_text()
    listed.write_text(text.replace("5-14-A-36.wav,5,36,vacuum", "5-14-A-36.wav,5,36,hoover"))
    with pytest.raises(InputError, match="line 16: the target 36 has two names"):
        esc50(esc)
    listed.write_text(text.replace("fold", "part"))
    with pytest.raises(InputError, match="no column 'fold'"):
        esc50(esc)
    listed.write_text(text)
    (esc / "ESC-50-master" / "audio" / "1-0-A-0.wav").unlink()
    with pytest.raises(InputError, match=r"1-0-A-0\.wav is missing"):
        esc50(esc)
    with pytest.raises(InputError, match="ESC-50 is not in"):
        esc50(esc / "elsewhere")


@pytest.fixture
def commands(tmp_path):
    folder = tmp_path / "speech_commands_v0.02"
    for word in ("yes", "no"):
        for speaker in ("aa11", "bb22", "cc33"):
            write(folder / word / f"{speaker}_nohash_0.wav", rate=16_000)
    write(folder / "_background_noise_" / "pink_noise.wav", rate=16_000)
    (folder / "testing_list.txt").write_text("no/aa11_nohash_0.wav\nyes/aa11_nohash_0.wav\n")
    (folder / "validation_list.txt").write_text("yes/bb22_nohash_0.wav\n")
    return tmp_path


def test_speech_commands_and_their_lists(commands):
    made = speech_commands(commands)
    assert (len(made), made.classes, made.rate) == (6, ("no", "yes"), 16_000)
    test, validation = made.folds
    assert [made.files[i].parent.name + "/" + made.files[i].stem for i in test.test] == [
        "no/aa11_nohash_0", "yes/aa11_nohash_0",
    ]  # fmt: skip
    assert named(made, validation.test) == ["bb22_nohash_0"]
    assert sorted(named(made, test.train)) == ["bb22_nohash_0", "cc33_nohash_0", "cc33_nohash_0"]
    assert np.array_equal(test.train, validation.train)
    assert set(made.groups) == {"aa11", "bb22", "cc33"}
    lists = commands / "speech_commands_v0.02" / "validation_list.txt"
    lists.write_text("yes/bb22_nohash_0.wav\nyes/aa11_nohash_0.wav\n")
    with pytest.raises(InputError, match="is on both lists"):
        speech_commands(commands)
    lists.write_text("yes/dd44_nohash_0.wav\n")
    with pytest.raises(InputError, match=r"line 1: yes/dd44_nohash_0\.wav does not exist"):
        speech_commands(commands)
    lists.unlink()
    with pytest.raises(InputError, match="Speech Commands is not in"):
        speech_commands(commands)


def test_a_folder_labelled_by_its_subfolders_or_by_names(tmp_path):
    for label, name in (("cat", "b_1.wav"), ("cat", "a_2.FLAC"), ("dog", "a_1.wav")):
        write(tmp_path / "sounds" / label / name.lower())
    (tmp_path / "sounds" / "notes.txt").write_text("x")
    (tmp_path / "sounds" / "cat" / ".hidden.wav").write_bytes(b"")
    made = sound_folder(tmp_path / "sounds", 8000)
    assert [(path.name, made.classes[label]) for path, label in zip(made.files, made.labels, strict=True)] == [
        ("a_2.flac", "cat"), ("b_1.wav", "cat"), ("a_1.wav", "dog"),
    ]  # fmt: skip
    by_name = sound_folder(tmp_path / "sounds", 8000, r"(?P<label>[a-z])_(?P<group>\d)")
    assert by_name.classes == ("a", "b")
    assert by_name.groups == ("2", "1", "1")
    with pytest.raises(InputError, match=r"the name of .*a_2\.flac does not match"):
        sound_folder(tmp_path / "sounds", 8000, r"(?P<label>[a-z])_1")
    with pytest.raises(InputError, match="no group named label"):
        sound_folder(tmp_path / "sounds", 8000, "(.*)")
    write(tmp_path / "sounds" / "stray.wav")
    with pytest.raises(InputError, match=r"stray\.wav lies beside the folders"):
        sound_folder(tmp_path / "sounds", 8000)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no WAV or FLAC files"):
        sound_folder(tmp_path / "empty", 8000)


def test_a_list_of_sounds_with_a_split_and_groups(tmp_path):
    for number in range(4):
        write(tmp_path / f"{number}.wav")
    (tmp_path / "list.csv").write_text(
        "path,label,split,group\n0.wav,on,train,x\n1.wav,off,train,x\n2.wav,on,test,y\n3.wav,off,test,y\n"
    )
    made = sound_list(tmp_path / "list.csv", 8000)
    assert made.classes == ("off", "on")
    assert made.labels.tolist() == [1, 0, 1, 0]
    assert made.fold("test").test.tolist() == [2, 3]
    assert made.groups == ("x", "x", "y", "y")
    with pytest.raises(InputError, match="no official split 'other'; it has test"):
        made.fold("other")
    (tmp_path / "list.csv").write_text("path,label\n0.wav,on\nlist.csv,off\n")
    with pytest.raises(InputError, match=r"list\.csv, which is neither"):
        sound_list(tmp_path / "list.csv", 8000)


def test_a_damaged_file_is_named_when_it_is_read(digits):
    bad = digits / "spoken-digits" / "0_ann_0.wav"
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(InputError, match=r"0_ann_0\.wav is cut off"):
        list(spoken_digits(digits).windows(0.01))


def test_recordings_that_contradict_themselves(tmp_path):
    with pytest.raises(InputError, match="2 recordings but labels"):
        Recordings("x", (tmp_path, tmp_path), np.zeros(3, np.int64), ("a",), 8000)
    with pytest.raises(InputError, match="has no recordings"):
        Recordings("x", (), np.zeros(0, np.int64), ("a",), 8000)
    one = Recordings("x", (tmp_path,), np.zeros(1, np.int64), ("a",), 8000)
    with pytest.raises(InputError, match="names 0 groups"):
        one.leave_one_group_out()


def test_synthetic_digits_are_the_same_each_time_and_say_what_they_are(tmp_path):
    made = write_synthetic_digits(tmp_path / "a", 6)
    again = write_synthetic_digits(tmp_path / "b", 6)
    assert (len(made), made.synthetic, made.title) == (240, True, "synthetic digits (synthetic)")
    assert made.digest == again.digest
    assert made.digest != write_synthetic_digits(tmp_path / "c", 6, seed=1).digest
    assert {fold.name for fold in made.leave_one_group_out()} == set(SPEAKERS)
    assert all(
        0.2 < len(sound) / 8000 < 1 and 0.05 < np.abs(sound).max() < 1 for sound in made.sounds(range(0, 240, 7))
    )
    with pytest.raises(InputError, match="at least 6"):
        write_synthetic_digits(tmp_path / "d", 5)
