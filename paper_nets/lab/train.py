"""One training loop, for a notebook cell, for the command line, and for several processes together."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from math import cos, inf, isfinite, nan, pi

import numpy
import pandas
import torch
from joblib import cpu_count
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from paper_nets.lab import parallel
from paper_nets.lab.data import CIFAR, Data, crop_and_flip
from paper_nets.nets import DenseNetPlan, InputError, build, cost, plan
from paper_nets.nets.parts import check_choice, check_share, check_switch, check_whole, is_count

PRECISIONS = ("float32", "bfloat16")
# Steps between two looks at the loss: on a GPU each look waits for all the work under way.
LOOK = 16


def option(default, help: str, choices: Sequence[str] | None = None):
    """A field of `Recipe`, with what the command line says of it (`train --help`)."""
    return field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train. The defaults are those of the ResNet paper for CIFAR-10 (Section 4.2).

    Args:
        epochs, iterations: the length, one of the two; in passes over the training images, or in steps.
        schedule: "step", the rate divided by 10 after half and three quarters of all iterations, as in both papers; or
            "one-cycle", up to `learning_rate` and down to nearly 0, for runs of a few hundred iterations.
        augment: `crop_and_flip` the training images; not for digits, of which it can make others.
        dropout: share of a dense net's convolution outputs dropped in training, as `build_for_training` builds it.
        warm_up: whole epochs at a tenth of the rate, until one has a training error below 80 %, as the paper's 110
            layers.
        precision: "float32", or "bfloat16" for what loses nothing by it (torch.autocast).
        init: "fan_in" or "fan_out" (`nets.parts.initialise`), None for the family's own.
        stem: "3x3" for small images or "7x7", None for the net's own.
        seed: fixes the initial weights, the order of the images and their augmentation.

    Raises: InputError, in one sentence, for values that cannot be trained with.
    """

    epochs: int | None = option(None, "passes over images (digits: 15; dense nets: 300; others, but for CIFAR: 164)")
    iterations: int | None = option(None, "the length in steps instead (plain and residual nets on CIFAR: 64000)")
    batch: int = option(128, "images per step, over all processes together (128; dense nets and digits: 64)")
    learning_rate: float = option(0.1, "the highest (0.1)")
    schedule: str = option("step", "step; on the digits one-cycle", ("step", "one-cycle"))
    augment: bool = option(True, "crop and flip the training images (all but the digits)")
    dropout: float = option(0.0, "in dense nets (0.2 with --no-augment, else and on digits 0)")
    warm_up: bool = option(False, "start at a tenth of the rate (from 110 layers on)")
    momentum: float = option(0.9, "of SGD (0.9)")
    nesterov: bool = option(False, "Nesterov's momentum (dense nets)")
    weight_decay: float = option(1e-4, "(0.0001)")
    validation: int = option(0, "training images held out and measured too; 5,000 in the ResNet paper (0)")
    precision: str = option("float32", "bfloat16 where the hardware has it", PRECISIONS)
    init: str | None = option(None, "initial weights (dense nets: fan_out, others: fan_in)", ("fan_in", "fan_out"))
    stem: str | None = option(None, "first layer; 3x3 for ImageNet's nets on small images", ("3x3", "7x7"))
    seed: int = option(0, "of weights, order and augmentation (0)")

    def __post_init__(self):
        if (self.epochs is None) == (self.iterations is None):
            raise InputError("A recipe has either epochs or iterations; give one of them, and not both.")
        check_whole(**{"iterations": self.iterations} if self.epochs is None else {"epochs": self.epochs})
        check_switch(augment=self.augment, warm_up=self.warm_up, nesterov=self.nesterov)
        check_share(dropout=self.dropout)
        for entry in fields(self):
            if entry.metadata["choices"] and (value := getattr(self, entry.name)) != entry.default:
                check_choice(entry.name, value, entry.metadata["choices"])
        numbers = self.learning_rate, self.momentum, self.weight_decay
        rate, momentum, decay = (value if isinstance(value, int | float) else nan for value in numbers)
        for name, is_right, must in (
            ("batch", is_count(self.batch) and self.batch <= 10**6, "be a whole number above 0, at most 1,000,000"),
            ("learning_rate", 0 < rate < inf, "be a number above 0"),
            ("momentum", 0 <= momentum < 1, "lie in [0, 1), 0 for none"),
            ("weight_decay", 0 <= decay < inf, "be a number of at least 0"),
            ("validation", self.validation == 0 or is_count(self.validation), "be a number of images, 0 for none"),
            ("seed", self.seed == 0 or is_count(self.seed) and self.seed < 2**63, "be a whole number below 2**63"),
        ):
            if not is_right:
                raise InputError(f"{name} is {getattr(self, name)!r}; it must {must}.")
        if self.nesterov and self.momentum == 0:
            raise InputError("nesterov is True and momentum 0; Nesterov's method needs a momentum above 0.")

    @property
    def length(self) -> str:
        """The length in words: "15epochs" or "64000iterations"."""
        return f"{self.epochs}epochs" if self.iterations is None else f"{self.iterations}iterations"

    def steps(self, images: int) -> int:
        """Iterations in all, for so many training images."""
        return self.iterations or self.epochs * iterations_per_epoch(images, self.batch)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of one step of `steps`, the first being 0; without the warm-up."""
        if self.schedule == "step":
            return self.learning_rate * 0.1 ** ((step >= steps // 2) + (step >= steps * 3 // 4))
        # Smith and Topin, arXiv 1708.07120, as PyTorch's OneCycleLR: up from 1/25 in three tenths of the way, then down
        # to 1/250,000, both along half a cosine.
        top = 0.3 * (steps + 1) - 1
        start, end, way = (1 / 25, 1, step / top) if step <= top else (1, 4e-6, (step - top) / (steps - top))
        return self.learning_rate * (end + (start - end) * (1 + cos(pi * way)) / 2)

    def only_decay(self, steps: int) -> float:
        """What is left, after so many steps of SGD, of a weight of 1 that no gradient but weight decay's ever reaches.

        Momentum m hands every push on to the steps after it, so decay counts 1 / (1 − m) times: tenfold with the
        papers' 0.9.
        """
        weight, velocity = 1.0, 0.0
        for step in range(steps):
            gradient = self.weight_decay * weight
            velocity = self.momentum * velocity + gradient
            weight -= self.rate(step, steps) * (gradient + self.momentum * velocity if self.nesterov else velocity)
        return weight


# The ResNet paper's, and the DenseNet paper's (Section 4.2 of either).
RESNET = Recipe(iterations=64_000)
DENSENET = Recipe(epochs=300, batch=64, nesterov=True)
# A schedule for the digits that shows the degradation within a minute. A crop or a flip can make one digit another.
DIGITS = Recipe(epochs=15, batch=64, schedule="one-cycle", augment=False)


def default_recipe(net: str, data: str, augment: bool = True, part: int | None = None) -> Recipe:
    """The recipe that a net's own paper has for CIFAR, with or without augmentation, and `DIGITS` for the digits.

    Without augmentation the DenseNet paper drops 0.2 of every convolution's outputs (Section 4.2). Where there are not
    CIFAR's 50,000 images, but those of a folder or only `part` of them, the ResNet paper's 64,000 steps are as many
    passes over them as over CIFAR.

    Raises: InputError for a name of no net.
    """
    made = plan(net)
    if data == "digits":
        return replace(DIGITS, init=made.init)
    if isinstance(made, DenseNetPlan):
        return replace(DENSENET, augment=augment, dropout=0.0 if augment else 0.2, init=made.init)
    length = {} if data in CIFAR and part is None else {"iterations": None, "epochs": 164}
    return replace(RESNET, augment=augment, warm_up=made.depth >= 110, init=made.init, **length)


def fast_precision(device: str) -> str:
    """bfloat16 where the hardware computes in it (of processors, x86 with AVX-512 BF16), else float32."""
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch before 2.12 does not tell
    return "bfloat16" if device == "cpu" and capabilities.get("avx512_bf16") else "float32"


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    iteration: steps so far. learning_rate: of the last one. seconds: of this epoch, its measurements included.
    Errors in per cent: of the training batches as they went by; of all validation images, NaN where none are held
    out; of all test images.
    """

    epoch: int
    iteration: int
    training_loss: float
    training_error: float
    validation_error: float
    test_error: float
    learning_rate: float
    seconds: float


