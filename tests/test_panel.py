"""The panel as the kernel sees it: what it draws for each control, what it says, and what it draws ahead."""

import asyncio
import gc
import gzip
import threading
import time

import ipywidgets
import matplotlib.pyplot
import pandas
import pytest
import seaborn
from ipywidgets import Dropdown, FloatSlider, IntSlider, ToggleButton

from paper_nets import show
from paper_nets.show.controls import evenly, place, places, value


def picture(alt=""):
    made = show.Picture(100, 100)
    made.alt = alt
    return made


class Page:
    """What the page hears of a panel, in place of the page; it asks as panel.js does."""

    def __init__(self, panel):
        self.panel, self.heard = panel, []
        panel.picture.send = lambda message, buffers=(): self.heard.append((message, buffers))

    def want(self, *at):
        self.panel._hear(None, {"want": list(at)}, [])
        return self.heard[-1][0]["frame"]

    def shares(self):
        return [message["progress"]["done"] for message, _ in self.heard if "progress" in message]

    def words(self):
        return [message["frame"]["words"] for message, _ in self.heard if "frame" in message]


def test_a_panel_draws_what_is_asked_for_and_says_what_is_wrong():
    def draw(size):
        if size > 5:
            raise ValueError("size is 6; it must be at most 5.")
        drawn = show.Picture(100 * size, 100)
        drawn.alt = f'a "{size}" <b>'
        return drawn

    panel = show.Panel(draw, size=IntSlider(value=2, min=1, max=9))
    first, packed = panel.picture.frames[0]
    assert (first["alt"], first["size"], first["words"]) == ('a "2" <b>', [200, 100], "")
    assert gzip.decompress(packed).decode().startswith("<?xml") and first["call"] == "draw(size=2)"
    page = Page(panel)
    assert page.want(6)["words"] == "size is 6; it must be at most 5." and "kind" not in page.want(6)
    assert "in draw" in page.want(6)["trace"]
    assert page.want(3)["size"] == [300, 100] and page.want(3)["words"] == ""


def test_every_exception_is_told_with_the_readers_line():
    def typo(size):
        return undefined + size  # noqa: F821

    frame = show.Panel(typo, size=IntSlider()).picture.frames[0][0]
    assert frame["words"].startswith("NameError: name 'undefined' is not defined (line ")
    assert frame["words"].endswith(": return undefined + size  # noqa: F821)") and "Traceback" in frame["trace"]
    refused = show.Panel(show.dense_block, layers=IntSlider(value=0)).picture.frames[0][0]
    assert "layers is 0" in refused["words"] and refused["trace"] == ""  # it says all that there is to say


CONTROLS = {
    ipywidgets.IntText(value=3): (3, [2, 3, 4]),
    ipywidgets.BoundedIntText(value=3, min=2, max=4): (3, [2, 3, 4]),
    ipywidgets.BoundedFloatText(value=0.5, min=0, max=1, step=0.25): (0.5, [0, 0.25, 0.5, 0.75, 1]),
    ipywidgets.FloatLogSlider(value=10, min=-1, max=1, step=1): (10.0, [0.1, 1, 10]),
    ipywidgets.IntRangeSlider(value=(2, 5), max=9): ((2, 5), [(2, 5)]),
    ipywidgets.SelectionSlider(options=[8, 14, 20], value=14): (14, [0, 1, 2]),
    ipywidgets.Select(options={"a": 1.5, "b": 2.5}): (1.5, [0, 1]),
    ipywidgets.SelectMultiple(options=["p", "q"], value=["q"]): (("q",), [(1,)]),
    ipywidgets.ToggleButtons(options=[("One", 1), ("Two", 2)]): (1, [0, 1]),
    ipywidgets.Checkbox(value=True): (True, [False, True]),
    ipywidgets.Text(value="words"): ("words", ["words"]),
    ipywidgets.ColorPicker(value="#ff0000"): ("#ff0000", ["#ff0000"]),
}


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: type(control).__name__)
def test_any_control(control):
    got = []
    panel = show.Panel(lambda it: got.append(it) or picture(str(it)), it=control)
    expected, whole = CONTROLS[control]
    assert got == [expected] and type(got[0]) is type(expected)
    assert places(control) == pytest.approx(whole) if isinstance(whole[0], float) else places(control) == whole
    assert value(control, place(control)) == expected
    assert Page(panel).want(place(control))["alt"] == str(expected)


def test_other_widgets_are_refused_by_name():
    with pytest.raises(ValueError, match="^when is a DatePicker; a panel takes sliders, number boxes, texts, menus"):
        show.Panel(picture, when=ipywidgets.DatePicker())
    with pytest.raises(ValueError, match="^play is 'epochs'; it must be one of the controls: epoch.$"):
        show.Panel(picture, play="epochs", epoch=IntSlider())


def pyplots():
    matplotlib.pyplot.plot([0, 1])
    matplotlib.pyplot.title("drawn with pyplot")


