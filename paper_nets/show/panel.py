"""One panel that puts sliders around any figure function."""

import asyncio
import base64
import contextlib
import gc
import html
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, repeat, zip_longest

import ipywidgets

from paper_nets.nets import InputError
from paper_nets.show.picture import DRAWING, Picture

# Seconds until the likeliest move is drawn ahead: earlier, it would slow the picture on its way to the page. What takes
# twice as long as this is begun at once, or the next key press would wait for it.
SOON = 0.06
REST = 0.4  # seconds without a key press until more than the likeliest move is drawn ahead, lest a press wait for it
PACE = 0.1  # seconds between those, for a press that comes nevertheless
OWN = "your own"
SLOW = 0.5  # seconds; what takes longer isn't drawn ahead, lest the reader wait for what nobody asked for
MOST = 200  # pictures kept, some 10 MB, so that the way back is at once


def image(picture: Picture) -> str:
    """The picture as one HTML element with its size and its words; decoded before it is shown, so nothing flickers."""
    width, height = picture.size
    data = base64.b64encode(picture.svg()).decode()
    alt = html.escape(picture.alt, quote=True)
    size = f'width="{width}" height="{height}" style="max-width: 100%; height: auto"'
    return f'<img alt="{alt}" {size} decoding="sync" src="data:image/svg+xml;base64,{data}">'


def neighbours(control: ipywidgets.Widget, before=None) -> list:
    """The values that the next move of a control may ask for, the likeliest first: the move from the value `before`
    to its own once more, that move taken back, a step either way."""
    if isinstance(control.value, bool):
        return [not control.value]
    if hasattr(control, "options"):
        # Pairs of a label and a value, or values alone.
        values = [option[1] if isinstance(option, tuple) else option for option in control.options]
        at, low, high, step = control.index, 0, len(values) - 1, 1
        move = at - values.index(before) if before in values else step
    else:
        values, at, low, high, step = None, control.value, control.min, control.max, control.step
        move = at - before if before is not None else step
    # Rounded, since the browser's 0.3 is 0.1 + 0.2 here; a leap ends where the slider does.
    places = dict.fromkeys(round(min(max(at + by, low), high), 9) for by in (move, -move, step, -step))
    return [place if values is None else values[place] for place in places if place != at]


