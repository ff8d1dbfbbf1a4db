import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("PICTURE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def picture(tmp_path):
    """A function that writes a picture of one colour; the size is (width, height)."""

    def write(name, colour=(10, 20, 30), size=(8, 8)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path)
        return path

    return write


@pytest.fixture
def classes(picture):
    """Write `count` pictures each of the classes cat and dog below a folder, the blue value counting them."""

    def write(root, count=10, size=(8, 8)):
        for label, red in (("cat", 200), ("dog", 100)):
            for number in range(count):
                picture(f"{root}/{label}/{number:02d}.png", (red, 0, number), size)

    return write


def reds(images):
    return np.asarray(images)[:, 0, 0, 0].tolist()


def blues(images):
    return np.asarray(images)[:, 0, 0, 2].tolist()
