"""One panel that puts controls around any figure function, and answers from the page."""

import asyncio
import contextlib
import ctypes
import gc
import gzip
import re
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Collection
from itertools import product, zip_longest
from unicodedata import east_asian_width

import anywidget
import traitlets
from ipywidgets import Box, Button, Dropdown, ToggleButton, VBox, Widget

from paper_nets.lab.train import in_a_sentence, is_expected
from paper_nets.language import say
from paper_nets.nets import InputError
from paper_nets.show.controls import KINDS, evenly, label, place, place_of, places, rounded, trait, translate, value
from paper_nets.show.picture import DRAWING, as_page, as_still
from paper_nets.show.table import PAGES

# What the page itself says.
SAYS = re.findall(r'say\("(.+?)"\)', (PAGES / "panel.js").read_text(encoding="utf-8"))
PAUSE = 0.01  # seconds between two pictures drawn ahead, in which the kernel hears what the reader asks for
REST = 0.3  # seconds without a move, before which only what the same move again leads to is drawn
SLOW = 0.5  # seconds; what takes longer isn't drawn ahead, lest the reader wait for what nobody asked for
MOST = 200  # pictures kept, here and the same ones in the page: some 10 MB
AHEAD = 150  # of them drawn ahead for one move
AGAIN = 3  # times that the same move is expected
SOON = (1, -1, 5, -5, 2, -2, 10, -10)  # steps to where the next moves lead; a press of Page Up goes five


def words_for(error: BaseException, draw: Callable) -> dict:
    """What a reader is told of an error: a sentence; but for wrong input also its line, and the traceback to unfold."""
    if is_expected(error):
        return {"words": say(in_a_sentence(error)), "trace": ""}
    code = getattr(draw, "__code__", None)
    own = [at for at in traceback.extract_tb(error.__traceback__) if code and at.filename == code.co_filename]
    where = f" (line {own[-1].lineno}: {own[-1].line})" if own else ""
    words = str(error) if isinstance(error, ValueError | ArithmeticError) else f"{type(error).__name__}: {error}{where}"
    return {"words": say(words), "trace": "".join(traceback.format_exception(error))}


class Frames(anywidget.AnyWidget):
    """The picture under the controls, and the pictures of other values that the page keeps: pages/panel.js."""

    _esm, _css = PAGES / "panel.js", PAGES / "panel.css"
    setup = traitlets.Dict().tag(sync=True)
    frames = traitlets.List().tag(sync=True)


