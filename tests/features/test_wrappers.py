import pickle

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import nn

from dcgan_features.features.cache.store import FeatureStore
from dcgan_features.features.raw_pixels import RawPixels
from dcgan_features.features.wrappers import TorchModuleFeatures, TransformerFeatures, as_extractor, as_rows


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (30, 6, 6, 3), dtype=np.uint8)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(), nn.Linear(64, 5)
    )


def test_a_modules_output_in_evaluation_mode(module, images):
    features = TorchModuleFeatures(module, batch_size=7).fit(images).transform(images)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-5)


def test_the_users_module_stays_in_its_mode_without_hooks(module, images):
    TorchModuleFeatures(module, layer="0").fit(images).transform(images)
    assert module.training
    assert not module[0]._forward_hooks
    assert int(module[1].num_batches_tracked) == 0


def test_a_layer_is_read_before_a_later_one_works_in_place(module, images):
    module.eval()
    features = TorchModuleFeatures(module, layer="1").fit_transform(images)  # the rectifier after it works in place
    with torch.no_grad():
        expected = module[:2](torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).flatten(1)
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-5)
    assert features.min() < 0


def test_a_users_input_transform_and_dtype(images):
    extractor = TorchModuleFeatures(nn.Flatten(), input_transform=lambda batch: batch.float(), dtype="bfloat16")
    features = extractor.fit(images).transform_tensor(images)
    assert features.dtype == torch.bfloat16
    np.testing.assert_array_equal(features.float().numpy(), images.reshape(30, -1))  # 0..255 are exact in bfloat16


def test_wrong_layers_and_outputs_are_refused(module, images):
    with pytest.raises(ValueError, match="no layer 'conv9'; it has 0, 1, 2"):
        TorchModuleFeatures(module, layer="conv9").fit(images)
    with pytest.raises(ValueError, match="one tensor with a row for each"):
        TorchModuleFeatures(nn.Flatten(0)).fit(images)
    with pytest.raises(ValueError, match=r"must be a torch.nn.Module, not str"):
        TorchModuleFeatures("resnet").fit(images)  # type: ignore[arg-type]


def test_a_scikit_learn_transformer_gets_flat_pixels_and_is_not_fitted_itself(images):
    pca = PCA(5, svd_solver="full")
    features = TransformerFeatures(pca, batch_size=8).fit(images).transform(images)
    expected = PCA(5, svd_solver="full").fit_transform(images.reshape(30, -1) / 255)
    np.testing.assert_allclose(features, expected, atol=1e-4)
    assert not hasattr(pca, "components_")


def test_as_extractor_takes_what_can_extract(module):
    raw = RawPixels()
    assert as_extractor(raw) is raw
    assert isinstance(as_extractor(module), TorchModuleFeatures)
    assert isinstance(as_extractor(KMeans(3)), TransformerFeatures)

    class Own:
        def fit(self, images):
            return self

        def transform(self, images):
            return images.mean((1, 2))

    own = Own()
    assert as_extractor(own) is own


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(RawPixels, "RawPixels is a class"), ("dcgan", "no method transform"), (None, "NoneType cannot extract")],
)
def test_as_extractor_refuses_what_cannot(wrong, message):
    with pytest.raises(ValueError, match=message):
        as_extractor(wrong)


class Foreign:
    pass


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (np.arange(6).reshape(2, 3), [[0.0, 1, 2], [3, 4, 5]]),
        (torch.ones(2, 1, dtype=torch.float64, requires_grad=True), [[1.0], [1]]),
        (csr_matrix([[0, 2.5], [1, 0]]), [[0.0, 2.5], [1, 0]]),
    ],
)
def test_what_other_peoples_classes_make_becomes_rows(made, expected):
    rows = as_rows(made, 2, Foreign())
    assert rows.dtype == torch.float32
    assert rows.tolist() == expected


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (np.zeros(2), r"Foreign.transform made an array of shape \(2,\) of 2 images; it must be \(2, features\)"),
        (np.zeros((3, 4)), r"of shape \(3, 4\) of 2 images"),
        (np.zeros((2, 4, 4)), r"of shape \(2, 4, 4\)"),
        (np.zeros((2, 0)), r"of shape \(2, 0\)"),
        (np.array([["a"], ["b"]]), "it must return numbers"),
        (None, "made object of shape"),
    ],
)
def test_what_is_not_one_row_an_image_is_refused(made, message):
    with pytest.raises(ValueError, match=message):
        as_rows(made, 2, Foreign())


