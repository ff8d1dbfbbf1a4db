import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.compile import attempt, default_compiler
from tests.gan.tiny import tiny_images, tiny_recipe


def parameters(network):
    return torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])


def test_generator_and_discriminator_are_updated_on_alternate_minibatches():
    training = AdversarialTraining(tiny_recipe(), tiny_images())
    for step in range(6):
        generator, discriminator = parameters(training.generator), parameters(training.discriminator)
        losses = training.step()
        assert torch.equal(parameters(training.generator), generator) == (step % 2 == 1)
        assert torch.equal(parameters(training.discriminator), discriminator) == (step % 2 == 0)
        assert (losses.generator is None) == (step % 2 == 1)
        assert (losses.real is None) == (step % 2 == 0)
    assert training.images_seen == 6 * 16


def test_more_discriminator_updates():
    training = AdversarialTraining(tiny_recipe(discriminator_updates=2), tiny_images())
    assert [training.updates_generator(step) for step in range(7)] == [True, False, False, True, False, False, True]


def test_discriminator_step_by_hand():
    """Separate normalisation, cross-entropy of probabilities, and Adam with an L2 penalty, all written out."""
    recipe = tiny_recipe(weight_decay=0.01, learning_rate=0.003)
    training = AdversarialTraining(recipe, tiny_images())
    training.step()
    network = copy.deepcopy(training.discriminator)
    drawn = []
    hook = training.generator.register_forward_hook(lambda module, inputs, output: drawn.append(output))
    real = training.minibatches.real(1)
    losses = training.step()
    hook.remove()
    fake = drawn[0].detach()
    real_loss = functional.binary_cross_entropy(torch.sigmoid(network(real)), torch.ones(16))
    fake_loss = functional.binary_cross_entropy(torch.sigmoid(network(fake)), torch.zeros(16))
    torch.testing.assert_close((losses.real, losses.fake), (real_loss.detach(), fake_loss.detach()))
    together = torch.sigmoid(network(torch.cat([real, fake])))
    joint = functional.binary_cross_entropy(together, torch.cat([torch.ones(16), torch.zeros(16)])) * 2
    assert abs(joint - (real_loss + fake_loss)) > 1e-5  # normalised together the losses would be others
    (real_loss + fake_loss).backward()
    for ours, reference in zip(training.discriminator.parameters(), network.parameters(), strict=True):
        assert reference.grad is not None
        gradient = reference.grad + 0.01 * reference.detach()
        # Adam's first update: both averages are corrected to the gradient itself and its square.
        expected = reference.detach() - 0.003 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(ours.detach(), expected, rtol=1e-4, atol=1e-6)


def test_generator_step_lowers_the_loss_that_takes_fakes_for_real():
    training = AdversarialTraining(tiny_recipe(weight_decay=0.0), tiny_images())
    generator, discriminator = copy.deepcopy(training.generator), copy.deepcopy(training.discriminator)
    latents = []
    hook = training.generator.register_forward_hook(lambda module, inputs, output: latents.append(inputs[0]))
    losses = training.step()
    hook.remove()
    loss = -torch.log(torch.sigmoid(discriminator(generator(latents[0])))).mean()
    torch.testing.assert_close(losses.generator, loss.detach())
    loss.backward()
    for ours, before in zip(training.generator.parameters(), generator.parameters(), strict=True):
        assert before.grad is not None
        clear = before.grad.abs() > 1e-6
        assert torch.equal(torch.sign(ours - before)[clear], -torch.sign(before.grad)[clear])
        assert torch.all((ours - before).abs() <= 2e-4 * 1.001)


def test_each_pass_shows_every_image_once_in_an_order_of_its_own():
    training = AdversarialTraining(tiny_recipe(), tiny_images(70))
    passes = [
        np.concatenate([training.minibatches.indices(4 * epoch + batch) for batch in range(4)]) for epoch in range(3)
    ]
    for order in passes:
        assert len(set(order)) == 64
        assert order.min() >= 0
        assert order.max() < 70
    assert not np.array_equal(passes[0], passes[1])
    again = AdversarialTraining(tiny_recipe(), tiny_images(70))
    assert np.array_equal(again.minibatches.indices(9), training.minibatches.indices(9))
    other = AdversarialTraining(tiny_recipe(seed=1), tiny_images(70))
    assert not np.array_equal(other.minibatches.indices(9), training.minibatches.indices(9))


def test_real_batches_are_scaled_images_and_flips_mirror_about_half():
    images = tiny_images()
    plain = AdversarialTraining(tiny_recipe(), images)
    expected = images[plain.minibatches.indices(3)].transpose(0, 3, 1, 2) / 127.5 - 1
    np.testing.assert_allclose(plain.minibatches.real(3).numpy(), expected, atol=1e-6)
    mirrored = 0
    flipping = AdversarialTraining(tiny_recipe(flips=True), images)
    for step in range(8):
        expected = images[flipping.minibatches.indices(step)].transpose(0, 3, 1, 2) / 127.5 - 1
        for image, whole in zip(flipping.minibatches.real(step).numpy(), expected, strict=True):
            turned = np.allclose(image, whole[:, :, ::-1], atol=1e-6)
            assert turned or np.allclose(image, whole, atol=1e-6)
            mirrored += turned
    assert 40 <= mirrored <= 88


def test_latent_is_drawn_anew_every_minibatch():
    training = AdversarialTraining(tiny_recipe(), tiny_images())
    seen = []
    training.generator.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].clone()))
    for _ in range(3):
        training.step()
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])
    assert seen[0].abs().max() <= 1


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_two_runs_of_one_seed_are_the_same_to_the_bit(precision):
    runs = [AdversarialTraining(tiny_recipe(precision=precision), tiny_images()) for _ in range(2)]
    for training in runs:
        for _ in range(5):
            training.step()
    assert torch.equal(parameters(runs[0].generator), parameters(runs[1].generator))
    assert torch.equal(parameters(runs[0].discriminator), parameters(runs[1].discriminator))


