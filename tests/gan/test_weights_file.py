import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import sealed
from dcgan_features.gan.batch_norm import reestimate_batch_statistics
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.spec import SVHN_32
from dcgan_features.gan.weights_file import SHIPPED, find_weights, load_weights, save_weights
from tests.gan.tiny import TINY, tiny_images


@pytest.fixture
def networks():
    source = torch.Generator().manual_seed(0)
    discriminator = reestimate_batch_statistics(Discriminator(TINY, source), tiny_images())
    return discriminator, Generator(TINY, source)


def state(network):
    return {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}


def test_weights_come_back_as_they_were(tmp_path, networks):
    path = save_weights(tmp_path / "v1.2", networks[0], networks[1], {"images_seen": 7})
    assert path == tmp_path / "v1.2.safetensors"
    for name in (path, tmp_path / "v1.2", tmp_path / "v1.2.json"):
        loaded = load_weights(name, TINY)
        assert loaded.generator is not None
        for network, original in zip((loaded.discriminator, loaded.generator), networks, strict=True):
            assert not network.training
            for key, tensor in state(original).items():
                assert torch.equal(state(network)[key], tensor), key
    assert loaded.metadata["images_seen"] == 7
    assert loaded.metadata["versions"].keys() == {"python", "torch", "numpy"}
    assert loaded.spec == TINY


def test_half_sized_weights_are_read_as_float32_and_keep_statistics_exactly(tmp_path, networks):
    whole = save_weights(tmp_path / "whole", networks[0], networks[1], {})
    half = save_weights(tmp_path / "half", networks[0], networks[1], {}, torch.bfloat16)
    assert half.stat().st_size < whole.stat().st_size
    loaded: Any = load_weights(half).discriminator
    assert {tensor.dtype for tensor in state(loaded).values()} == {torch.float32}
    kernels = networks[0].convolutions[1].weight
    assert torch.equal(loaded.convolutions[1].weight, kernels.bfloat16().float())
    assert torch.equal(loaded.normalisations[1].running_var, networks[0].normalisations[1].running_var)


def test_discriminator_alone_and_leading_layers_alone(tmp_path, networks):
    assert load_weights(save_weights(tmp_path / "d", networks[0], None, {})).generator is None
    part = Discriminator(TINY.truncated(2))
    loaded = load_weights(save_weights(tmp_path / "part", part, None, {}))
    assert loaded.spec == TINY.truncated(2)
    assert loaded.discriminator.logit is None


def test_a_changed_byte_is_noticed(tmp_path, networks):
    path = save_weights(tmp_path / "w", networks[0], networks[1], {})
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"w\.safetensors is damaged"):
        load_weights(path)


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_missing_file_is_named(tmp_path, networks, suffix):
    save_weights(tmp_path / "w", networks[0], networks[1], {})
    (tmp_path / f"w{suffix}").unlink()
    with pytest.raises(InputError, match=rf"w\{suffix} does not exist"):
        load_weights(tmp_path / "w")


@pytest.mark.parametrize(("text", "sentence"), [
    ("{", "is damaged"),
    ("[]", "does not describe weights"),
    ("{}", "does not describe weights"),
    ('{"spec": {"name": "x"}, "parts": [], "sha256": "", "format": 1}', "does not describe weights"),
])  # fmt: skip
def test_a_wrong_description(tmp_path, networks, text, sentence):
    save_weights(tmp_path / "w", networks[0], networks[1], {})
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(InputError, match=sentence):
        load_weights(tmp_path / "w")


def test_weights_of_another_network(tmp_path, networks):
    path = save_weights(tmp_path / "w", networks[0], networks[1], {})
    with pytest.raises(InputError, match="holds the network 'tiny', but 'svhn-32' is needed"):
        load_weights(path, SVHN_32)


def test_a_description_of_another_network(tmp_path, networks):
    path = save_weights(tmp_path / "w", networks[0], networks[1], {})
    about = json.loads((tmp_path / "w.json").read_text())
    about["spec"]["discriminator"][1]["maps"], about["spec"]["name"] = 9, "other"
    (tmp_path / "w.json").write_text(json.dumps(sealed(about)))
    with pytest.raises(InputError, match=r"another network: the tensor 'discriminator\.convolutions\.1\.weight' is"):
        load_weights(path)
    about["parts"] = ["discriminator"]
    (tmp_path / "w.json").write_text(json.dumps(sealed(about)))
    with pytest.raises(InputError, match="another network: it has, beyond the network's own, the tensor 'generator"):
        load_weights(path)


def test_a_folder_that_cannot_be_written(tmp_path, networks):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        save_weights(tmp_path / "file" / "w", networks[0], networks[1], {})


def test_shipped_weights_are_found_by_name_where_no_file_of_the_users_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_weights("paper-32") == SHIPPED / "paper-32"
    own = save_weights("paper-32", Discriminator(SVHN_32), None, {})
    assert find_weights("paper-32") == Path("paper-32")
    assert find_weights(own) == own
    with pytest.raises(InputError, match=r"unknown weights 'papper-32' .*did you mean 'paper-32'"):
        find_weights("papper-32")
    with pytest.raises(InputError, match=r"runs.mine\.safetensors does not exist"):
        find_weights("runs/mine")
