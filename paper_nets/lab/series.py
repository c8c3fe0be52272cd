"""Runs of several nets, one after the other: how long they take here, and made so that they can be stopped."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from timeit import timeit

import torch

from paper_nets.lab.data import Data, noise
from paper_nets.lab.record import Run, find, folder_of, is_finished, make, settings_of, table
from paper_nets.lab.train import (
    Progress,
    Recipe,
    Training,
    batches_of,
    build_for_training,
    default_recipe,
    fast_precision,
    in_steps,
    threads_for,
    work_of,
)
from paper_nets.nets import DenseNetPlan, cost, plan
from paper_nets.nets.parts import InputError, check_image


class Series:
    """Runs of nets by name on the same images for as many epochs, each with its own paper's recipe, under `root`.

    images: so many of the training images, as many of each class; all of them if not given.

    They are those of `python -m paper_nets train NET --epochs …` on a processor (where there is a GPU, with --device
    cpu), in the same folders under the same root: what one has begun, the other goes on with. Raises InputError for no
    net, a wrong name, and images that a net does not take.
    """

    def __init__(
        self,
        nets: Sequence[str],
        data: Data,
        epochs: int,
        seed: int = 0,
        images: int | None = None,
        root: str | Path = "runs",
    ):
        if not nets:
            raise InputError("No net is chosen; choose at least one.")
        self.root, self.data = Path(root), data if images is None else data.subset(images)
        length = {"epochs": epochs, "iterations": None, "seed": seed, "precision": fast_precision("cpu")}
        self.recipes = {net: replace(default_recipe(net, data.source), **length) for net in nets}
        for net in nets:
            check_image(plan(net, in_channels=data.shape[0]), data.shape)
        self._settings = {net: settings_of(net, self.data, recipe) for net, recipe in self.recipes.items()}

    def folder(self, net: str) -> Path:
        """Where a net's run is recorded."""
        return folder_of(self.root, self._settings[net])

    def runs(self) -> list[Run]:
        """What there is of these runs."""
        return [run for net in self.recipes if (run := find(self.folder(net), self._settings[net]))]

    def seconds_left(self) -> dict[str, float]:
        """Seconds that each net still needs here, from a few steps of it and one look at test images."""
        there = {run.net: int(run.curve.iteration.iloc[-1]) for run in self.runs()}
        seconds = {}
        for net, recipe in self.recipes.items():
            settings = self._settings[net]
            steps = settings["iterations"] - there.get(net, 0)
            with threads_for(self.data.source):
                a_step, a_look = pace(net, self.data, recipe) if steps else (0, 0)
            epochs = -(-steps // settings["iterations_per_epoch"])
            seconds[net] = steps * a_step + epochs * len(self.data.test_images) * a_look
        return seconds

    def make(self) -> Iterator[Progress]:
        """Make what is not there, telling after each epoch, and once when all is done."""
        last = list(self.recipes)[-1]
        for net, recipe in self.recipes.items():
            folder, settings = self.folder(net), self._settings[net]
            if is_finished(folder, settings):
                continue
            training = Training(build_for_training(net, self.data, recipe, "cpu"), self.data, recipe)
            for _ in in_steps(make(training, folder, settings), self.data.source):
                if not (training.finished and net == last):
                    yield Progress(table(self.runs()), self.done(), net)
        yield Progress(table(self.runs()), self.done(), last)

    def done(self) -> float:
        """The share of all their work that is done (0 to 1)."""
        work = dict(zip(self.recipes, work_of(self.recipes, self.data), strict=True))
        done = (work[run.net] * run.curve.iteration.iloc[-1] / run.iterations for run in self.runs())
        return sum(done) / sum(work.values())


def paper_schedule(net: str) -> dict[str, float]:
    """What the schedule of a net's own paper takes for CIFAR-10 on this processor, from a few steps on random pixels.

    They are on whole batches where 300 megabytes hold their activations, else on a part of one.

    Returns: iterations, epochs, seconds.
    """
    recipe = replace(default_recipe(net, "cifar10"), precision=fast_precision("cpu"))
    form = {"memory_efficient": True} if isinstance(plan(net), DenseNetPlan) else {}
    most = min(recipe.batch, max(8, 3e8 / cost(net, **form).activation_bytes))
    batch = next(n for n in (128, 64, 32, 16, 8) if n <= most)
    step, look = pace(net, noise(400), replace(recipe, batch=batch))
    steps = recipe.steps(50_000)
    epochs = steps * recipe.batch / 50_000
    return {"iterations": steps, "epochs": epochs, "seconds": epochs * (50_000 / batch * step + 10_000 * look)}


def pace(net: str, data: Data, recipe: Recipe) -> tuple[float, float]:
    """Seconds that one step of training takes here, and one test image."""
    images = data.train_images[: 3 * recipe.batch], data.train_labels[: 3 * recipe.batch]
    seen = data.test_images[:500], data.test_labels[:500]
    few = replace(data, train_images=images[0], train_labels=images[1], test_images=seen[0], test_labels=seen[1])
    training = Training(build_for_training(net, data, recipe, "cpu"), few, replace(recipe, validation=0))
    batches = batches_of(torch.arange(len(images[1])), recipe.batch)
    times = [timeit(partial(training.step, batch, recipe.learning_rate), number=1) for batch in batches]
    # The second look, since the first also sets up what is set up once.
    looks = [timeit(partial(training.error, *seen), number=1) for _ in range(2)]
    return median(times[1:] or times), looks[-1] / len(seen[1])
