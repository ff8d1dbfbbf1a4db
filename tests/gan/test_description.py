"""What the JSON beside weights says is checked, sealed or not: it decides what samples look like."""

import json

import pytest

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import sealed
from dcgan_features.gan.description import FORMAT, images_seen, read_description
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import SPECS
from dcgan_features.gan.weights_file import SHIPPED, load_weights, save_weights
from tests.gan.tiny import TINY


def edited(path, change, earlier):
    """The description with an edit, sealed anew, or as earlier versions wrote it."""
    about = json.loads(path.read_text())
    about.pop("seal", None)
    change(about)
    if earlier:
        about["format"] = 1
    path.write_text(json.dumps(about if earlier else sealed({**about, "format": FORMAT})))


@pytest.fixture
def described(tmp_path):
    return save_weights(tmp_path / "w", Discriminator(TINY), None, {"images_seen": 7}).with_suffix(".json")


SPEC_EDITS = [
    lambda spec: spec.update(latent="oormal"), lambda spec: spec.update(latent="normal"),
    lambda spec: spec.update(image_size=None), lambda spec: spec.update(image_size=9),
    lambda spec: spec.update(latent_size=10**9), lambda spec: spec.update(logit="yes"),
    lambda spec: spec.update(generator_start=[6, 2]), lambda spec: spec.update(channels=0),
    lambda spec: spec["discriminator"][1].update(stride=1), lambda spec: spec["discriminator"][1].update(stride=3),
    lambda spec: spec["generator"][0].update(kernel=4), lambda spec: spec["generator"].pop(),
    lambda spec: spec.update(discriminator_normalisation="layer"), lambda spec: spec.pop("latent"),
    lambda spec: spec.update(colours=3), lambda spec: spec["discriminator"][0].update(maps=[4]),
]  # fmt: skip


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("change", SPEC_EDITS)
def test_other_shapes_are_one_sentence(described, change, earlier):
    edited(described, lambda about: change(about["spec"]), earlier)
    with pytest.raises(InputError, match=r"w\.json does not describe weights of this kind"):
        load_weights(described)


@pytest.mark.parametrize("change", [
    lambda about: about.update(parts="discriminator"), lambda about: about.update(parts=["generator"]),
    lambda about: about.update(sha256=None), lambda about: about.update(sha256="0"), lambda about: about.pop("spec"),
    lambda about: about.update(data=[]), lambda about: about.update(images_seen=-1),
    lambda about: about.update(recipe=1),
    lambda about: about.update(versions={"torch": 2}), lambda about: about.update(dtype="int8"),
])  # fmt: skip
def test_other_values_are_one_sentence(described, change):
    edited(described, change, earlier=False)
    with pytest.raises(InputError, match=r"w\.json does not describe weights of this kind"):
        load_weights(described)


def test_a_network_larger_than_its_file_is_not_given_memory(described):
    def change(about):
        about["spec"]["name"] = "unknown"
        for layer in about["spec"]["discriminator"]:
            layer["maps"] = 100_000

    edited(described, change, earlier=True)
    with pytest.raises(InputError, match="more weights than the file has bytes"):
        load_weights(described)


def test_what_is_sealed_is_not_taken_for_an_earlier_version(described):
    about = json.loads(described.read_text())
    described.write_text(json.dumps({**about, "images_seen": 8}))
    with pytest.raises(InputError, match="was changed since it was written"):
        load_weights(described)
    described.write_text(json.dumps({**about, "images_seen": 8, "format": 1}))
    with pytest.raises(InputError, match="its format has no seal"):
        load_weights(described)
    del about["seal"]
    described.write_text(json.dumps(about))
    with pytest.raises(InputError, match="was changed since it was written"):
        load_weights(described)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_shipped_weights_keep_to_it(path):
    about, content = read_description(path)
    assert about.spec is not None
    assert about.spec.network() == SPECS[about.spec.name]
    assert content["sha256"] == about.sha256


def test_images_seen(described, tmp_path):
    assert images_seen(described) == images_seen(described.with_suffix(".safetensors")) == 7
    with pytest.raises(InputError, match="does not say how many images"):
        images_seen(save_weights(tmp_path / "other", Discriminator(TINY), None, {}))
