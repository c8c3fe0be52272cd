"""How fast training is here, and how much memory it takes, beside a plain loop around the same net."""

import ctypes
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle, repeat
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from paper_nets.lab.data import noise
from paper_nets.lab.train import Recipe, Training, build_for_training, default_recipe, seeded

RESET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
NETS = ("resnet20", "resnet56", "densenet40_k12", "densenet_bc100_k12")


@dataclass(frozen=True)
class Speed:
    """Images per second in training, and the peak of memory above the idle process's, in 10⁹ bytes.

    plain: float32, PyTorch's defaults, on one batch over and over, without an input pipeline. written: our loop around
    a dense net as it is written, where it trains in its memory-efficient form; else None. Memory is None where the
    system does not tell it. shares: of the time of one of our steps, in per cent, by kind of work.
    """

    net: str
    batch: int
    ours: float
    plain: float
    written: float | None
    our_memory: float | None
    plain_memory: float | None
    written_memory: float | None
    shares: dict[str, float]

    def __str__(self) -> str:
        memories = self.our_memory, self.plain_memory, self.written_memory
        ours, plain, written = ("" if memory is None else f"{memory:.2f} GB" for memory in memories)
        beside = f"{self.ours / self.plain:.2f} times as fast" + (f", {ours} (plain {plain})" if ours else "")
        words = f"{self.net}, batch {self.batch}: {self.ours:.0f} images per second (plain {self.plain:.0f}), {beside}"
        if self.written is not None:
            words += f"; as written, {self.written:.0f} images per second" + (f", {written}" if written else "")
        shares = ", ".join(f"{kind} {share:.0f} %" for kind, share in self.shares.items())
        return f"{words}; {shares}" if shares else words


def speeds(nets: Sequence[str], recipe: dict, device: str, compiled: bool, seconds: float = 10) -> Iterator[Speed]:
    """Measure nets one after the other, each in a process of its own, on random images of CIFAR's size.

    Args:
        recipe: what to change in each net's own recipe.
        seconds: for each of the two or three loops.

    Raises: InputError for a name of no net.
    """
    recipes = [replace(default_recipe(name, "cifar10"), **recipe) for name in nets]
    same = map(repeat, (device, compiled, seconds, torch.get_num_threads()))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        yield from pool.map(_measured, nets, recipes, *same)


def _measured(name: str, recipe: Recipe, device: str, compiled: bool, seconds: float, threads: int) -> Speed:
    torch.set_num_threads(threads)
    # One step of a small net loads all that training needs of PyTorch, which is not the measured net's memory.
    _loops("resnet8", replace(default_recipe("resnet8", "cifar10"), batch=2), device, compiled)["ours"]()
    idle = _memory(device)
    loops = _loops(name, recipe, device, compiled)
    memory = {kind: _peak(step, device, idle) for kind, step in loops.items()}
    turns = [{kind: _rate(step, seconds / 3) for kind, step in loops.items()} for _ in range(3)]
    kinds = ("ours", "plain", "written")
    rates = [recipe.batch * median(turn[kind] for turn in turns) if kind in loops else None for kind in kinds]
    return Speed(name, recipe.batch, *rates, *map(memory.get, kinds), _shares(loops["ours"], device))


def _loops(name: str, recipe: Recipe, device: str, compiled: bool) -> dict[str, Callable[[], float]]:
    """One step of each loop; they give the loss."""
    data = noise(4 * recipe.batch)
    batches = torch.arange(4 * recipe.batch).split(recipe.batch)

    def ours(net: torch.nn.Module) -> Callable[[], float]:
        training, turn = Training(net, data, recipe, device, compiled), cycle(batches)
        return lambda: training.step(next(turn), recipe.learning_rate)[0].item()

    plain_net = seeded(name, data, recipe.seed).to(device)
    x, y = data.train_images[: recipe.batch].float().to(device) / 255, data.train_labels[: recipe.batch].to(device)
    optimiser = torch.optim.SGD(plain_net.parameters(), recipe.learning_rate, recipe.momentum)

    def plain() -> float:
        loss = functional.cross_entropy(plain_net(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    net = build_for_training(name, data, recipe, device, compiled)
    loops = {"ours": ours(net), "plain": plain}
    if getattr(net.plan, "memory_efficient", False):
        loops["written"] = ours(seeded(name, data, recipe.seed))
    return loops


def _rate(step: Callable[[], float], seconds: float) -> float:
    """Steps per second."""
    start, steps = time.perf_counter(), 0
    while (taken := time.perf_counter() - start) < seconds:
        step()
        steps += 1
    return steps / taken


# Words in the names of PyTorch's operators, as aten::native_batch_norm, by kind of work. A name is taken apart at its
# underscores: addmm, the classifier, is no sum.
KINDS = {
    "convolution": {"convolution", "conv2d"},
    "batch norm": {"batchnorm"},
    "copies, sums and ReLU": {"copy", "add", "cat", "relu", "clamp", "threshold", "fill", "zero"},
}


def kind_of(operator: str) -> str:
    """The kind of work that an operator of PyTorch's profiler does, one of `KINDS` or "the rest"."""
    words = operator.removeprefix("aten::").replace("batch_norm", "batchnorm").split("_")
    known = KINDS.items() if operator.startswith("aten::") else ()  # not Optimizer.zero_grad, for one
    return next((kind for kind, names in known if names.intersection(words)), "the rest")


def _shares(step: Callable[[], float], device: str) -> dict[str, float]:
    """What the time of three steps goes to, in per cent."""
    if device != "cpu":
        return {}
    os.environ["KINETO_LOG_LEVEL"] = "99"  # or it complains that there is no GPU
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(3):
            step()
    spent = dict.fromkeys([*KINDS, "the rest"], 0.0)
    for entry in seen.key_averages():
        spent[kind_of(entry.key)] += entry.self_cpu_time_total
    return {kind: 100 * time / sum(spent.values()) for kind, time in spent.items()}


def _memory(device: str, most: bool = False) -> int | None:
    """Bytes in use now, or at most since the last reset; None where the system does not tell (Linux does)."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() if most else torch.cuda.memory_allocated()
    if not RESET.exists():
        return None
    return 1024 * int(re.search(rf"{'VmHWM' if most else 'VmRSS'}:\s+(\d+)", STATUS.read_text())[1])


def _peak(step: Callable[[], float], device: str, idle: int | None) -> float | None:
    """The most memory in use over three steps, above that of the idle process, in 10⁹ bytes."""
    if idle is None:
        return None
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        ctypes.CDLL(None).malloc_trim(0)  # what an earlier loop has freed is not this one's
        RESET.write_text("5")  # forget the peak so far
    for _ in range(3):
        step()
    return (_memory(device, most=True) - idle) / 1e9