# Called every few steps with the iterations so far and the epoch's loss and training error so far.
Watch = Callable[[int, float, float], None]


class Training:
    """A training under way, alone or as one of several processes (`paper_nets.lab.parallel`).

    All that its next epoch depends on is in `state()` and `rows`.

    Raises: InputError for more images held out than there are, for a batch smaller than the number of processes, and
        for a dropout that is not the net's own, or that several processes would each draw for themselves.
    """

    def __init__(self, net: nn.Module, data: Data, recipe: Recipe, device: str = "cpu", compiled: bool = False):
        processes, made = parallel.processes(), getattr(net, "plan", None)
        if recipe.batch < processes:
            raise InputError(f"batch is {recipe.batch}; it must be at least {processes}, the number of processes.")
        dropout = max((module.p for module in net.modules() if isinstance(module, nn.Dropout)), default=0)
        if recipe.dropout != dropout:
            raise InputError(f"dropout is {recipe.dropout}; the net was built with {dropout}, and both must agree.")
        if recipe.dropout and processes > 1:
            raise InputError(
                f"dropout is {recipe.dropout}; with several processes it must be 0, since each would draw its own."
            )
        # The maps that enter the head are the smallest that batch norm gets.
        if recipe.batch == 1 and getattr(made, "norm", False) and cost(made, data.shape).stages[-2].shape[1:] == (1, 1):
            raise InputError(
                "batch is 1, and the net shrinks these images to one pixel, which has no spread for batch norm; "
                "it must be at least 2."
            )
        self.recipe, self.device, self.compiled, self.rows = recipe, torch.device(device), compiled, []
        self._classes = data.classes
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            # A run is to give the same bits again, and float32 is not to mean TensorFloat-32.
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.allow_tf32 = False
        self.net = parallel.synchronise(net).to(self.device, memory_format=torch.channels_last)
        # On a GPU a tensor, which a recorded step reads anew each time; that takes the fused form.
        rate = torch.tensor(recipe.learning_rate, device=self.device) if on_gpu else recipe.learning_rate
        how = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay, "nesterov": recipe.nesterov}
        self.optimiser = torch.optim.SGD(self.net.parameters(), rate, fused=on_gpu or None, **how)
        self._recorded = {} if on_gpu and processes == 1 else None  # a step for each size of batch
        self._mean, self._std = (statistic.to(self.device) for statistic in data.mean_and_std)
        self._train, self._validation = data.hold_out(recipe.validation, self.device)
        self._test = data.test_images.to(self.device), data.test_labels.to(self.device)
        self.steps = recipe.steps(len(self._train[1]))
        self._generator = torch.Generator().manual_seed(recipe.seed)
        # Dropout draws from PyTorch's own generator; it is lent to each epoch, and given back as it was.
        self._dropout = {"dropout": torch.Generator().manual_seed(recipe.seed).get_state()}
        if on_gpu:
            self._dropout["dropout.cuda"] = torch.Generator(self.device).manual_seed(recipe.seed).get_state()
        # The same arithmetic at other shapes: the compiled net and the processes' share the weights of `net`.
        # Not dynamic: a graph of symbolic size, made when the last and smaller batch comes, would give other bits.
        self._net = parallel.together(torch.compile(self.net, dynamic=False) if compiled else self.net)

    @property
    def iteration(self) -> int:
        return self.rows[-1].iteration if self.rows else 0

    @property
    def finished(self) -> bool:
        return self.iteration >= self.steps

    def epoch(self, watch: Watch = lambda *_: None) -> Epoch:
        """Train for one epoch, or for what is left of the iterations, and measure.

        Raises: FloatingPointError when the loss is no longer finite, InputError after the last iteration.
        """
        if self.finished:
            raise InputError(f"All {self.steps} iterations are done; a longer training needs a longer recipe.")
        start, step = time.perf_counter(), self.iteration
        order = torch.randperm(len(self._train[1]), generator=self._generator)
        batches = batches_of(order, self.recipe.batch)[: self.steps - step]
        warming = self.recipe.warm_up and min([row.training_error for row in self.rows], default=100) >= 80
        exact = torch.float32 if self.device.type == "mps" else torch.float64  # which mps has not
        sums = torch.zeros(2, dtype=exact, device=self.device)  # of the losses, and of the mistakes
        count = 0
        self.net.train()
        with self._lent_generators():
            for batch in batches:
                rate = self.recipe.rate(step, self.steps) * (0.1 if warming else 1)
                sums += self.step(batch, rate)
                step, count = step + 1, count + len(batch)
                if step % LOOK == 0 or batch is batches[-1]:
                    loss_sum, wrong = parallel.total(sums).tolist()
                    if not isfinite(loss_sum):
                        last = "no epoch was finished"
                        if self.rows:
                            last = f"epoch {len(self.rows)} ended at {self.rows[-1].training_loss:.4f}"
                        raise FloatingPointError(
                            f"The loss became {loss_sum} by iteration {step} ({last}); try a lower learning rate."
                        )
                    watch(step, loss_sum / count, 100 * wrong / count)
        loss, error = loss_sum / count, 100 * wrong / count
        validation = self.error(*self._validation) if self.recipe.validation else nan
        errors = error, validation, self.error(*self._test)
        self.rows.append(Epoch(len(self.rows) + 1, step, loss, *errors, rate, time.perf_counter() - start))
        return self.rows[-1]

    def step(self, batch: Tensor, rate: float) -> Tensor:
        """One step on the training images with these indices; the sum of the losses and the number of mistakes, over
        this process's share of them."""
        (group,) = self.optimiser.param_groups
        group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], Tensor) else rate
        # Every process draws for the whole batch and keeps its share, so that all see what one alone would see.
        crops = torch.rand(len(batch), 3, generator=self._generator)
        drawn = parallel.share(batch).to(self.device), parallel.share(crops).to(self.device)
        if self._recorded is None:
            return self._step(*drawn, len(batch))
        if len(batch) not in self._recorded:
            self._recorded[len(batch)] = self._record(*drawn)
        graph, places, result = self._recorded[len(batch)]
        for place, values in zip(places, drawn, strict=True):
            place.copy_(values)
        graph.replay()
        return result

    def _record(self, *drawn: Tensor) -> tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], Tensor]:
        """A step as a CUDA graph, with the places that it reads from and the result that it writes.

        A step of these nets is hundreds of kernels of a few microseconds, which one by one would wait for Python.
        """
        before, side, graph = self.state(), torch.cuda.Stream(), torch.cuda.CUDAGraph()
        side.wait_stream(torch.cuda.current_stream())
        with torch.random.fork_rng([self.device]):  # a run that goes on records again; dropout may not draw for it
            with torch.cuda.stream(side):
                for _ in range(3):  # PyTorch's own warm-up: what is set up once may not be part of the graph
                    self._step(*drawn, len(drawn[0]))
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(graph):
                result = self._step(*drawn, len(drawn[0]))
        self.restore(before, self.rows)
        return graph, drawn, result

    @contextmanager
    def _lent_generators(self) -> Iterator[None]:
        """PyTorch's own generators in the state that this training has reached, for dropout."""
        if not self.recipe.dropout:
            yield
            return
        on_gpu = self.device.type == "cuda"
        with torch.random.fork_rng([self.device] if on_gpu else []):
            torch.set_rng_state(self._dropout["dropout"])
            if on_gpu:
                torch.cuda.set_rng_state(self._dropout["dropout.cuda"], self.device)
            yield
            self._dropout["dropout"] = torch.get_rng_state()
            if on_gpu:
                self._dropout["dropout.cuda"] = torch.cuda.get_rng_state(self.device)

    def _step(self, mine: Tensor, crops: Tensor, total: int) -> Tensor:
        """`step` on this process's share, (n) and (n, 3), of `total` images."""
        images, labels = self._train
        x, y = self._normalise(images[mine]), labels[mine]
        if self.recipe.augment:
            x = crop_and_flip(x, crops)
        with self._autocast():
            logits = self._net(x)
        loss = functional.cross_entropy(logits.float(), y, reduction="sum")
        self.optimiser.zero_grad()
        # Data-parallel gradients are averaged over the processes, and the loss is to be averaged over the batch.
        (loss * (parallel.processes() / total)).backward()
        self.optimiser.step()
        return torch.stack([loss.detach(), (logits.argmax(1) != y).sum()])

    def _normalise(self, images: Tensor) -> Tensor:
        return ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)

    def _autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")

    @torch.no_grad()
    def error(self, images: Tensor, labels: Tensor) -> float:
        """The share of images that the net gets wrong in evaluation mode, in per cent."""
        self.net.eval()
        wrong = torch.zeros(1, device=self.device)
        # On a CPU few, since 500 images of a dense net can take more memory than its training.
        few = 50 if self.device.type == "cpu" else 500
        for x, y in zip(parallel.share(images).split(few), parallel.share(labels).split(few), strict=True):
            with self._autocast():
                wrong += (self.net(self._normalise(x)).argmax(1) != y).sum()
        return 100 * parallel.total(wrong).item() / len(images)

    def class_errors(self) -> str:
        """The error of each class's test images, and their mean, in which all classes count alike, in a sentence."""
        images, labels = self._test
        chosen = ((name, labels == label) for label, name in enumerate(self._classes))
        errors = pandas.Series({name: self.error(images[those], labels[those]) for name, those in chosen})
        each = ", ".join(f"{name} {error:.2f} %" for name, error in errors.sort_values(ascending=False).items())
        return f"Test error by class: {each}; balanced, the mean of the classes: {errors.mean():.2f} %."

    def state(self) -> dict[str, Tensor]:
        """Weights, momentum and random numbers, by name, on the CPU."""
        momentum = {name: self.optimiser.state[p].get("momentum_buffer") for name, p in self.net.named_parameters()}
        chance = {"order": self._generator.get_state(), **self._dropout}
        return {
            f"{kind}.{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for kind, tensors in (("net", self.net.state_dict()), ("momentum", momentum), ("chance", chance))
            for name, tensor in tensors.items()
            if tensor is not None
        }

    def restore(self, state: dict[str, Tensor], rows: Sequence[Epoch]) -> None:
        """Go on from a `state()`, and the epochs that led to it."""
        self.net.load_state_dict({name[4:]: tensor for name, tensor in state.items() if name.startswith("net.")})
        for name, parameter in self.net.named_parameters():
            momentum = self.optimiser.state[parameter].get("momentum_buffer")
            if momentum is None and f"momentum.{name}" in state:
                momentum = self.optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter)
            if momentum is not None:  # in place, where a recorded step looks for it; without any, 0 is the beginning
                momentum.copy_(state.get(f"momentum.{name}", torch.zeros(())))
        self._generator.set_state(state["chance.order"])
        self._dropout = {name: state.get(f"chance.{name}", there) for name, there in self._dropout.items()}
        self.rows = list(rows)