def choices(control: ipywidgets.Widget, most: int) -> dict[str, object]:
    """The values of a control by what a reader sees of them, at most so many, evenly, its own among them."""
    if isinstance(control.value, bool):
        return {"off": False, "on": True}
    if hasattr(control, "options"):
        pairs = [option if isinstance(option, tuple) else (str(option), option) for option in control.options]
    else:
        count = round((control.max - control.min) / control.step) + 1
        values = [round(control.min + i * control.step, 9) for i in range(count)]
        pairs = [(f"{value:g}", value) for value in values]
    own = next(i for i, (_, value) in enumerate(pairs) if value == control.value)
    apart = -(-len(pairs) // most)
    return dict(pairs[own % apart :: apart])


class Panel(ipywidgets.VBox):
    """Controls above the picture that `draw(**values)` makes of their values, redrawn in place as they move.

    `draw` is a figure function, or a generator of pictures for work that takes seconds: then a button named by
    `button` starts it, and each picture replaces the one before. What `draw` refuses with a ValueError is said
    under the controls, and the last good picture stays.

    presets: values for all controls, by the name that a menu shows.

    Once a control has moved, the panel draws ahead what the next key press may ask for, so that it answers at once.
    """

    def __init__(
        self,
        draw: Callable[..., Picture | Iterator[Picture]],
        button: str = "",
        presets: Mapping[str, Mapping] | None = None,
        **controls: ipywidgets.Widget,
    ):
        self._draw, self._controls = draw, controls
        self._kept, self._timer, self._held = {}, None, False
        self.picture = ipywidgets.HTML()
        self.message = ipywidgets.HTML(layout={"min_height": "1.6em"})
        for name, control in controls.items():
            control.description = control.description or name.replace("_", " ")
            control.style.description_width = "initial"
            if isinstance(control, ipywidgets.ToggleButton):
                control.layout.width = "auto"
            elif hasattr(control, "readout"):  # a slider: as long whatever its name is
                control.layout.width = f"{230 + 7 * len(control.description)}px"
            if not button:
                control.observe(self._moved, names="value")
        row = list(controls.values())
        self.presets = {tuple(values[name] for name in controls): name for name, values in (presets or {}).items()}
        self.preset = ipywidgets.Dropdown(options=[OWN, *self.presets.values()], description="preset")
        self.preset.style.description_width = "initial"
        self.preset.observe(self._take, names="value")
        if presets:
            row.insert(0, self.preset)
            self.preset.value = self.presets.get(self._values(), OWN)
        self.button = ipywidgets.Button(description=button, button_style="primary") if button else None
        if self.button:
            self.button.on_click(self._run)
            row.append(self.button)
        box = ipywidgets.Box(row, layout={"flex_flow": "row wrap", "grid_gap": "0 1.5em"})
        super().__init__([box, self.message, self.picture])
        if not button:
            self._show(*self._keep(self._values())[:2])

    def _values(self) -> tuple:
        # Rounded as `neighbours` are, or what was drawn ahead for 0.3 is not found under 0.30000000000000004.
        values = (control.value for control in self._controls.values())
        return tuple(round(value, 9) if isinstance(value, float) else value for value in values)

    def _drawn(self, values: tuple) -> tuple[str, str, float]:
        """The picture of these values, or what is wrong with them, and the seconds it took."""
        start, picture, words = time.perf_counter(), "", ""
        # A picture leaves many cycles. Collected at once they are young; a few at a time they grow old, and with them
        # Python walks through all of torch, half a second long.
        gc.disable()
        try:
            with DRAWING:
                picture = image(self._draw(**dict(zip(self._controls, values, strict=True))))
        except (ValueError, ArithmeticError) as error:
            words = str(error)
        finally:
            gc.enable()
        return picture, words, time.perf_counter() - start

    def _show(self, picture: str, words: str) -> None:
        self.picture.value = picture or self.picture.value
        self._say(words)

    def _say(self, words: str) -> None:
        self.message.value = f'<span role="status">{html.escape(words)}</span>'

    def _run(self, _) -> None:
        said, self.button.disabled = "", True
        self._say("Working …")
        try:
            for picture in self._draw(**dict(zip(self._controls, self._values(), strict=True))):
                self.picture.value = image(picture)
        except (ValueError, ArithmeticError) as error:
            said = str(error)
        finally:
            self._say(said)
            self.button.disabled = False

    def _take(self, change) -> None:
        """Set all controls to a preset's values, and redraw once."""
        values = next((values for values, name in self.presets.items() if name == change.new), self._values())
        if values == self._values():
            return
        with contextlib.ExitStack() as later:  # the page hears of the picture first, then of each control
            self._held = True
            for control, value in zip(self._controls.values(), values, strict=True):
                later.enter_context(control.hold_sync())
                control.value = value
            self._held = False
            self._moved(change)

    def _moved(self, change) -> None:
        if self._held:
            return
        if self._timer:
            self._timer.cancel()
        values = self._values()
        self.preset.value = self.presets.get(values, OWN)
        picture, words, seconds = self._kept.get(values) or self._keep(values)
        self._show(picture, words)
        ahead = dict.fromkeys(self._near(change))
        pauses = chain([SOON if seconds < 2 * SOON else 0, REST], repeat(PACE))
        self._draw_ahead([other for other in ahead if other not in self._kept], seconds, pauses)

    def _keep(self, values: tuple) -> tuple[str, str, float]:
        """Draw the picture of these values, and keep it in place of the oldest."""
        if len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[values] = self._drawn(values)
        return self._kept[values]

    def _near(self, change) -> list[tuple]:
        """The settings that the next move may ask for: those of the control, or menu of presets, that moved, then the
        presets, then a move of each other control."""
        values, presets, own, others = self._values(), list(self.presets), [], []
        if change.owner is self.preset:
            after = presets.index(values) + 1
            presets = presets[after:] + presets[:after]  # the first one comes after the last again
        for i, control in enumerate(self._controls.values()):
            moved = control is change.owner
            near = neighbours(control, change.old if moved else None)
            (own if moved else others).append([(*values[:i], value, *values[i + 1 :]) for value in near])
        in_turn = [setting for turn in zip_longest(*others) for setting in turn if setting is not None]
        return [*chain(*own), *presets, *in_turn]

    def _draw_ahead(self, settings: list[tuple], seconds: float, pauses: Iterator[float]) -> None:
        """Draw one setting after another while the kernel is idle, as long as the last one took few seconds."""

        def draw_one():
            self._draw_ahead(settings[1:], self._keep(settings[0])[-1], pauses)

        if settings and seconds < SLOW:
            with contextlib.suppress(RuntimeError):  # no event loop: no kernel, and nobody to press a key
                self._timer = asyncio.get_running_loop().call_later(next(pauses), draw_one)

    def frames(self, most: int = 24) -> dict:
        """The pictures for a page that has no kernel: of its first slider, and of one more control.

        The second is its first menu or switch, else its second slider, with a fifth as many values; the others stay as
        they are. Returns names, values (what a reader sees of them), at (where the controls stand), and pictures (HTML
        or what is wrong, a list for each value of the first). Raises InputError for a panel that trains.
        """
        if self.button:
            raise InputError("This panel trains when its button is pressed; it has no frames to draw ahead.")
        names = sorted(self._controls, key=lambda name: not hasattr(self._controls[name], "readout"))
        others = sorted(names[1:], key=lambda name: hasattr(self._controls[name], "readout"))
        names = [names[0], *others[:1]]
        chosen = [choices(self._controls[name], count) for name, count in zip(names, (most, most // 5), strict=False)]
        values, pictures = dict(zip(self._controls, self._values(), strict=True)), []
        for first in chosen[0].values():
            rest = chosen[1].values() if len(names) > 1 else [None]
            settings = [{**values, names[0]: first, **dict(zip(names[1:], [other], strict=False))} for other in rest]
            drawn = [self._drawn(tuple(setting.values())) for setting in settings]
            pictures.append([picture or html.escape(words) for picture, words, _ in drawn])
        return {
            "names": [self._controls[name].description for name in names],
            "values": [list(choice) for choice in chosen],
            "at": [list(c.values()).index(values[name]) for name, c in zip(names, chosen, strict=True)],
            "pictures": pictures,
        }

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        names = ", ".join(control.description for control in self._controls.values())
        bundle["text/plain"] = f"Run this cell to move the controls: {names}."
        return bundle