def test_a_misspelt_layer_of_a_large_module_names_the_nearest():
    large = nn.Sequential(*[nn.Identity() for _ in range(30)])
    with pytest.raises(ValueError, match=r"no layer '29a'; did you mean '29'\?"):
        TorchModuleFeatures(large, layer="29a").fit(np.zeros((1, 2, 2, 3), np.uint8))


class InPlace:
    """Alters what it is given, as careless code does."""

    def transform(self, images):
        images -= images.min()
        return images.mean((1, 2))


class InPlaceModule(nn.Module):
    def forward(self, x):
        return x.float().mean((1, 2))

    def input_transform(self, images):
        return images.fill_(7)


def test_images_of_the_caller_are_not_altered(tmp_path):
    images = np.random.default_rng(0).integers(1, 256, (6, 8, 8, 3), dtype=np.uint8)
    before = images.copy()
    with pytest.raises(ValueError, match="read-only"):
        FeatureStore(tmp_path).get(InPlace(), images, images)
    module = InPlaceModule()
    made = TorchModuleFeatures(module, None, module.input_transform).fit_transform(images)
    assert float(made.max()) == float(made.min()) == 7
    assert np.array_equal(images, before)
    assert images.flags.writeable


@pytest.mark.parametrize(("made", "sentence"), [
    (np.ma.masked_less(np.arange(12.0).reshape(4, 3), 3), "masked array"), (np.ones((4, 3)) * 1j, "imaginary"),
    (torch.ones(4, 3, dtype=torch.complex64), "imaginary"), (np.full((4, 3), None), "object"),
])  # fmt: skip
def test_what_features_cannot_hold_is_refused(made, sentence):
    with pytest.raises(ValueError, match=sentence):
        as_rows(made, 4, InPlace())
    assert as_rows(np.ones((4, 3), np.int8), 4, InPlace()).dtype == torch.float32


NORMALISED = [
    nn.utils.weight_norm,
    nn.utils.spectral_norm,
    nn.utils.parametrizations.weight_norm,
    nn.utils.parametrizations.spectral_norm,
]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # the first is out of date, but in many people's weights
@pytest.mark.parametrize("normalise", NORMALISED, ids=lambda normalise: f"{normalise.__module__}.{normalise.__name__}")
def test_normalised_weights_are_as_the_users_module_has_them(normalise, images):
    torch.manual_seed(0)
    module = nn.Sequential(normalise(nn.Conv2d(3, 4, 3)), nn.Flatten(), normalise(nn.Linear(64, 5)))
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    module(inputs).sum().backward()  # a step's remains, which cannot be copied as they are
    extractor = pickle.loads(pickle.dumps(TorchModuleFeatures(module).fit(images).module_))
    expected = module.eval()(inputs).detach()
    torch.testing.assert_close(extractor(inputs), expected)
    torch.testing.assert_close(torch.from_numpy(TorchModuleFeatures(module).fit_transform(images)), expected)
    plain = extractor[0]
    assert type(plain) is nn.Conv2d
    assert [name for name, _ in plain.named_parameters() if "weight" in name] == ["weight"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_module_computes_in_its_own_type(module, images, dtype):
    seen = []
    module = module.eval().to(dtype)
    expected = module(torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).to(dtype)).detach()
    module[0].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].dtype))
    made = TorchModuleFeatures(module).fit_transform(images)
    assert set(seen) == {dtype}
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected.float(), rtol=1e-2, atol=1e-2)


class Spectrum(nn.Module):
    def forward(self, images):
        return torch.fft.fft(images.flatten(1))


@pytest.mark.parametrize("module", [Spectrum(), nn.Linear(6, 2, dtype=torch.complex64)])
def test_complex_numbers_are_refused(module, images):
    with pytest.raises(ValueError, match=r"complex.*features are real numbers"):
        TorchModuleFeatures(module).fit(images)