FIGURES = {
    "pyplot": (pyplots, "svg", "drawn with pyplot"),
    "axes": (lambda: pandas.Series([1, 2]).plot(title="axes of pandas"), "svg", "axes of pandas"),
    "grid": (lambda: seaborn.relplot(x=[1, 2], y=[3, 4]).set(title="a grid"), "svg", "a grid"),
    "frame": (lambda: pandas.DataFrame({"figure": [7]}), "html", "a table"),
    "styler": (lambda: pandas.DataFrame({"n": [7]}).style.background_gradient(), "html", "a table"),
}


@pytest.mark.parametrize("draw, kind, alt", FIGURES.values(), ids=FIGURES)
def test_any_picture(draw, kind, alt):
    panel = show.Panel(draw)
    frame, packed = panel.picture.frames[0]
    assert (frame["words"], frame["kind"], frame["alt"]) == ("", kind, alt)
    assert ("<svg" if kind == "svg" else ">7<") in gzip.decompress(packed).decode()
    assert matplotlib.pyplot.get_fignums() == []
    assert "image/png" if kind == "svg" else "text/html" in panel._repr_mimebundle_()[0]


def test_what_is_no_picture_is_refused():
    words = show.Panel(lambda: 7).picture.frames[0][0]["words"]
    assert words.startswith("TypeError: draw returned int; it must return a figure, a table, or other HTML.")


def test_the_stored_notebook_has_the_first_picture():
    panel = show.Panel(lambda size: picture("first"), size=IntSlider(value=2))
    data, metadata = panel._repr_mimebundle_()
    assert data["text/plain"] == "Run this cell to move the controls: size."
    assert data["image/png"].startswith(b"\x89PNG") and metadata["image/png"]["alt"] == "first"


def test_what_the_page_may_ask_for_next_is_drawn_ahead():
    calls = []

    def draw(size, net, slow):
        calls.append((size, net, slow))
        time.sleep(0.6 * slow)
        return picture(f"{size} {net}")

    async def use():
        size = FloatSlider(value=0.1, min=0, max=0.4, step=0.1)
        net = Dropdown(options=[("Plain", "plain"), ("Dense", "dense"), ("Other", "other")])
        panel = show.Panel(draw, size=size, net=net, slow=ToggleButton(value=False))
        page = Page(panel)
        await asyncio.sleep(0.2)
        assert len(calls) == 1  # nothing before the reader's hand is near
        panel._hear(None, {"near": True}, [])
        await asyncio.sleep(0.4)
        # All of the first slider, the nearest first; a step of each other control. What is slow ends it.
        near = [(0.2, "plain", False), (0.0, "plain", False), (0.4, "plain", False), (0.3, "plain", False)]
        assert calls[1:] == [*near, (0.1, "dense", False), (0.1, "plain", True)]
        await asyncio.sleep(0.8)
        assert len(calls) == 7
        drawn = len(page.heard)
        assert page.want(0.1 + 0.2, 0, False)["alt"] == "0.3 plain"  # 0.30000000000000004, as the browser counts
        assert len(calls) == 7 and len(page.heard) == drawn + 1
        net.index = 1
        panel.close()
        await asyncio.sleep(0.3)
        assert len(calls) == 7  # nothing is drawn for a panel that is gone

    asyncio.run(use())


def test_presets_are_drawn_ahead_and_the_menu_knows_them():
    drawn = []

    async def use():
        presets = {str(size): {"size": size} for size in (1, 2, 80)}
        draw = lambda size: drawn.append(size) or picture()  # noqa: E731
        panel = show.Panel(draw, presets=presets, size=IntSlider(value=2, min=1, max=99))
        assert panel.preset.value == "2" and panel.picture.setup["presets"] == [(1,), (2,), (80,)]
        panel._hear(None, {"near": True}, [])
        await asyncio.sleep(0.5)
        assert drawn[:10] == [2, 3, 1, 7, 4, 12, 5, 6, 8, 80]

    asyncio.run(use())
    nets = ipywidgets.SelectMultiple(options=["p", "q"])
    assert show.Panel(picture, presets={"q": {"alt": ["q"]}}, alt=nets).picture.setup["presets"] == [((1,),)]


def test_pictures_kept_have_a_bound(monkeypatch):
    monkeypatch.setattr("paper_nets.show.panel.MOST", 5)
    panel = show.Panel(lambda size: picture(str(size)), size=IntSlider(max=100))
    page = Page(panel)
    for at in range(20):
        assert page.want(at)["alt"] == str(at)
        assert len(panel._kept) <= 5


def test_a_move_is_expected_to_be_made_again():
    panel = show.Panel(lambda size: picture(str(size)), size=IntSlider(value=50, max=100))
    asked, at_once = [], []
    panel._draw_ahead = lambda settings, first: (asked.extend(settings), at_once.extend(first))
    panel._controls["size"].value = 57
    assert asked[:8] == [(64,), (71,), (78,), (58,), (56,), (62,), (52,), (59,)]
    assert sorted(asked) == [(size,) for size in range(101) if size != 57] and at_once == asked[:3]
    asked.clear()
    panel._controls["size"].value = 97
    assert asked[0] == (100,)  # a move beyond the end leads to the end
    panel = show.Panel(lambda a, b, c: picture(), a=IntSlider(max=1), b=IntSlider(value=5, max=9), c=IntSlider(max=9))
    # Of the others two moves: the page asks for the second before the kernel can have drawn it for the first.
    assert panel._near(0)[1:7] == [(0, 6, 0), (0, 5, 1), (0, 4, 0), (0, 5, 2), (0, 7, 0), (0, 5, 3)]


