"""What `torchrun` tells the processes that it starts, which is in their environment; PyTorch is not needed for it."""

from __future__ import annotations

import os


def started_by_torchrun() -> bool:
    """Whether `torchrun` started this process, as `torch.distributed.is_torchelastic_launched` finds it."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def resuming_command(module: str, arguments: list[str]) -> list[str]:
    """The command line of a module of ours that is running, to be typed again."""
    command = ["python"]
    if started_by_torchrun():
        machines = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
        command = ["torchrun", "--nproc-per-node", os.environ.get("LOCAL_WORLD_SIZE", "1")]
        command += ["--nnodes", str(machines), "..."] if machines > 1 else []
    return [*command, "-m", module, *arguments]