@torch.no_grad()
def errors_and_losses(answers: Callable[[Tensor], Iterable[Tensor]], data: Data) -> numpy.ndarray:
    """The share of test images that each of several nets gets wrong, in per cent, and the mean cross-entropy.

    answers: for images as a net sees them, the logits of each net. Shape: (nets, 2).
    """
    sums = 0
    # Few at a time: all of CIFAR's at once would take a dense net gigabytes.
    for x, y in zip(data.test_images.split(50), data.test_labels.split(50), strict=True):
        logits = torch.stack(list(answers(data.normalise(x))))
        losses = [functional.cross_entropy(each, y, reduction="sum").item() for each in logits]
        sums += numpy.stack([(logits.argmax(2) != y).sum(1).numpy(), losses], axis=1)
    return [100, 1] * sums / len(data.test_labels)


def remarks(net: str, data: Data, recipe: Recipe) -> list[str]:
    """What a reader should know before a net is trained on these images, in sentences."""
    said, ((_, labels), _) = list(data.notes), data.hold_out(recipe.validation, torch.device("cpu"))
    counts = zip(labels.bincount(minlength=len(data.classes)).tolist(), data.classes, strict=True)
    if few := ", ".join(f"{count} of {name}" for count, name in counts if count < 10):
        said.append(f"Fewer than ten training pictures are little to learn a class from: {few}.")
    if plan(net).stem == "7x7" and not recipe.stem and (side := min(data.shape[1:])) <= 64:
        said.append(f"{net} is for 224 pixels: its first layers leave {side // 4} of {side}; --stem 3x3 leaves all.")
    return said


