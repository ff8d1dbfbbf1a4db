from pathlib import Path

import pytest

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.training.recipe import Recipe, TrainRecipe, make_recipe, read_recipe, refuse_changes


def test_defaults_are_the_papers():
    recipe = Recipe()
    assert (recipe.learning_rate, recipe.beta1, recipe.batch_size, recipe.flips) == (2e-4, 0.5, 128, False)
    assert (recipe.weight_decay, recipe.discriminator_updates) == (1e-5, 1)  # the authors' code


def test_options_take_precedence_over_the_file(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("network: paper-32\nseed: 3\n")
    recipe = read_recipe(path, {"seed": 4})
    assert (recipe.network, recipe.seed, recipe.beta1) == ("paper-32", 4, 0.5)
    path.write_text("")
    assert read_recipe(path) == TrainRecipe()
    assert read_recipe(None).for_images(500, folders=False) == Recipe()


@pytest.mark.parametrize(("text", "sentence"), [
    ("learning_rat: 1", "unknown key 'learning_rat' in .*my.yaml: did you mean 'learning_rate'"),
    ("network: svhn", "unknown network 'svhn' in .*my.yaml: did you mean 'svhn-32'"),
    ("batch_size: 1", "my.yaml: batch_size: input should be greater than or equal to 2 \\(not 1\\)"),
    ("precision: fp16", "precision: input should be 'bf16' or 'fp32' \\(not 'fp16'\\)"),
    ("learning_rate: .nan", "nan is not a finite number"),
    ("images: lots", "images: .* \\(not 'lots'\\)"),
    ("unreadable: -1", "unreadable: .* \\(not -1\\)"),
    ("near_duplicates: drop", "near_duplicates: input should be 'keep' or 'remove'"),
    ("images: 5\nepochs: 5", "my.yaml: both 'images' and 'epochs' say how long to train; give one of them"),
    ("- 1", "holds no 'key: value' lines"),
    ("a: [", "is not YAML"),
])  # fmt: skip
def test_wrong_files(tmp_path, text, sentence):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence) as raised:
        read_recipe(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the recipe .*none\.yaml"):
        read_recipe(tmp_path / "none.yaml")


def test_changed_settings_are_named_and_lengthening_is_allowed():
    earlier = Recipe().model_dump()
    refuse_changes(make_recipe({"images": 5, "sample_every": None}), earlier, Path("run"))
    with pytest.raises(InputError, match=r"run was begun with beta1=0\.5, not 0\.6"):
        refuse_changes(make_recipe({"beta1": 0.6}), earlier, Path("run"))


def test_epochs_are_whole_minibatches_and_folders_take_25(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("batch_size: 64\n")

    def length(count, folders, **overrides):
        return read_recipe(path, overrides).for_images(count, folders).images

    assert length(6000, True) == 25 * 93 * 64
    assert length(6000, False) == 1_000_000
    assert length(6000, False, epochs=2) == 2 * 93 * 64
    assert length(6000, True, images=777) == 777
    path.write_text("batch_size: 64\nepochs: 3\n")
    assert length(640, True) == length(640, False) == 3 * 640
    assert length(640, True, images=777) == 777  # an option takes the place of either
    path.write_text("batch_size: 64\nimages: 777\n")
    assert length(640, True) == 777
    assert length(640, True, epochs=2) == 2 * 640
    with pytest.raises(InputError, match="the options: both 'images' and 'epochs'"):
        read_recipe(None, {"images": 5, "epochs": 5})


def test_a_run_keeps_its_settings():
    given = {"network": "paper-32", "seed": 4, "beta1": 0.6, "sample_every": None, "images": 9}
    run = read_recipe(None, given).for_images(500, folders=True)
    assert type(run) is Recipe
    assert run == make_recipe(given)


def test_tables_take_no_settings_of_the_command():
    for key in ("epochs", "unreadable", "near_duplicates", "hash_noise"):
        with pytest.raises(InputError, match=f"unknown key '{key}'"):
            make_recipe({key: 1})


def test_images_are_rounded_up_to_whole_minibatches():
    assert [make_recipe({"images": count}).steps for count in (1, 128, 129)] == [1, 1, 2]