def test_discriminator_learns_to_tell_two_kinds_of_images_apart():
    training = AdversarialTraining(tiny_recipe(discriminator_updates=30, learning_rate=1e-3), tiny_images() // 4)
    training.step()
    losses: list[Any] = [training.step() for _ in range(29)]
    assert (losses[-1].real + losses[-1].fake) < 0.5 * (losses[0].real + losses[0].fake)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_compiled_networks_take_the_same_steps(precision):
    """By torch.compile's tracing and differentiation, without the generated kernels, which want a GPU."""
    recipe = tiny_recipe(precision=precision)
    plain = AdversarialTraining(recipe, tiny_images())
    compiled = AdversarialTraining(recipe, tiny_images(), compiler="aot_eager")
    for _ in range(4):
        expected, losses = plain.step(), compiled.step()
        for name in ("real", "fake", "generator"):
            torch.testing.assert_close(getattr(losses, name), getattr(expected, name), rtol=1e-3, atol=1e-3)
    assert compiled.compiled
    assert not plain.compiled
    for part in ("generator", "discriminator"):
        ours, theirs = getattr(compiled, part).state_dict(), getattr(plain, part).state_dict()
        assert list(ours) == list(theirs)
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3)


def test_networks_that_cannot_be_compiled_train_as_they_are():
    def broken(graph, inputs):
        raise RuntimeError("no kernels here")

    training = AdversarialTraining(tiny_recipe(), tiny_images(), compiler=broken)
    plain = AdversarialTraining(tiny_recipe(), tiny_images())
    with pytest.warns(UserWarning, match="cannot be compiled here, training goes on without"):
        training.step()
    plain.step()
    assert not training.compiled
    training.step()
    plain.step()
    assert torch.equal(parameters(training.generator), parameters(plain.generator))
    assert torch.equal(parameters(training.discriminator), parameters(plain.discriminator))


def test_more_networks_are_compiled_than_pytorch_does_of_its_own_accord():
    from torch._dynamo import config

    with config.patch(recompile_limit=8):
        AdversarialTraining(tiny_recipe(), tiny_images(), compiler="aot_eager")
        assert config.recompile_limit == 64


def test_where_too_many_are_compiled_training_goes_on_without():
    from torch._dynamo.exc import FailOnRecompileLimitHit

    done = []

    def work():
        done.append(1)
        if len(done) == 1:
            raise FailOnRecompileLimitHit("Hard failure due to fullgraph=True")
        return "done"

    with pytest.warns(UserWarning, match="cannot be compiled here, training goes on without: Hard failure"):
        assert attempt([torch.nn.Identity()], work) == ("done", False)


def test_a_discriminators_images_in_one_pass_make_the_same_step():
    apart, joined = (AdversarialTraining(tiny_recipe(precision="fp32"), tiny_images()) for _ in range(2))
    assert not joined.in_one_pass  # on the CPU
    joined.in_one_pass = True
    for _ in range(4):
        expected, losses = apart.step(), joined.step()
        for name in ("real", "fake"):
            if (loss := getattr(expected, name)) is not None:
                torch.testing.assert_close(getattr(losses, name), loss, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parameters(joined.discriminator), parameters(apart.discriminator), rtol=1e-3, atol=1e-5)


def test_images_leave_a_gpu_whose_memory_does_not_suffice(monkeypatch):
    """The CPU stands for the GPU: images that it holds, and minibatches for which there is room without them."""
    training, plain = (AdversarialTraining(tiny_recipe(), tiny_images()) for _ in range(2))
    training.minibatches.resident = torch.from_numpy(tiny_images())
    add_up, fails = training.share.add_up, True

    def hungry(network, *losses):
        if training.minibatches.resident is not None and fails:  # when there are gradients already
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return add_up(network, *losses)

    monkeypatch.setattr(training.share, "add_up", hungry)
    for step in range(4):
        fails = step == 2
        if fails:
            with pytest.warns(UserWarning, match="no longer stay on it"):
                training.step()
        else:
            training.step()
        assert (training.minibatches.resident is None) == (step >= 2)
        plain.step()
    assert torch.equal(parameters(training.generator), parameters(plain.generator))
    assert torch.equal(parameters(training.discriminator), parameters(plain.discriminator))
    fails, training.minibatches.resident = True, torch.from_numpy(tiny_images())
    monkeypatch.setattr(training.share, "count", 2)  # the other process is in the middle of the minibatch
    with pytest.raises(torch.OutOfMemoryError):
        training.step()


def test_a_device_without_bfloat16_is_refused(monkeypatch):
    monkeypatch.setattr("dcgan_features.data.utils.gpu.computes_bfloat16", lambda device: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    AdversarialTraining(tiny_recipe(precision="fp32"), tiny_images())
    with pytest.raises(InputError, match="Tesla T4 does not compute in bfloat16"):
        AdversarialTraining(tiny_recipe(precision="bf16"), tiny_images())


def test_the_cpu_compiles_nothing_of_its_own_accord():
    assert default_compiler(torch.device("cpu")) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_takes_the_same_path_as_the_cpu():
    host, device = (AdversarialTraining(tiny_recipe(), tiny_images(), name) for name in ("cpu", "cuda"))
    for _ in range(4):
        ours, theirs = device.step(), host.step()
        for name in ("real", "fake", "generator"):
            if getattr(theirs, name) is not None:
                torch.testing.assert_close(getattr(ours, name).cpu(), getattr(theirs, name), rtol=1e-3, atol=1e-3)