def test_while_the_hand_moves_only_the_same_move_is_drawn_ahead():
    drawn = []

    async def use():
        draw = lambda size: drawn.append((size, time.monotonic())) or picture()  # noqa: E731
        panel = show.Panel(draw, size=IntSlider(value=2, min=1, max=9))
        moved = time.monotonic()
        panel._controls["size"].value = 3
        await asyncio.sleep(0.8)
        sizes, times = zip(*drawn, strict=True)
        assert sizes[:4] == (2, 4, 5, 6) and {*sizes} == {*range(1, 10)} - {3}
        assert times[4] - moved >= 0.29

    asyncio.run(use())


def test_what_may_be_asked_for_soon_is_given_up_last(monkeypatch):
    monkeypatch.setattr("paper_nets.show.panel.MOST", 5)
    panel = show.Panel(lambda size: picture(str(size)), size=IntSlider(max=100))
    page = Page(panel)
    for at in range(1, 5):
        page.want(at)
    panel._draw_ahead([(1,), (2,)])
    page.want(60), page.want(61)
    assert list(panel._kept) == [(2,), (1,), (0,), (60,), (61,)]  # 0 is shown
    assert [message["gone"] for message, _ in page.heard] == [[]] * 4 + [[(3,)], [(4,)]]  # the page keeps the same


def test_drawing_leaves_no_old_garbage():
    """What grows old makes Python walk through all of torch, half a second in which no press is answered."""
    panel = show.Panel(show.dense_block, layers=IntSlider(value=2, min=1, max=9))
    gc.collect()
    collections = gc.get_stats()[1]["collections"]
    for layers in (3, 4, 5) * 10:
        panel._draw((layers,))
    assert gc.isenabled() and gc.get_stats()[1]["collections"] - collections < 3


def test_a_button_starts_work_beside_the_kernel_and_stop_is_heard():
    def grow(steps):
        for i in range(steps):
            yield picture(f"step {i}"), (i + 1) / steps
            time.sleep(0.01)

    panel = show.Panel(grow, button="Go", steps=IntSlider(value=3, max=10_000))
    page = Page(panel)
    panel.button.click()
    panel.wait()
    frames = [message["frame"]["alt"] for message, _ in page.heard if "frame" in message]
    assert frames == ["step 0", "step 1", "step 2"] and page.shares() == [None, 1 / 3, 2 / 3, 1, 1]
    assert not panel.button.disabled and panel.stop.disabled
    panel._controls["steps"].value = 10_000
    panel.button.click()
    assert panel.button.disabled and not panel.stop.disabled
    time.sleep(0.2)
    start = time.perf_counter()
    panel.stop.click()
    panel.wait()
    assert time.perf_counter() - start < 1 and page.words()[-1] == "Stopped."
    assert not panel.button.disabled and threading.active_count() < 10


def test_work_that_fails_says_so_and_can_begin_again():
    def fail():
        yield picture("begun")
        raise KeyError("lost")

    panel = show.Panel(fail, button="Go")
    page = Page(panel)
    for _ in range(2):
        panel.button.click()
        panel.wait()
        assert page.words()[-1].startswith("KeyError: 'lost' (line ") and not panel.button.disabled


def test_a_page_without_a_kernel_gets_the_pictures_of_two_controls():
    def draw(size, net, on):
        if size > 8:
            raise ValueError("size is 9; it must be < 9.")
        return picture(f"{size} {net} {on}")

    net = Dropdown(options=[("Plain", "plain"), ("Dense", "dense")])
    size, on = IntSlider(value=4, min=1, max=9), ToggleButton(value=True)
    panel = show.Panel(draw, net=net, size=size, on=on)
    still = panel.still(most=5)
    assert [one["name"] for one in still["shown"]] == ["size", "net"] and still["left_out"] == "on"
    assert [one["labels"] for one in still["shown"]] == [["2", "4", "6", "8"], ["Plain"]]  # its own among them
    still = panel.still(most=10)
    assert still["setup"]["start"] == (0, 4, True) and len(still["frames"]) == 18
    frames = {tuple(frame["places"]): (frame, text) for frame, text in still["frames"]}
    assert frames[1, 3, True][0]["alt"] == "3 dense True" and "<svg" in frames[1, 3, True][1]
    assert frames[0, 9, True][0]["words"] == "size is 9; it must be < 9." and frames[0, 9, True][1] == ""
    with pytest.raises(ValueError, match="trains when its button is pressed"):
        show.Panel(draw, button="Go", size=IntSlider()).still()


def test_some_of_the_places():
    assert evenly(list(range(10)), 7, 4) == [1, 4, 7] and evenly([5], 5, 9) == [5]