def train(net: nn.Module, data: Data, recipe: Recipe) -> Iterator[Epoch]:
    """Train `net` in place, giving a row after each epoch; the initial weights are the caller's.

    Raises: InputError for images that the net does not take, FloatingPointError when the loss is no longer finite.
    """
    training = Training(net, data, recipe)
    while not training.finished:
        yield training.epoch()


@dataclass(frozen=True)
class Progress:
    """Where a series of trainings stands.

    table: a row for each net and epoch so far: net, seed, and the fields of `Epoch`. done: the share of all the work, 0
    to 1, measured in multiply–adds. doing: the net at work.
    """

    table: pandas.DataFrame
    done: float
    doing: str


def work_of(names: Sequence[str], data: Data) -> list[int]:
    """Multiply–adds of each net on one of these images: its share of the work of a series."""
    return [cost(name, data.shape, in_channels=data.shape[0]).multiply_adds for name in names]


def train_each(names: Sequence[str], data: Data, recipe: Recipe) -> Iterator[Progress]:
    """Train nets by name one after the other, all alike and from the same seed, telling after each epoch."""
    work, rows = work_of(names, data), []
    for i, name in enumerate(names):
        training = Training(seeded(name, data, recipe.seed, init=recipe.init), data, recipe)
        while not training.finished:
            rows.append({"net": name, "seed": recipe.seed, **asdict(training.epoch())})
            done = (sum(work[:i]) + work[i] * training.iteration / training.steps) / sum(work)
            yield Progress(pandas.DataFrame(rows), done, name)


