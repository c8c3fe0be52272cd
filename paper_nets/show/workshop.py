"""Choose nets, images and a length; see how long it takes; train, stop, go on; and compare with the papers."""

import html
import threading
import traceback
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import ipywidgets
from ipywidgets import BoundedIntText, Button, Combobox, FloatProgress, HBox, SelectMultiple

from paper_nets.lab.compare import comparison, paper_ends
from paper_nets.lab.data import DATA_SETS, Data, load
from paper_nets.lab.series import Series
from paper_nets.lab.train import in_a_sentence, is_expected
from paper_nets.nets import catalog
from paper_nets.show.curves import run_curves
from paper_nets.show.picture import image
from paper_nets.show.table import Table


class Stopped(Exception):
    """The reader has pressed Stop."""


class Workshop(ipywidgets.VBox):
    """Trains what the reader chooses, beside the kernel's other work, and records it under `root`.

    Curves grow after each epoch. A run that was stopped goes on from its last whole epoch when it's started again with
    the same choice, in this kernel or another. What cannot be done is said under the buttons.
    """

    def __init__(self, root: str | Path = "runs"):
        self.root, self._worker, self._stop, self._read = Path(root), None, threading.Event(), lru_cache(1)(load)
        wide = {"style": {"description_width": "initial"}}
        names = list(catalog().query("dataset == 'CIFAR'").index)
        self.nets = SelectMultiple(options=names, value=["plain20", "resnet20"], rows=9, description="nets", **wide)
        self.source = Combobox(options=DATA_SETS, value="digits", description="data, or a folder", **wide)
        self.side = BoundedIntText(value=32, min=8, max=224, description="a folder's pixels", **wide)
        self.images = BoundedIntText(value=0, min=0, max=10**7, description="training images, 0 for all", **wide)
        self.epochs = BoundedIntText(value=3, min=1, max=10_000, description="epochs", **wide)
        self.seed = BoundedIntText(value=0, min=0, max=10_000, description="seed", **wide)
        self.buttons = {
            "How long?": Button(description="How long?"),
            "Start": Button(description="Start, or go on", button_style="primary"),
            "Stop": Button(description="Stop", disabled=True),
        }
        self.buttons["How long?"].on_click(lambda _: self._begin(self._tell_time))
        self.buttons["Start"].on_click(lambda _: self._begin(self._train))
        self.buttons["Stop"].on_click(lambda _: self._stop.set())
        self.bar, self.message = FloatProgress(max=1), ipywidgets.HTML(layout={"min_height": "1.6em"})
        self.bar.layout.visibility = "hidden"
        self.picture, self.table = ipywidgets.HTML(), ipywidgets.HTML()
        numbers = ipywidgets.VBox([self.source, self.side, self.images, self.epochs, self.seed])
        choice = HBox([self.nets, numbers], layout={"flex_flow": "row wrap", "grid_gap": "0 1.5em"})
        row = HBox([*self.buttons.values(), self.bar])
        super().__init__([choice, row, self.message, self.picture, self.table])

    def wait(self) -> None:
        """Until what was begun has ended."""
        if self._worker:
            self._worker.join()

    def _begin(self, work: Callable[[Series], None]) -> None:
        """Do it in a thread of its own, so that the kernel stays free for Stop."""
        if self.buttons["Start"].disabled:
            return  # the second of two quick clicks, made before the page knew of the first

        def alone():
            try:
                self._say("Reading the images …")
                choice = self.nets.value, self._load(), self.epochs.value, self.seed.value, self.images.value or None
                work(Series(*choice, self.root))
            except Stopped:
                self._say("Stopped. Start goes on after the last whole epoch.")
            except Exception as error:
                if is_expected(error):
                    self._say(in_a_sentence(error))
                else:  # a fault of ours; the thread has nobody else to tell
                    self._say(f"A fault of paper_nets: {traceback.format_exc().strip().splitlines()[-1]}")
                    raise
            finally:
                self.bar.layout.visibility = "hidden"
                self._busy(False)

        self._stop.clear()
        self._busy(True)
        self._worker = threading.Thread(target=alone, daemon=True)
        self._worker.start()

    def _busy(self, busy: bool) -> None:
        for name, button in self.buttons.items():
            button.disabled = busy != (name == "Stop")

    def _load(self) -> Data:
        """The images that are asked for; a folder is read each time, since its pictures may be others now."""
        name = self.source.value
        return self._read(name) if name in DATA_SETS else load(name, self.side.value)

    def _watch(self, *_) -> None:
        if self._stop.is_set():
            raise Stopped

    def _tell_time(self, series: Series) -> None:
        self._say("Trying a few steps of each net …")
        seconds = series.seconds_left(self._watch)
        each = ", ".join(f"{net} {in_words(left)}" if left else f"{net} is there" for net, left in seconds.items())
        self._say(f"About {in_words(sum(seconds.values()))} on this machine: {each}.")

    def _train(self, series: Series) -> None:
        self._tell_time(series)
        self.bar.value, self.bar.layout.visibility = 0, "visible"
        ends = paper_ends(series.data.name)
        self._watch()
        for now in series.make(self._watch):
            self.bar.value = now.done
            self.picture.value = image(run_curves(now.table, ends))
            self.table.value = Table(comparison(series.runs()).set_index("net"))._repr_html_()
        self._say(f"Done. The runs are in the folder {self.root}.")

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = "Run this cell to choose nets, images and a length, and to train."
        return bundle

    def _say(self, words: str) -> None:
        self.message.value = f'<span role="status">{html.escape(words)}</span>'


def in_words(seconds: float) -> str:
    """A time as one says it: "1 second", "3 minutes", "1.5 hours", "12 days"."""
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if (time := seconds / length) >= 1.5:
            return f"{time:.2g} {unit}" if time < 10 else f"{time:.0f} {unit}"
    return f"{round(seconds)} seconds" if seconds >= 1.5 else "1 second"
