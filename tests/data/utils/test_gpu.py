"""Failures of a GPU, told apart by what PyTorch says of them; the sentences are those that it was seen to say."""

import pytest
import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.gpu import (
    check_precision,
    computes_bfloat16,
    failure,
    fits,
    float32_convolutions,
    is_out_of_memory,
    send,
)

OUT = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1 is free."
GONE = "CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported"
Accelerator = getattr(torch, "AcceleratorError", RuntimeError)  # of PyTorch 2.8 and newer


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(OUT),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you"),
    ],
)
def test_too_little_memory(error):
    assert is_out_of_memory(error)
    said = failure(error)
    assert said is not None
    assert said.startswith("the memory does not suffice (")
    assert "\n" not in said
    assert "smaller blocks or batches" in said


def test_memory_is_said_with_what_was_asked_for_and_no_more():
    assert "(CUDA out of memory. Tried to allocate 20.00 GiB);" in str(failure(torch.OutOfMemoryError(OUT)))


@pytest.mark.parametrize(
    ("error", "beginning"),
    [
        (Accelerator(GONE), "the GPU failed or is gone (CUDA error: unspecified launch failure); look at nvidia-smi"),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), "the GPU failed or is gone"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "the GPU failed or is gone"),
        (RuntimeError("No CUDA GPUs are available"), "the GPU failed or is gone"),
        (
            RuntimeError("CUDA error: no kernel image is available for execution on the device"),
            "this GPU or its driver",
        ),
        (RuntimeError("The NVIDIA driver on your system is too old (found version 11040)."), "this GPU or its driver"),
        (RuntimeError("Current CUDA Device does not support bfloat16. Please switch"), "this GPU or its driver"),
    ],
)
def test_failures(error, beginning):
    assert not is_out_of_memory(error)
    assert str(failure(error)).startswith(beginning)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        RuntimeError("NCCL error: unhandled cuda error. Last error: Cuda failure 'out of memory'"),
        ValueError("CUDA error: in a file's name"),
    ],
)
def test_anything_else_is_no_failure_of_the_device(error):
    assert not is_out_of_memory(error)
    assert failure(error) is None


def test_bfloat16_by_compute_capability(monkeypatch):
    device = torch.device("cuda:0")
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    for capability, able in (((7, 5), False), ((8, 0), True), ((12, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, capability=capability: capability)
        assert computes_bfloat16(device) == able
    assert computes_bfloat16(torch.device("cpu"))
    check_precision("bf16", device)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    check_precision("fp32", device)
    check_precision("bf16", torch.device("cpu"))
    with pytest.raises(InputError, match=r"Tesla T4 does not compute in bfloat16; give 'precision: fp32'"):
        check_precision("bf16", device)


def test_half_of_what_is_free_is_used(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 5000))
    assert fits(499, torch.device("cuda"))
    assert not fits(500, torch.device("cuda"))


def test_float32_convolutions_of_a_gpu_are_of_float32():
    def settings():
        return torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark

    before = settings()
    for search in (False, True):
        with float32_convolutions(torch.device("cuda"), search):
            assert settings() == (False, search)
    with float32_convolutions(torch.device("cpu"), search=True):
        assert settings() == before
    assert settings() == before


def test_what_is_sent_to_the_cpu_stays_as_it_is():
    tensor = torch.arange(3)
    assert send(tensor, torch.device("cpu")) is tensor
