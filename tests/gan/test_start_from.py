import pytest
import torch
import yaml

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.training.dcgan import Run
from dcgan_features.gan.training.recipe import read_recipe
from dcgan_features.gan.weights_file import load_weights, save_weights
from tests.gan.tiny import DATA, tiny_images, tiny_recipe


def earlier(folder, **settings):
    Run(tiny_recipe(**settings), tiny_images(), folder, DATA).finish()
    return folder / "weights"


def begin(out, start, **settings):
    return Run(tiny_recipe(**settings), tiny_images(), out, DATA, start_from=start)


@pytest.mark.parametrize("settings", [{}, {"averaging": 0.9}, {"network": "tiny-spectral"}], ids=str)
def test_a_run_begins_with_the_weights_of_an_earlier_one(tmp_path, settings):
    start = earlier(tmp_path / "earlier", **settings)
    kept, training = load_weights(start), begin(tmp_path / "later", start, **settings).training
    assert training.steps_done == 0
    assert not training.discriminator_optimiser.state
    found = {"generator": training.generator, "discriminator": training.final_discriminator}
    for name, network in [*found.items(), *training.averages.items()]:
        for key, parameter in getattr(kept, name).named_parameters():
            torch.testing.assert_close(network.get_parameter(key), parameter, rtol=1e-3, atol=1e-6)
    for trained in (training.generator, training.discriminator):
        assert trained.training
        assert all(parameter.requires_grad for parameter in trained.parameters())


def test_what_it_began_with_is_recorded_and_resumed(tmp_path):
    start = earlier(tmp_path / "earlier")
    run = begin(tmp_path / "later", start, rotation=1.0)
    run.finish()
    about = load_weights(tmp_path / "later" / "weights").metadata
    assert about["data"]["start"] == {"sha256": load_weights(start).metadata["sha256"], "images_seen": 160}
    assert about["images_seen"] == 160  # its own
    resumed = begin(tmp_path / "later", start, rotation=1.0, images=320)
    assert resumed.training.steps_done == 10
    assert torch.equal(resumed.training.discriminator.convolutions[0].weight,
                       run.training.discriminator.convolutions[0].weight)  # fmt: skip
    for other in (None, earlier(tmp_path / "other", seed=5)):
        with pytest.raises(
            InputError, match="was begun with other weights; give the same 'start_from', another folder"
        ):
            begin(tmp_path / "later", other, rotation=1.0)


def test_weights_that_cannot_be_begun_with(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        begin(tmp_path / "later", tmp_path / "nothing")
    start = earlier(tmp_path / "spectral", network="tiny-spectral")
    with pytest.raises(InputError, match="holds the network 'tiny-spectral', but 'tiny' is needed"):
        begin(tmp_path / "later", start)
    alone = save_weights(tmp_path / "alone", load_weights(start).discriminator, None, {})
    with pytest.raises(InputError, match=r"alone\.safetensors holds no generator; start from a snapshot"):
        begin(tmp_path / "later", alone, network="tiny-spectral")
    assert not (tmp_path / "later").exists()


def test_the_recipe_of_the_command_says_so(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"start_from": "runs/earlier/weights", "images": 1000}))
    settings = read_recipe(file)
    assert str(settings.start_from) == "runs/earlier/weights"
    assert "start_from" not in settings.for_images(70, False).model_dump()
    assert read_recipe(None).start_from is None