class OwnNumbers(TorchFunctionMode):
    """Within it `nn.init` draws from a generator of its own, in this thread only.

    PyTorch's is shared by all threads, and a cell may draw from it while the workshop builds a net in another.
    """

    def __init__(self, seed: int):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        return function(*args, **(kwargs | {"generator": self.generator} if "generator" in kwargs else kwargs))


def seeded(name: str, data: Data, seed: int, **changes) -> nn.Module:
    """A net by name for these images and classes, with the weights that it has after `torch.manual_seed(seed)`.

    They depend on nothing else, and PyTorch's own generator is left as it is.

    Args:
        changes: to the arguments of the net's plan; None leaves one as it is.
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    with OwnNumbers(seed):
        return build(name, in_channels=data.shape[0], num_classes=len(data.classes), **changes)


def build_for_training(name: str, data: Data, recipe: Recipe, device: str, compiled: bool = False) -> nn.Module:
    """`seeded`, as the recipe asks; on a CPU a dense net in its memory-efficient form, where that goes.

    Raises: InputError for a dropout in a net that takes none.
    """
    alone = device == "cpu" and parallel.processes() == 1 and not compiled and not recipe.dropout
    efficient = True if alone and isinstance(plan(name), DenseNetPlan) else None
    return seeded(name, data, recipe.seed, init=recipe.init, memory_efficient=efficient, **changes_for(name, recipe))


def changes_for(name: str, recipe: Recipe) -> dict:
    """The changes to a net by name that this recipe asks for. Raises InputError for a net that takes no dropout."""
    if recipe.dropout and not isinstance(plan(name), DenseNetPlan):
        raise InputError(f"dropout is {recipe.dropout}; {name} takes none, it must be 0 but for dense nets.")
    return {change: value for change in ("dropout", "stem") if (value := getattr(recipe, change))}


def is_expected(error: BaseException) -> bool:
    """Whether a reader can do something about it. Any other error is a fault of ours, shown with its traceback."""
    no_memory = "DefaultCPUAllocator" in str(error) or "out of memory" in str(error)
    known = (InputError, OSError, FloatingPointError, MemoryError)
    return isinstance(error, known) or (isinstance(error, RuntimeError) and no_memory)


def in_a_sentence(error: BaseException) -> str:
    """An expected error in one sentence, without the system's numbers and PyTorch's paragraphs."""
    if isinstance(error, OSError) and error.errno is not None:  # its own words are "[Errno 20] …"
        return f"{error.filename or 'This'} cannot be used: {error.strerror.lower()}."
    if isinstance(error, MemoryError | RuntimeError):
        return "There is not enough memory for this; take a smaller net, smaller images or a smaller batch."
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def threads_for(data: str) -> Iterator[None]:
    """One thread for the digits, else as many as PyTorch has and a container's quota allows: on images this small a
    step is over before a second thread is awake, and takes nearly twice as long with two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if data == "digits" else min(before, cpu_count()))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_steps(steps: Iterator, data: str) -> Iterator:
    """What `steps` gives, each made with `threads_for(data)`; while the caller is at work the number is its own."""
    while True:
        with threads_for(data):
            made = next(steps, None)
        if made is None:
            return
        yield made


def iterations_per_epoch(images: int, batch: int) -> int:
    """Training steps in an epoch; a single image left over makes no step of its own."""
    return max(1, -(-(images - 1) // batch))


def batches_of(order: Tensor, size: int) -> list[Tensor]:
    """The order in batches. A single image left over joins the batch before: batch norm may not get one value alone."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches
