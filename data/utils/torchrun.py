"""What `torchrun` tells the processes that it starts, which is in their environment; PyTorch is not needed for it."""

from __future__ import annotations

import os
import sys


def started_by_torchrun() -> bool:
    """Whether `torchrun` started this process, as `torch.distributed.is_torchelastic_launched` finds it."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def resuming_command() -> list[str]:
    """Return the command line that is running, as it was typed: "python -m benchmarks.compare ..."."""
    command = ["python"]
    if started_by_torchrun():
        machines = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
        command = ["torchrun", "--nproc-per-node", os.environ.get("LOCAL_WORLD_SIZE", "1")]
        command += ["--nnodes", str(machines), "..."] if machines > 1 else []
    spec = getattr(sys.modules["__main__"], "__spec__", None)  # None where Python was started with a file
    module = [] if spec is None else ["-m", str(spec.name).removesuffix(".__main__")]
    return [*command, *(module or sys.argv[:1]), *sys.argv[1:]]
