"""Several processes that train one net together, started by `torchrun`; with one process all of this does nothing.

Each process takes its share of every batch. Gradients are averaged by DistributedDataParallel and batch statistics
are taken over the whole batch, so the curve is that of one process at the same batch, within rounding.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Function
from torch.nn.parallel import DistributedDataParallel


def started() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def group(device: str) -> Iterator[None]:
    """Join the other processes that torchrun has started, if it has: over gloo on CPUs, over nccl on GPUs."""
    if not started():
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
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
    if not _together():
        return values
    values = values.clone()
    distributed.all_reduce(values)
    return values


def first(action: Callable[[], Any]) -> Any:
    """Let the first process act; every process gets what came of it, or raises the error that it raised."""
    if not _together():
        return action()
    box = [None]
    if is_first():
        try:
            box = [action()]
        except (ValueError, OSError, RuntimeError) as error:
            box = [error]
    distributed.broadcast_object_list(box)
    if isinstance(box[0], Exception):
        box[0].shared = True
        raise box[0]
    return box[0]


def of_this_process(error: Exception, words: str) -> str:
    """What this process says of an error: nothing where the first one tells the same, else with its number."""
    if is_first():
        return words
    return "" if getattr(error, "shared", False) else f"Process {os.environ['RANK']}: {words}"


def together(net: nn.Module) -> nn.Module:
    """The net with its gradients averaged over the processes."""
    # Told that parameters may go unused, it never regroups the gradients after the first step. Regrouped, three or more
    # processes add in another order, and a run that goes on would start in the first one again.
    return DistributedDataParallel(net, find_unused_parameters=True) if _together() else net


class _Normalise(Function):
    """(x − mean) / √(variance + eps) for each channel of (N, C, H, W), over the batch of all processes.

    Gives the mean and variance too, and how many values each was taken over.
    """

    @staticmethod
    def forward(ctx, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = x.float()
        own = x.numel() // x.shape[1]
        own_mean = values.sum((0, 2, 3)) / max(own, 1)
        own_spread = (values - _wide(own_mean)).square().sum((0, 2, 3))
        # One exchange: the spread about each process's own mean, and that of the means about their own.
        facts = _gathered(torch.cat([own_mean, own_spread, own_mean.new_full((1,), own)]))
        means, spreads, counts = facts.split([len(own_mean), len(own_mean), 1], dim=1)
        count = counts.sum()
        mean = (counts * means).sum(0) / count
        variance = (spreads + counts * (means - mean).square()).sum(0) / count
        inverse = (variance + eps).rsqrt()
        normalised = ((values - _wide(mean)) * _wide(inverse)).to(x.dtype)
        ctx.save_for_backward(normalised, inverse, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return normalised, mean, variance, count

    @staticmethod
    def backward(ctx, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        normalised, inverse, count = ctx.saved_tensors
        dtype, gradient = gradient.dtype, gradient.float()
        sums = torch.stack([gradient.sum((0, 2, 3)), (gradient * normalised).sum((0, 2, 3))])
        level, slope = total(sums) / count
        return ((gradient - _wide(level) - normalised * _wide(slope)) * _wide(inverse)).to(dtype), None


def _wide(values: Tensor) -> Tensor:
    """A value for each channel, ready for (N, C, H, W)."""
    return values.view(1, -1, 1, 1)


def _gathered(row: Tensor) -> Tensor:
    """The rows of all processes, (processes, n)."""
    rows = [torch.empty_like(row) for _ in range(processes())]
    distributed.all_gather(rows, row)
    return torch.stack(rows)


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch norm with the mean and variance of the whole batch, over all processes; torch's own takes only GPUs."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        normalised, mean, variance, count = _Normalise.apply(x, self.eps)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        return torch.addcmul(_wide(self.bias), normalised, _wide(self.weight)).to(x.dtype)


def synchronise(net: nn.Module) -> nn.Module:
    """The net, its batch norms replaced by synchronised ones where several processes train it.

    Raises ValueError then for a memory-efficient dense net, whose blocks take statistics of their own.
    """
    if not _together():
        return net
    for parent in list(net.modules()):
        if getattr(parent, "memory_efficient", False):
            raise ValueError("A memory-efficient dense net trains in one process; build it without memory_efficient.")
        for name, norm in parent.named_children():
            if isinstance(norm, nn.BatchNorm2d):
                replacement = SynchronisedBatchNorm(norm.num_features, norm.eps, norm.momentum)
                replacement.load_state_dict(norm.state_dict())
                setattr(parent, name, replacement)
    return net
