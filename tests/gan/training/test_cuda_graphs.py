"""What is recorded and replayed, with a recorder that stands for CUDA's: it does nothing while it records."""

import pytest
import torch

from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.cuda_graphs import Recorded, default_record
from dcgan_features.gan.training.data_parallel import WholeBatch
from tests.gan.tiny import tiny_images, tiny_recipe

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Recorder:
    """Its replays do the work again on the same tensors; counts both."""

    def __init__(self):
        self.recorded, self.replayed = 0, 0

    def __call__(self, work):
        self.recorded += 1

        def replay():
            self.replayed += 1
            work()

        return replay


def parameters(training):
    return [parameter for name in training.networks for parameter in getattr(training, name).parameters()]


@pytest.mark.parametrize("settings", [
    {},
    {"rotation": 0.7, "flips": True},
    {"loss": "hinge", "averaging": 0.9, "discriminator_updates": 2},
    {"network": "tiny-spectral", "gradient_penalty": 3.0},
])  # fmt: skip
def test_replayed_minibatches_are_those_of_a_plain_training(settings):
    record = Recorder()
    plain = AdversarialTraining(tiny_recipe(**settings), tiny_images())
    replayed = AdversarialTraining(tiny_recipe(**settings), tiny_images(), record=record)
    expected, losses = zip(*((plain.step(), replayed.step()) for _ in range(18)), strict=True)
    assert record.recorded == 2  # one of the generator's, one of the discriminator's
    assert record.replayed == 18 - 2 * 3
    assert [vars(each) for each in losses] == [vars(each) for each in expected]
    for ours, theirs in zip(parameters(replayed), parameters(plain), strict=True):
        assert torch.equal(ours, theirs)
    for name, average in plain.averages.items():
        for ours, theirs in zip(replayed.averages[name].parameters(), average.parameters(), strict=True):
            assert torch.equal(ours, theirs)


def test_what_is_returned_is_not_written_over_by_the_next_replay():
    memory = torch.zeros(2)
    doubled = Recorded(lambda given: {"double": torch.mul(given, 2, out=memory)}, Recorder())
    for _ in range(3):
        doubled(torch.ones(2))
    first, second = doubled(torch.tensor([1.0, 2.0]))["double"], doubled(torch.tensor([3.0, 4.0]))["double"]
    assert first.tolist() == [2.0, 4.0]
    assert second.tolist() == [6.0, 8.0]


def test_inputs_are_the_callers_own():
    kept = []

    def total(given):
        kept.append(given)
        return {"sum": given.sum()}

    work, given = Recorded(total, Recorder()), torch.ones(3)
    for _ in range(5):
        work(given)
    assert kept[2] is given
    assert kept[-1] is not given  # a replay reads its own memory


def test_where_recording_fails_training_goes_on_without():
    def fails(work):
        work()  # which is the beginning of a recording, not a minibatch
        raise RuntimeError("operation not permitted when stream is capturing\nwith details")

    once = Recorded(lambda given: {"same": given}, fails)
    for _ in range(3):
        once(torch.ones(1))
    with pytest.warns(UserWarning, match="cannot be recorded as a CUDA graph, training goes on without: operation not"):
        assert once(torch.full((1,), 5.0))["same"].item() == 5
    assert once(torch.full((1,), 6.0))["same"].item() == 6


def test_where_memory_does_not_suffice_to_record_the_images_leave_it():
    record, full = Recorder(), True

    def hungry(work):
        if full:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return record(work)

    training = AdversarialTraining(tiny_recipe(), tiny_images(), record=hungry)
    training.minibatches.resident = torch.from_numpy(tiny_images())
    for _ in range(6):
        training.step()
    with pytest.warns(UserWarning, match="no longer stay on it"), pytest.raises(torch.OutOfMemoryError):
        training.step()
    full = False
    training.step()
    assert (record.recorded, record.replayed) == (1, 1)


def test_several_processes_and_the_cpu_record_nothing():
    class Half(WholeBatch):
        count = 2

    record = Recorder()
    shared = AdversarialTraining(tiny_recipe(), tiny_images(), share=Half(), record=record)
    for _ in range(10):
        shared.step()
    assert record.recorded == 0
    assert default_record(torch.device("cpu")) is None
    assert default_record(torch.device("cuda")) is not None


@CUDA
@pytest.mark.parametrize("settings", [{}, {"rotation": 1.0, "flips": True}, {"averaging": 0.9}])
def test_a_cuda_graph_takes_the_same_steps(settings):
    plain, replayed = (AdversarialTraining(tiny_recipe(**settings), tiny_images(), "cuda") for _ in range(2))
    plain._generator_update._record = plain._discriminator_update._record = None
    for _ in range(12):
        expected, losses = plain.step(), replayed.step()
        for name, loss in vars(expected).items():
            if loss is not None:
                torch.testing.assert_close(getattr(losses, name), loss, rtol=1e-3, atol=1e-3)
