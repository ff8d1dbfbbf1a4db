from typing import Any

import numpy as np
import pytest
from PIL import Image

from dcgan_features.data.labelled import load
from dcgan_features.data.labelled.labels import wrong_labels
from dcgan_features.data.labelled.pictures import Form
from dcgan_features.data.labelled.splits import stratified_split
from dcgan_features.data.utils.errors import InputError
from tests.data.labelled.conftest import blues, reds

from_arrays: Any = load.from_arrays
labelled_images: Any = load.labelled_images


def test_official_parts_keep_their_sides_and_their_order(classes, tmp_path):
    classes("p/train", 3)
    classes("p/test", 2)
    found = labelled_images(tmp_path / "p")
    assert found.classes == ("cat", "dog")
    assert found.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert reds(found.train_images) == [200] * 3 + [100] * 3
    assert reds(found.test_images) == [200] * 2 + [100] * 2
    assert blues(found.train_images) == [0, 1, 2] * 2
    assert isinstance(found.train_images, np.memmap)


def test_a_folder_of_classes_is_split_by_the_published_words(classes, tmp_path):
    classes("p", 10)
    found = labelled_images(tmp_path / "p", seed=3)
    words = np.random.PCG64(np.random.SeedSequence([3, 0, 2])).random_raw(20)  # the definition, written out again
    expected = np.sort(np.concatenate([np.argsort(words[:10])[:2], 10 + np.argsort(words[10:])[:2]]))
    assert blues(found.test_images) == [int(place) % 10 for place in expected]
    assert sorted(blues(found.test_images) + blues(found.train_images)) == sorted([*range(10)] * 2)
    assert (reds(found.test_images), found.test_labels.tolist()) == ([200, 200, 100, 100], [0, 0, 1, 1])
    assert "seed 3" in found.note


