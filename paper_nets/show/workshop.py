"""Choose nets, images and a length; see how long it takes; train, stop, go on; and compare with the papers."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from IPython.display import HTML
from ipywidgets import BoundedIntText, Checkbox, Combobox, Dropdown, SelectMultiple

from paper_nets.lab.compare import comparison, paper_ends
from paper_nets.lab.data import DATA_SETS, FITS, load
from paper_nets.lab.series import Series
from paper_nets.lab.train import Training, remarks
from paper_nets.language import say
from paper_nets.nets import catalog
from paper_nets.show.curves import run_curves
from paper_nets.show.panel import Panel
from paper_nets.show.picture import image
from paper_nets.show.table import Table


def workshop(root: str | Path = "runs") -> Panel:
    """A panel that trains what the reader chooses, and records it under `root`.

    It says how long that will take, and draws the curves after each epoch. A run that was stopped goes on from its last
    whole epoch when it's started again with the same choice, in this kernel or another.
    """
    read = lru_cache(1)(load)

    def train(nets, source, side, fit, images, epochs, seed, only_time) -> Iterator:
        yield say("Reading the images …")
        # A folder is read each time, since its pictures may be others now.
        data = read(source) if source in DATA_SETS else load(source, side, fit)
        series = Series(nets, data, epochs, seed, images or None, root)
        yield say("Trying a few steps of each net …")
        seconds = series.seconds_left()
        each = ", ".join(f"{net} {in_words(left)}" if left else say(f"{net} is there") for net, left in seconds.items())
        about = say(f"About {in_words(sum(seconds.values()))} on this machine: {each}.")
        yield " ".join([about, *map(say, remarks(nets[0], series.data, series.recipes[nets[0]]))]), series.done()
        if only_time:
            return
        ends = paper_ends(data.name)
        for now in series.make():
            table = Table(comparison(series.runs()).set_index("net").drop(columns="machine"))
            yield HTML(image(run_curves(now.table, ends)) + table._repr_html_()), now.done
        told = [] if source in DATA_SETS else series.runs()
        told = [f"{run.net}: {Training(run.weights(), series.data, run.recipe).class_errors()}" for run in told]
        yield " ".join([say(f"Done. The runs are in the folder {root}."), *told])

    names = list(catalog().query("dataset == 'CIFAR'").index)
    return Panel(
        train,
        button="Start, or go on",
        nets=SelectMultiple(options=names, value=["plain20", "resnet20"], rows=9),
        source=Combobox(options=DATA_SETS, value="digits", description="data or a folder"),
        side=BoundedIntText(value=32, min=8, max=224, description="a folder's pixels"),
        fit=Dropdown(options=tuple(FITS), description="made square by"),
        images=BoundedIntText(value=0, min=0, max=10**7, description="training images (0: all)"),
        epochs=BoundedIntText(value=3, min=1, max=10_000),
        seed=BoundedIntText(value=0, min=0, max=10_000),
        only_time=Checkbox(description="only say how long"),
    )


def in_words(seconds: float) -> str:
    """A time as one says it: "1 second", "3 minutes", "1.5 hours", "12 days"."""
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if (time := seconds / length) >= 1.5:
            return say(f"{time:.2g} {unit}" if time < 10 else f"{time:.0f} {unit}")
    return say(f"{round(seconds)} seconds" if seconds >= 1.5 else "1 second")
