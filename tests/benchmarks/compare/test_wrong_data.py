"""Wrong folders and lists given to the command: each one sentence on stderr, exit code 2, and nothing written."""

import pytest
from PIL import Image

from dcgan_features.benchmarks.compare.__main__ import app
from tests.data.labelled.test_load import WRONG_LISTS


def put(path, colour=(200, 0, 0), size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def many(folder, *names, count=3):
    for name in names:
        for number in range(count):
            put(folder / name / f"{number}.png", (number, 50 * len(name) % 256, 0))


def flat(root):
    put(root / "a.png")


def beside(root):
    many(root, "cat", "dog")
    put(root / "x.png")


def hollow(root):
    many(root, "cat", "dog")
    (root / "fish").mkdir()


def half(root):
    many(root / "train", "cat", "dog")


def lacks(root):
    many(root / "train", "cat", "dog")
    many(root / "test", "cat", "fish")


def twice(root):
    many(root / "train", "cat", "dog")
    many(root / "test", "cat", "dog")
    many(root / "testing", "cat", "dog")


def lone(root):
    many(root, "cat")


def rare(root):
    many(root, "cat", "dog")
    put(root / "fish/0.png")


def damaged(root):
    many(root, "cat", "dog")
    (root / "cat/3.png").write_bytes(b"no picture")


def sizes(root):
    many(root, "cat", "dog")
    put(root / "cat/3.png", size=(9, 9))


def a_file(root):
    root.write_text("x")


def empty(root):
    root.mkdir()


def nothing(root):
    pass


FOLDERS = {
    flat: "has no subfolders",
    beside: "lies beside the class folders",
    hollow: "fish holds no pictures",
    half: "none named test",
    lacks: "has the class fish",
    twice: "several folders for one part",
    lone: "cat alone",
    rare: "fish",
    damaged: "cannot be read",
    sizes: "--size",
    a_file: "neither a folder nor a CSV",
    empty: "has no subfolders",
    nothing: "does not exist",
}


def refused(cli, here, source, words):
    code, _, err = cli("raw-pixels", "--data", source, app=app)
    assert code == 2, err
    said = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert words in said[0]
    assert "Traceback" not in err
    assert not list(here.glob("results/**/*.json"))


@pytest.mark.parametrize("make", FOLDERS, ids=lambda make: make.__name__)
def test_wrong_folders(make, cli, here):
    make(here / "wrong")
    refused(cli, here, "./wrong", FOLDERS[make])


@pytest.mark.parametrize("name", WRONG_LISTS)
def test_wrong_lists(name, cli, here):
    content, words = WRONG_LISTS[name]
    for letter in "abc":
        put(here / f"{letter}.png")
    put(here / "large.png", size=(9, 8))
    (here / "bad.png").write_bytes(b"no picture")
    (here / "list.csv").write_text(content)
    refused(cli, here, "list.csv", words)