def test_a_list_with_groups_keeps_each_on_one_side(picture, tmp_path):
    lines = ["label,path,group,note"]
    for number in range(24):
        label = "cat" if number % 2 else "dog"
        picture(f"q/{number}.png", (200 if label == "cat" else 100, number // 4, number))
        lines.append(f'{label},q/{number}.png,house {number // 4},"a, b"')
    (tmp_path / "list.csv").write_text("\n".join(lines))
    found = labelled_images(tmp_path / "list.csv")
    sides = [set(np.asarray(part)[:, 0, 0, 1].tolist()) for part in (found.train_images, found.test_images)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(range(6))
    assert set(found.test_labels.tolist()) == {0, 1}
    assert len(np.unique(found.train_groups)) == len(sides[0])


def test_a_list_with_a_split_in_semicolons(picture, tmp_path):
    for number in range(4):
        picture(f"{number}.png", (number, 0, 0))
    content = "path;label;split\n0.png;3;test\n1.png;3;train\n2.png;7;train\n3.png;7;val\n"
    (tmp_path / "list.csv").write_text("\ufeff" + content)
    found = labelled_images(tmp_path / "list.csv")
    assert (reds(found.train_images), reds(found.test_images), found.classes) == ([1, 2], [0, 3], ("3", "7"))


@pytest.mark.parametrize(("fit", "corner", "middle"), [("crop", 255, 255), ("pad", 0, 255), ("stretch", 255, 255)])
def test_forms_against_pillow(tmp_path, fit, corner, middle):
    for label in ("a", "b"):
        for number in range(2):
            path = tmp_path / "p" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 20), (255, 255, 255)).save(path)
    found = labelled_images(tmp_path / "p", Form(10, fit))
    assert found.train_images.shape == (2, 10, 10, 3)
    assert found.train_images[0, 0, 0, 0] == corner
    assert found.train_images[0, 5, 5, 0] == middle


def test_changed_pictures_are_decoded_again_and_others_are_not(classes, picture, tmp_path):
    classes("p", 3)
    first = labelled_images(tmp_path / "p")
    again = labelled_images(tmp_path / "p")
    assert again.train_images.filename == first.train_images.filename
    picture("p/cat/00.png", (1, 2, 3))
    changed = labelled_images(tmp_path / "p")
    assert 1 in reds(changed.train_images) + reds(changed.test_images)


def test_a_limit_keeps_the_shares_and_reads_no_more(classes, tmp_path):
    classes("p/train", 20)
    classes("p/test", 8)
    (tmp_path / "p/train/cat/99.png").write_bytes(b"damaged")
    small = labelled_images(tmp_path / "p", limit=load.Limit(8), seed=1)
    assert np.bincount(small.train_labels).tolist() == [4, 4]
    assert np.bincount(small.test_labels).tolist() == [1, 1]


def test_a_limit_of_training_images_may_leave_all_test_images():
    many = np.arange(400) % 4
    X = (many[:, None, None, None] + np.zeros((400, 2, 2, 3))).astype(np.uint8)
    sizes = {
        test: len(from_arrays((X, many, X, many), limit=load.Limit(40, test)).test_images) for test in (None, 20, "all")
    }
    assert sizes == {None: 8, 20: 20, "all": 400}


def test_few_labels_are_kept_by_shares_and_all_images_stay():
    y = np.repeat([0, 1, 2], [100, 60, 40])
    X = np.zeros((200, 2, 2, 3), np.uint8)
    whole = from_arrays((X, y, X, y))
    few: Any = load.keep_labels(whole, 20, seed=1)
    assert few.train_images is whole.train_images
    kept = few.train_labels >= 0
    assert np.bincount(few.train_labels[kept]).tolist() == [10, 6, 4]
    assert (few.train_labels[kept] == y[kept]).all()
    other: Any = load.keep_labels(whole, 20, seed=2)
    assert not np.array_equal(kept, other.train_labels >= 0)
    assert load.keep_labels(whole, 200) is whole
    limited: Any = load.limited(few, load.Limit(6))
    assert np.bincount(limited.train_labels).tolist() == [3, 2, 2]  # two of each at least
    with pytest.raises(InputError, match="5 labels are less than 2 of each of 3 classes"):
        load.keep_labels(whole, 5)


def test_wrong_labels_are_so_many_and_never_right():
    labels = np.repeat([2, 5, 7], 400)
    made = wrong_labels(labels, 0.3, 1)
    assert (made != labels).sum() == 360
    table = np.array([[((labels == a) & (made == b)).sum() for b in (2, 5, 7)] for a in (2, 5, 7)])
    off = table[~np.eye(3, dtype=bool)]
    assert (off > 40).all() & (off < 80).all()  # 60 each, in the mean
    np.testing.assert_array_equal(made, wrong_labels(labels, 0.3, 1))
    assert (wrong_labels(labels, 0.3, 2) != made).any()


def test_arrays_with_labels_as_people_write_them():
    X = np.arange(40 * 4 * 4, dtype=np.uint8).reshape(40, 4, 4)
    y = np.repeat(["b", "a"], 20)
    plain = from_arrays((X, y, X[:4], y[:4]))
    assert (plain.classes, plain.train_labels[0], plain.train_images.shape) == (("a", "b"), 1, (40, 4, 4, 1))
    for same in (y[:, None], np.stack([y == "a", y == "b"], 1).astype(float), np.where(y == "a", 3.0, 9.0)):
        found = from_arrays((X, same, X[:4], same[:4]))
        np.testing.assert_array_equal(found.train_labels, plain.train_labels)
    split = from_arrays((X, y))
    assert (len(split.train_images), len(split.test_images)) == (32, 8)


def test_groups_that_cannot_be_parted_are_refused():
    labels = np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(InputError, match="two groups"):
        stratified_split(labels, ("a", "b"), np.array([0, 0, 0, 1, 1, 2]))


X, Y = np.zeros((30, 4, 4, 3), np.uint8), np.arange(30) % 3
WRONG_ARRAYS = {
    "three parts": ((X, Y, X), "3 parts"),
    "channels first": ((X.transpose(0, 3, 1, 2), Y), r"transpose\(0, 2, 3, 1\)"),
    "floats": ((X / 255, Y), "uint8"),
    "flat": ((X.reshape(30, -1), Y), r"\(n, height, width, channels\)"),
    "too few labels": ((X, Y[:-1]), "30 images and y 29 labels"),
    "fractions": ((X, Y + 0.5), "number 0 is 0.5"),
    "missing": ((X, np.where(Y == 2, np.nan, Y)), "nan"),
    "no label": ((X, Y - 1), "without a label"),
    "one class": ((X, Y * 0), "two at least"),
    "one label each": ((X, np.arange(30)), "nearly one each"),
    "probabilities": ((X, np.full((30, 3), 1 / 3)), "probabilities"),
    "several classes": ((X, np.ones((30, 3))), "names 3 classes"),
    "mixed kinds": ((X, np.array(["a", 1, 2] * 10, dtype=object)), "several kinds"),
    "none": ((X, np.array(["a", None, "b"] * 10, dtype=object)), "missing"),
    "names and numbers": ((X, Y, X, Y.astype(str)), "give both alike"),
    "unknown test class": ((X, Y, X, Y + 1), "class 3 is among the test labels only"),
    "empty name": ((X, np.array(["a", " ", "b"] * 10)), "is empty"),
    "a lone image": ((X, np.r_[Y[:-1], 7]), "class 7 has 1 picture"),
}


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_wrong_arrays_are_refused_in_a_sentence(name):
    data, words = WRONG_ARRAYS[name]
    with pytest.raises(InputError, match=words) as caught:
        from_arrays(data)
    assert "\n" not in str(caught.value)


WRONG_LISTS = {
    "empty": ("", "is empty"),
    "no header": ("a.png,cat\n", "path and label"),
    "no pictures": ("path,label\n", "lists no pictures"),
    "columns": ("path,label\na.png,cat,x\n", "line 2: 3 columns"),
    "no label": ("path,label\na.png,cat\nb.png,\n", "line 3: the label is empty"),
    "absent": ("path,label\nz.png,cat\n", "does not exist"),
    "twice": ("path,label\na.png,cat\n./a.png,dog\n", "is on line 2 too"),
    "split": ("path,label,split\na.png,cat,dev\n", "neither train nor test"),
    "one side": ("path,label,split\na.png,cat,train\nb.png,dog,train\n", "one side"),
    "parted": ("path,label,split,group\na.png,cat,train,g\nb.png,dog,test,g\n", "other side"),
    "damaged": ("path,label\na.png,cat\nb.png,cat\nc.png,dog\nbad.png,dog\n", "bad.png cannot be read"),
    "sizes": ("path,label\na.png,cat\nb.png,cat\nc.png,dog\nlarge.png,dog\n", "--size"),
}


@pytest.mark.parametrize("name", WRONG_LISTS)
def test_wrong_lists_are_refused_in_a_sentence(name, picture, tmp_path):
    content, words = WRONG_LISTS[name]
    for letter in "abc":
        picture(f"{letter}.png")
    picture("large.png", size=(9, 8))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        labelled_images(tmp_path / "list.csv")
    assert "\n" not in str(caught.value)


def test_wrong_folders_are_refused_in_a_sentence(classes, picture, tmp_path):
    picture("flat/a.png")
    classes("lone/cat", 0)
    picture("lone/cat/a.png")
    classes("beside", 2)
    picture("beside/x.png")
    classes("hollow", 2)
    (tmp_path / "hollow/fish").mkdir()
    classes("half/train", 2)
    classes("lacks/train", 2)
    classes("lacks/test", 2)
    picture("lacks/test/fish/a.png")
    (tmp_path / "file.txt").write_text("x")
    wrong = {
        "flat": "has no subfolders",
        "lone": "cat alone",
        "beside": "lies beside the class folders",
        "hollow": "fish holds no pictures",
        "half": "none named test",
        "lacks": "has the class fish",
        "file.txt": "neither a folder nor a CSV",
        "nowhere/at/all": "does not exist",
    }
    for name, words in wrong.items():
        with pytest.raises(InputError, match=words) as caught:
            labelled_images(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cifar10"):
        labelled_images("cifar1")
    with pytest.raises(InputError, match="less than 2"):
        from_arrays((X, Y), limit=load.Limit(5))
    with pytest.raises(InputError, match="no way to fit"):
        Form(3, "squeeze")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="CIFAR100"):
        labelled_images("torchvision:CIFAR101")


def test_a_collection_of_torchvision_that_is_absent_is_a_sentence_and_no_download(tmp_path, monkeypatch):
    from torchvision import datasets

    def refuse(self):
        raise AssertionError("it was downloaded")

    monkeypatch.setattr(datasets.CIFAR100, "download", refuse)
    with pytest.raises(InputError, match="--data-root"):
        labelled_images("torchvision:CIFAR100", root=tmp_path)


def test_a_collection_of_torchvision_from_its_own_files(tmp_path):
    folder = tmp_path / "imagenette2"
    for part, count in (("train", 4), ("val", 2)):
        for number, name in enumerate(["n01440764", "n02102040"]):
            for index in range(count):
                path = folder / part / name / f"{index}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (20, 12), (100 * number, 0, 0)).save(path, quality=95)
    found = labelled_images("torchvision:Imagenette", Form(8), root=tmp_path)
    assert (found.train_images.shape, found.test_images.shape) == ((8, 8, 8, 3), (4, 8, 8, 3))
    assert [round(value / 100) for value in reds(found.test_images)] == [
        int("springer" in found.classes[label].lower()) for label in found.test_labels
    ]
