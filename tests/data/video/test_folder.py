"""Folders of clips: frames in order, cut into pieces, videos by PyAV, and one sentence for what is damaged."""

import sys

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.video.folder import clip_folder


def write_frames(folder, values, size=(12, 10)):
    folder.mkdir(parents=True)
    for number, value in enumerate(values):
        Image.new("RGB", size, (value, value, value)).save(folder / f"{number:03d}.png")


def test_pictures_of_a_folder_are_frames_in_order_cut_into_pieces(tmp_path):
    write_frames(tmp_path / "b", [10, 20, 30, 40, 50])
    write_frames(tmp_path / "a" / "deep", [60, 70])
    write_frames(tmp_path / "c", [80])  # too short
    write_frames(tmp_path / ".hidden", [90, 91])
    clips = clip_folder(tmp_path, length=2, size=8)
    assert clips.frames[:, :, 4, 4, 0].tolist() == [[60, 70], [10, 20], [30, 40]]
    assert clips.shape == (2, 8, 8, 3)
    assert "1 shorter one(s) left out" in clips.description
    grey = clip_folder(tmp_path, length=2, size=8, grey=True)
    assert grey.shape == (2, 8, 8, 1)
    np.testing.assert_array_equal(grey.frames[..., 0], clips.frames[..., 0])


def write_video(path, values, size=32):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for value in values:
            frame = av.VideoFrame.from_ndarray(np.full((size, size, 3), value, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_videos_are_clips_too(tmp_path):
    write_video(tmp_path / "film.mp4", range(20, 220, 20))
    clips = clip_folder(tmp_path, length=5, size=16)
    assert clips.frames.shape == (2, 5, 16, 16, 3)
    found = clips.frames.mean((2, 3, 4)).ravel()
    np.testing.assert_allclose(found, range(20, 220, 20), atol=6)  # what the codec leaves


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7])
def test_a_damaged_video_is_one_sentence(tmp_path, part):
    write_video(tmp_path / "film.mp4", range(20, 220, 20))
    content = (tmp_path / "film.mp4").read_bytes()
    (tmp_path / "film.mp4").write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=r"film\.mp4 .*(repair or remove it|empty)"):
        clip_folder(tmp_path, length=5, size=16)


def test_without_pyav_a_video_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "film.mp4").write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'dcgan-features\[video\]'"):
        clip_folder(tmp_path, length=5, size=16)


def test_a_damaged_frame_and_an_empty_folder_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no folder of pictures and no video file"):
        clip_folder(tmp_path, length=2, size=8)
    write_frames(tmp_path / "a", [1, 2, 3])
    with pytest.raises(InputError, match=r"1 clip\(s\) of fewer than 4 frames"):
        clip_folder(tmp_path, length=4, size=8)
    (tmp_path / "a" / "001.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(InputError, match=r"001\.png cannot be read as a picture"):
        clip_folder(tmp_path, length=2, size=8)