class Panel(VBox):
    """Controls above the picture that `draw(**values)` makes of their values. To put a slider around your own figure:

        def wave(k):
            return pandas.Series(numpy.sin(k * numpy.linspace(0, 6, 200))).plot().figure
        show.Panel(wave, k=IntSlider(value=2, min=1, max=9))

    `draw` returns a Picture, a matplotlib figure (seaborn's too), a pandas frame, or what else shows itself as HTML.
    For work that takes seconds it yields them, alone or with the share that is done (0 to 1), and sentences: then a
    button named `button` starts it beside the kernel's other work, each replaces the one before, and Stop ends it.
    What `draw` raises is told under the controls, and the last good picture stays, marked as old.

    presets: values for all controls, by the name that a menu shows.
    play: the name of a control that the page can step through by itself, as epochs.

    The page keeps the pictures by the controls' values, and shows what it has without asking. The kernel draws ahead
    what the next moves may ask for; texts and ranges, whose values cannot be counted, it draws when asked. Raises
    InputError for a control of another kind.
    """

    def __init__(
        self, draw: Callable, button: str = "", presets: dict | None = None, play: str = "", **controls: Widget
    ):
        self.draw, self.training, self._controls = draw, bool(button), controls
        self._kept, self._timer, self._worker, self._moved_at = OrderedDict(), None, None, 0
        for name, control in controls.items():
            if not isinstance(control, KINDS):
                kind = type(control).__name__
                raise InputError(f"{name} is a {kind}; a panel takes sliders, number boxes, texts, menus and switches.")
            translate(control, name)
            control.style.description_width = "initial"
            if isinstance(control, ToggleButton):
                control.layout.width = "auto"
            elif hasattr(control, "readout"):  # a slider: as long whatever its name is
                wide = sum(east_asian_width(letter) in "WF" for letter in control.description)
                control.layout.width = f"{230 + 7 * (len(control.description) + wide)}px"
            if not button:
                control.observe(self._moved, names=trait(control))
        if play and play not in controls:
            raise InputError(f"play is {play!r}; it must be one of the controls: {', '.join(controls)}.")
        row, here, presets = list(controls.values()), self._places(), presets or {}
        settings = [tuple(place_of(controls[name], at[name]) for name in controls) for at in presets.values()]
        self.preset = Dropdown(options=[say("your own"), *presets], description=say("preset"))
        self.preset.style.description_width = "initial"
        self.preset.index = 1 + settings.index(here) if here in settings else 0
        self.picture = Frames(
            setup={
                "controls": [[f"anywidget:{control.model_id}", trait(control)] for control in row],
                "preset": [f"anywidget:{self.preset.model_id}", "index"],
                "presets": settings,
                "start": here,
                "training": self.training,
                "play": list(controls).index(play) if play else -1,
                "steps": places(controls[play]) if play else [],
                "says": dict(zip(SAYS, map(say, SAYS), strict=True)),
            },
            frames=[] if button else [self._frame(here)],
        )
        self.picture.on_msg(self._hear)
        if presets:
            row.insert(0, self.preset)
        if button:
            self.button = Button(description=say(button), button_style="primary")
            self.stop = Button(description=say("Stop"), disabled=True)
            self.button.on_click(self._begin)
            self.stop.on_click(self._stop)
            row += [self.button, self.stop]
        super().__init__([Box(row, layout={"flex_flow": "row wrap", "grid_gap": "0 1.5em"}), self.picture])

    def _places(self) -> tuple:
        return tuple(map(place, self._controls.values()))

    def _values(self, at: tuple) -> dict:
        return {name: value(control, p) for (name, control), p in zip(self._controls.items(), at, strict=True)}

    def _draw(self, at: tuple) -> tuple[dict, bytes]:
        """The picture of these places, or what is wrong with them."""
        start, packed, values = time.perf_counter(), b"", self._values(at)
        # A picture leaves many cycles. Collected at once they are young; a few at a time they grow old, and with them
        # Python walks through all of torch, half a second long.
        gc.disable()
        try:
            with DRAWING:
                frame, packed = as_page(self.draw(**values))
        except Exception as error:
            frame = words_for(error, self.draw)
        finally:
            gc.enable()
        self._seconds = time.perf_counter() - start
        name = getattr(self.draw, "__name__", "draw").replace("<lambda>", "draw")
        arguments = ", ".join(f"{argument}={got!r}" for argument, got in values.items())
        return {"words": "", "trace": "", **frame, "places": at, "call": f"{name}({arguments})"}, packed

    def _frame(self, at: tuple) -> tuple[dict, bytes]:
        """The same, drawn only if it isn't kept."""
        if at not in self._kept:
            self._kept[at] = self._draw(at)
        return self._kept[at]

    def _send(self, at: tuple) -> None:
        """Send it to the page, which gives up the oldest picture where this one has."""
        frame, packed = self._frame(at)
        gone = [self._kept.popitem(last=False)[0]] if len(self._kept) > MOST else []
        self.picture.send({"frame": frame, "gone": gone}, [packed])

    def _hear(self, _, message: dict, buffers) -> None:
        """What the page says: it wants a picture, the reader's hand is near, or the panel has gone from the page."""
        if "want" in message:
            self._send(rounded(message["want"]))
        if "away" in message:
            self._draw_ahead([])
        if "near" in message and not self.training:
            for at in list(self._kept):
                self._send(at)
            self._draw_ahead(self._near(0))

    def _moved(self, change) -> None:
        whole, (old, new) = places(change.owner), rounded((change.old, change.new))
        step = whole.index(new) - whole.index(old) if old in whole and new in whole else 0
        near = self._near(list(self._controls.values()).index(change.owner), step)
        self._moved_at = time.monotonic()
        self._draw_ahead(near, near[:AGAIN])

    def _near(self, moved: int, step: int = 0) -> list[tuple]:
        """The settings that the next moves may ask for: of the control that moved the same move again, three times, and
        steps and leaps either way; the presets; two steps of each other control, so that the second is there before the
        kernel has heard of the first; then all else that the first can be moved to, the nearest first."""
        here, whole = self._places(), [places(control) for control in self._controls.values()]

        def along(i: int, *steps: int) -> list[tuple]:
            at, last = whole[i].index(here[i]) if here[i] in whole[i] else 0, len(whole[i]) - 1
            by_distance = sorted(range(len(whole[i])), key=lambda j: abs(j - at))
            order = dict.fromkeys([*(min(max(at + step, 0), last) for step in steps), *by_distance])
            return [(*here[:i], whole[i][j], *here[i + 1 :]) for j in order if j != at]

        own = along(moved, *(i * step for i in range(1, AGAIN + 1)), *SOON) if here else []
        others = zip_longest(*(along(i, 1, -1, 2, -2)[:4] for i in range(len(here)) if i != moved))
        in_turn = [at for turn in others for at in turn if at is not None]
        return [*own[: len(SOON)], *self.picture.setup["presets"], *in_turn, *own[len(SOON) :]][:AHEAD]

    def _draw_ahead(self, settings: list[tuple], at_once: Collection[tuple] = ()) -> None:
        """Draw these, and no longer those of before: one after another while the kernel is idle, as long as each takes
        little time; but for some only when the reader's hand rests."""
        if self._timer:
            self._timer.cancel()
        for at in reversed([self._places(), *settings]):
            if at in self._kept:  # what may be asked for soon is the last to be given up
                self._kept.move_to_end(at)
        settings = [at for at in settings if at not in self._kept]

        def draw_one():
            self._send(settings[0])
            if self._seconds < SLOW:
                self._draw_ahead(settings[1:], at_once)

        if settings:
            rest = 0 if settings[0] in at_once else self._moved_at + REST - time.monotonic()
            with contextlib.suppress(RuntimeError):  # no event loop: no kernel, and nobody to press a key
                self._timer = asyncio.get_running_loop().call_later(max(PAUSE, rest), draw_one)

    def close(self) -> None:
        self._draw_ahead([])
        super().close()

    def _begin(self, _) -> None:
        if self.button.disabled:
            return  # the second of two quick clicks
        self.button.disabled, self.stop.disabled = True, False
        self._worker = threading.Thread(target=self._work, args=[self._values(self._places())], daemon=True)
        self._worker.start()

    def _stop(self, _) -> None:
        # Raised in the thread at its next instruction: a step of training later, whatever function it is in.
        worker = ctypes.c_ulong(self._worker.ident)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(worker, ctypes.py_object(KeyboardInterrupt))

    def wait(self) -> None:
        """Until what the button has begun is done."""
        if self._worker:
            self._worker.join()

    def _work(self, values: dict) -> None:
        def tell(text: str, done: float | None = None, packed: bytes = b"", **frame) -> None:
            message = {"progress": {"text": text, "done": done}}
            self.picture.send({**message, "frame": frame} if frame else message, [packed])

        words, start, before, end = "", time.perf_counter(), 0, {}
        tell(say("Working …"))
        try:
            for drawn in self.draw(**values):
                drawn, done = drawn if isinstance(drawn, tuple) else (drawn, None)
                if isinstance(drawn, str):  # the work itself begins behind it
                    words, start, before = drawn, time.perf_counter(), done or 0
                    tell(say("Working …"), done, words=words)
                    continue
                frame, packed = as_page(drawn)
                pace = (time.perf_counter() - start) / (done - before) if done and done > before else 0
                text = say(f"about {pace * (1 - done):.0f} s left" if pace else "Working …")
                tell(text, done, packed, words=words, **frame)
        except KeyboardInterrupt:
            end = {"words": say("Stopped.")}
        except Exception as error:
            end = words_for(error, self.draw)
        finally:
            tell("", 1, **end)
            self.button.disabled, self.stop.disabled = False, True

    def still(self, most: int = 24) -> dict:
        """What a page without a kernel keeps: the pictures of the first slider, and of one more control.

        The second is the first menu or switch, else the second slider, with a fifth as many values; the others stay as
        they are. Returns the traits of `Frames` for it, `shown` (the number, name, places and labels of each control)
        and `left_out`. Raises InputError for a panel that trains.
        """
        if self.training:
            raise InputError("This panel trains when its button is pressed; it has no frames to draw ahead.")
        controls, here, setup = list(self._controls.values()), self._places(), self.picture.setup
        sliders = [i for i, control in enumerate(controls) if hasattr(control, "readout")]
        others = [i for i in range(len(controls)) if i not in sliders]
        chosen = [*sliders[:1], *others, *sliders[1:]][:2]
        shown, drawn = [], [[at] for at in here]  # of each control the places that are drawn
        for i, count in zip(chosen, (most, most // 5), strict=False):
            drawn[i] = evenly(places(controls[i]), here[i], count)
            labels = [label(controls[i], at) for at in drawn[i]]
            shown.append({"control": i, "name": controls[i].description, "places": drawn[i], "labels": labels})
        frames = [(frame, gzip.decompress(packed).decode()) for frame, packed in map(self._draw, product(*drawn))]
        left_out = [say("preset")] if setup["presets"] else []
        left_out += [control.description for i, control in enumerate(controls) if i not in chosen]
        steps = drawn[setup["play"]] if setup["steps"] else []
        setup = {"start": here, "presets": [], "training": False, "play": setup["play"], "steps": steps}
        setup["says"] = self.picture.setup["says"]
        return {"setup": setup, "frames": frames, "shown": shown, "left_out": ", ".join(left_out)}

    _ipython_display_ = None  # ipywidgets 7 shows itself by this, without a picture that stays

    def _repr_mimebundle_(self, **kwargs):
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        bundle, metadata = {"application/vnd.jupyter.widget-view+json": view}, {}
        if not self.training:
            with contextlib.suppress(Exception), DRAWING:  # what is wrong is told in the panel
                still, metadata = as_still(self.draw(**self._values(self._places())))
                bundle |= still
        names = ", ".join(control.description for control in self._controls.values())
        bundle["text/plain"] = say(f"Run this cell to move the controls: {names}.")
        return bundle, metadata
