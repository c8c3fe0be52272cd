"""Several processes that train one net together, started by `torchrun`; with one process all of this does nothing.

Each process takes its share of every batch. PyTorch averages the gradients (DistributedDataParallel) and takes batch
statistics over the whole batch (SyncBatchNorm, on GPUs only), so the curve is that of one process at the same batch,
within rounding.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from paper_nets.nets import InputError


def started() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def group(device: str) -> Iterator[None]:
    """Join the other processes that torchrun has started, if it has. Raises InputError on CPUs."""
    if not started():
        yield
        return
    if device != "cuda":
        raise InputError("Several processes train one net on GPUs only; on CPUs start one process, without torchrun.")
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def processes() -> int:
    """How many there are; 1 without torchrun."""
    return distributed.get_world_size() if _together() else 1


def is_first() -> bool:
    """Whether this is the process that writes and prints; also before the others are joined, and after."""
    return not started() or os.environ["RANK"] == "0"


def share(rows: Tensor) -> Tensor:
    """This process's part of the rows of a tensor."""
    return rows.tensor_split(processes())[distributed.get_rank()] if _together() else rows


def total(values: Tensor) -> Tensor:
    """The sum over all processes."""
    if _together():
        values = values.clone()
        distributed.all_reduce(values)
    return values


def first(action: Callable[[], Any]) -> Any:
    """Let the first process act; every process gets its result, or raises the error that it raised."""
    if not _together():
        return action()
    try:
        box = [action() if is_first() else None]
    except (ValueError, OSError) as error:
        box = [error]
    distributed.broadcast_object_list(box)
    if isinstance(box[0], Exception):
        box[0].shared = True
        raise box[0]
    return box[0]


def message_of_this_process(error: BaseException, message: str) -> str:
    """What this process says of an error: nothing where the first one says the same, else with its number."""
    if is_first():
        return message
    return "" if getattr(error, "shared", False) else f"Process {os.environ['RANK']}: {message}"


def together(net: nn.Module) -> nn.Module:
    """The net with its gradients averaged over the processes."""
    # Told that parameters may go unused, it never regroups the gradients after the first step. Regrouped, three or more
    # processes add in another order, and a run that goes on would start in the first one again.
    return DistributedDataParallel(net, find_unused_parameters=True) if _together() else net


def synchronise(net: nn.Module) -> nn.Module:
    """The net, its batch norms replaced by synchronised ones where several processes train it.

    Raises: InputError then for a memory-efficient dense net, whose blocks take statistics of their own.
    """
    if _together() and any(getattr(module, "memory_efficient", False) for module in net.modules()):
        raise InputError("A memory-efficient dense net trains in one process; build it without memory_efficient.")
    return nn.SyncBatchNorm.convert_sync_batchnorm(net) if _together() else net
