import hashlib
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import models
from torchvision.transforms import functional as transforms

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.cache.fingerprint import describe
from dcgan_features.features.pretrained import TimmFeatures, TorchvisionFeatures


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


def test_the_penultimate_layer_of_an_untrained_model(images):
    extractor = TorchvisionFeatures("squeezenet1_1", weights="untrained", size=32, seed=3)
    features = extractor.fit(images).transform(images)
    torch.manual_seed(3)
    module = models.squeezenet1_1(weights=None).eval()
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    pixels = transforms.resize(pixels, [32, 32], antialias=True)
    inputs = transforms.normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        maps = module.features(inputs)
    expected = torch.relu(maps).mean((2, 3))  # what the convolution to 1,000 classes would see, averaged
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-4)
    assert describe(extractor) != describe(TorchvisionFeatures("squeezenet1_1", weights="untrained", size=32, seed=4))
    assert describe(extractor) != describe(TorchvisionFeatures("squeezenet1_1", weights="untrained", size=48, seed=3))


def test_a_layers_maps_are_pooled_to_the_grid(images):
    settings: Any = {"weights": "untrained", "layer": "features.0", "size": 21}  # maps of 10 x 10
    maps = TorchvisionFeatures("squeezenet1_1", grid=10, **settings).fit_transform(images).reshape(3, 64, 10, 10)
    pooled = TorchvisionFeatures("squeezenet1_1", grid=2, **settings).fit_transform(images)
    expected = maps.reshape(3, 64, 2, 5, 2, 5).max((3, 5)).reshape(3, -1)
    np.testing.assert_array_equal(pooled, expected)


def test_grey_images_are_repeated(images):
    grey = images[:, :, :, :1]
    settings: Any = {"weights": "untrained", "size": 32}
    once, thrice = (
        TorchvisionFeatures("squeezenet1_1", **settings).fit_transform(each) for each in (grey, grey.repeat(3, axis=3))
    )
    np.testing.assert_allclose(once, thrice, atol=1e-5)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub cache with "official" weights, whose name states their digest; returns (state, path)."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(1)
    state = models.squeezenet1_1(weights=None).state_dict()
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / "made.pth")
    digest = hashlib.sha256((folder / "made.pth").read_bytes()).hexdigest()
    path = (folder / "made.pth").rename(folder / f"squeezenet1_1-{digest[:8]}.pth")
    official = models.SqueezeNet1_1_Weights.DEFAULT.value
    before = official.url
    object.__setattr__(official, "url", f"https://example.org/{path.name}")
    yield state, path
    object.__setattr__(official, "url", before)


def test_trained_weights_are_those_of_the_file(hub, images):
    state, path = hub
    extractor = TorchvisionFeatures("squeezenet1_1", size=32).fit(images)
    kept = extractor.module_.state_dict()
    assert all(torch.equal(kept[name], state[name]) for name in kept)
    assert len(kept) == len(state) - 2  # the classifying convolution's weight and bias
    assert extractor.locate().name == "SqueezeNet1_1_Weights.IMAGENET1K_V1"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match="not the official file"):
        TorchvisionFeatures("squeezenet1_1").fit(images)


def test_weights_that_are_not_here_and_models_that_are_not(images, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    sentence = (
        r"resnet50 are not on this machine \(.*resnet50-11ad3fa6.pth\) and nothing is downloaded.*weights=untrained"
    )
    with pytest.raises(InputError, match=sentence):
        TorchvisionFeatures("resnet50").fit(images)
    with pytest.raises(ValueError, match=r"unknown torchvision model 'resnet5': did you mean 'resnet50'\? \(one of"):
        TorchvisionFeatures("resnet5").fit(images)
    with pytest.raises(ValueError, match=r"unknown weights 'V1' in torchvision's resnet50: .*IMAGENET1K_V1"):
        TorchvisionFeatures("resnet50", weights="V1").fit(images)
    with pytest.raises(ValueError, match="no layer 'layr3'; did you mean 'layer3'"):
        TorchvisionFeatures("resnet18", weights="untrained", layer="layr3").fit(images)
    with pytest.raises(ValueError, match="size=0 must be"):
        TorchvisionFeatures("resnet18", weights="untrained", size=0).fit(images)


def test_timm_that_is_not_installed_is_one_sentence(monkeypatch, images):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="timm is not installed; run 'pip install timm'"):
        TimmFeatures("resnet18").fit(images)


def test_timm_models_as_far_as_a_stand_in_of_timm_shows(monkeypatch, images, tmp_path):
    """Timm is optional: what is asked of it here is what its version 1.0 offers."""
    form = SimpleNamespace(
        has_weights=True, hf_hub_id="timm/tiny.a1", tag="a1", input_size=(3, 8, 8), mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25), interpolation="bicubic",
    )  # fmt: skip
    asked = []

    def create_model(name, **settings):
        asked.append((name, settings))
        return torch.nn.Flatten()

    fake = SimpleNamespace(
        is_model=lambda name: name == "tiny", list_models=lambda: ["tiny", "huge"], create_model=create_model,
        get_pretrained_cfg=lambda name: form, list_pretrained=lambda pattern: ["tiny.a1"],
    )  # fmt: skip
    cached = SimpleNamespace(constants=SimpleNamespace(HF_HUB_CACHE=tmp_path), try_to_load_from_cache=lambda *_: None)
    monkeypatch.setitem(sys.modules, "timm", fake)
    monkeypatch.setitem(sys.modules, "huggingface_hub", cached)
    features = TimmFeatures("tiny", weights="untrained", size=16).fit_transform(images)
    np.testing.assert_allclose(features, (images.transpose(0, 3, 1, 2).reshape(3, -1) / 255 - 0.5) / 0.25, atol=1e-5)
    assert asked == [("tiny", {"num_classes": 0})]
    with pytest.raises(InputError, match=r"weights of timm's tiny are not on this machine.*hf download timm/tiny.a1"):
        TimmFeatures("tiny").fit(images)
    (tmp_path / "model.safetensors").touch()
    cached.try_to_load_from_cache = lambda *_: str(tmp_path / "model.safetensors")
    TimmFeatures("tiny").fit(images)
    overlay = {"file": str(tmp_path / "model.safetensors")}
    assert asked[-1] == ("tiny", {"num_classes": 0, "pretrained": True, "pretrained_cfg_overlay": overlay})
    with pytest.raises(ValueError, match=r"unknown timm model 'hugge': did you mean 'huge'"):
        TimmFeatures("hugge").fit(images)
    with pytest.raises(ValueError, match=r"unknown weights 'a2' in timm's tiny: did you mean 'a1'"):
        TimmFeatures("tiny.a2").fit(images)
