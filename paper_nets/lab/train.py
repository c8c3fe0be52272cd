"""One training loop, for a notebook cell and for the command line."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite

import pandas
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import MultiStepLR, OneCycleLR

from paper_nets.lab.data import Data, crop_and_flip
from paper_nets.nets import build, cost
from paper_nets.nets.parts import check_choice, check_whole


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train. The defaults are those of the ResNet paper for CIFAR-10 (Section 4.2), without the warm-up of its
    110-layer net.

    epochs: passes over the training images; the paper's 64,000 iterations of 128 images are 164.
    schedule: "step", the rate divided by 10 after half and three quarters of all iterations, as in both papers;
        or "one-cycle", up to `learning_rate` and down to nearly 0, for runs of a few hundred iterations.
    """

    epochs: int
    batch: int = 128
    learning_rate: float = 0.1
    schedule: str = "step"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    seed: int = 0

    def __post_init__(self):
        check_whole(epochs=self.epochs, batch=self.batch)
        check_choice("schedule", self.schedule, ("step", "one-cycle"))
        if not (isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate is {self.learning_rate!r}; it must be a number above 0.")
        if not (isinstance(self.seed, int) and 0 <= self.seed < 2**63):
            raise ValueError(f"seed is {self.seed!r}; it must be a whole number from 0 to 2**63 - 1.")


# The ResNet paper's, and the DenseNet paper's (Section 4.2 of either).
RESNET = Recipe(epochs=164)
DENSENET = Recipe(epochs=300, batch=64, nesterov=True)
# A schedule for the digits that shows the degradation within a minute.
DIGITS = Recipe(epochs=15, batch=64, schedule="one-cycle")


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Errors in per cent: of the training batches as they went by, of the whole test set."""

    epoch: int
    training_loss: float
    training_error: float
    test_error: float
    learning_rate: float
    seconds: float


def train(
    net: nn.Module, data: Data, recipe: Recipe, progress: Callable[[Iterable], Iterable] = iter
) -> Iterator[Epoch]:
    """Train `net` in place, giving a row after each epoch.

    `progress` wraps each epoch's sequence of batches, as `tqdm` does. The seed fixes the order of the images and
    their augmentation; the initial weights are the caller's. Raises ValueError for images that the net does not take,
    FloatingPointError when the loss is no longer finite.
    """
    net.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.SGD(
        net.parameters(),
        recipe.learning_rate,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )
    normalise = _normaliser(data)
    images, labels = data.train_images, data.train_labels
    schedule = _schedule(optimiser, recipe, recipe.epochs * iterations_per_epoch(len(images), recipe.batch))

    for epoch in range(1, recipe.epochs + 1):
        start, loss_sum, wrong = time.perf_counter(), 0.0, 0
        net.train()
        order = torch.randperm(len(images), generator=generator)
        for indices in progress(_batches(order, recipe.batch)):
            x, y = images[indices], labels[indices]
            x = normalise(x)
            if data.augment:
                x = crop_and_flip(x, generator)
            logits = net(x)
            loss = functional.cross_entropy(logits, y)
            if not loss.isfinite():
                raise FloatingPointError(f"The loss became {loss.item()} in epoch {epoch}; try a lower learning rate.")
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate = schedule.get_last_lr()[0]
            schedule.step()
            loss_sum += loss.item() * len(y)
            wrong += (logits.argmax(1) != y).sum().item()
        test_error = error(net, data.test_images, data.test_labels, normalise)
        seconds = time.perf_counter() - start
        yield Epoch(epoch, loss_sum / len(images), 100 * wrong / len(images), test_error, rate, seconds)


@dataclass(frozen=True)
class Progress:
    """Where a series of trainings stands.

    table: a row for each net and epoch so far: net, seed, and the fields of `Epoch`.
    done: the share of all the work, 0 to 1, measured in multiply–adds.
    doing: the net at work.
    """

    table: pandas.DataFrame
    done: float
    doing: str


def train_each(names: Sequence[str], data: Data, recipe: Recipe) -> Iterator[Progress]:
    """Train nets by name one after the other, all alike and from the same seed, telling after each epoch."""
    work = {name: cost(name, data.shape, in_channels=data.shape[0]).multiply_adds for name in names}
    rows, worked = [], 0
    for name in names:
        net = seeded(name, data, recipe.seed)
        for row in train(net, data, recipe):
            rows.append({"net": name, "seed": recipe.seed, **asdict(row)})
            worked += work[name]
            yield Progress(pandas.DataFrame(rows), worked / (recipe.epochs * sum(work[n] for n in names)), name)


def seeded(name: str, data: Data, seed: int) -> nn.Module:
    """A net by name for these images and classes, its initial weights fixed by the seed."""
    torch.manual_seed(seed)
    return build(name, in_channels=data.shape[0], num_classes=len(data.classes))


@torch.no_grad()
def error(
    net: nn.Module, images: Tensor, labels: Tensor, normalise: Callable[[Tensor], Tensor], batch: int = 500
) -> float:
    """The share of images that `net` gets wrong in evaluation mode, in per cent."""
    net.eval()
    parts = zip(images.split(batch), labels.split(batch), strict=True)
    wrong = sum((net(normalise(x)).argmax(1) != y).sum().item() for x, y in parts)
    return 100 * wrong / len(images)


def iterations_per_epoch(images: int, batch: int) -> int:
    """Training steps in an epoch; a single image left over makes no step of its own."""
    return max(1, -(-(images - 1) // batch))


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """The order in batches. A single image left over joins the batch before: batch norm may not get one value alone."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _normaliser(data: Data) -> Callable[[Tensor], Tensor]:
    mean, std = data.mean_and_std
    return lambda images: ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def _schedule(optimiser: torch.optim.Optimizer, recipe: Recipe, iterations: int):
    if recipe.schedule == "step":
        return MultiStepLR(optimiser, [iterations // 2, iterations * 3 // 4])
    return OneCycleLR(optimiser, recipe.learning_rate, total_steps=iterations + 1, cycle_momentum=False)
