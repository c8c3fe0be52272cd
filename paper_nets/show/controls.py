"""The controls of ipywidgets as a panel and its page read them: where one stands, and where else it can stand.

A place is what the page knows: the index of a menu's option, of any other control its value.
"""

from ipywidgets import ColorPicker, Text, Textarea, Widget, widget_bool, widget_float, widget_int, widget_selection

from paper_nets.language import say

ONE_OF, SOME_OF = widget_selection._Selection, widget_selection._MultipleSelection
KINDS = (ONE_OF, SOME_OF, widget_int._Int, widget_float._Float, widget_bool._Bool, Text, Textarea, ColorPicker)


def trait(control: Widget) -> str:
    """The trait that holds a control's place."""
    return "index" if isinstance(control, ONE_OF | SOME_OF) else "value"


def rounded(at):
    """To nine digits, as the page rounds: 0.1 + 0.2 there is what a slider calls 0.3."""
    if isinstance(at, list | tuple):
        return tuple(map(rounded, at))
    return float(f"{at:.9g}") if isinstance(at, float) else at


def place(control: Widget):
    return rounded(getattr(control, trait(control)))


def options(control: Widget) -> list[tuple[str, object]]:
    """The labels and values of a menu."""
    return widget_selection._make_options(control.options)


def value(control: Widget, at):
    """What a draw function gets for a place."""
    if isinstance(control, SOME_OF):
        return tuple(options(control)[i][1] for i in at)
    if isinstance(control, ONE_OF):
        return None if at is None else options(control)[at][1]
    return float(at) if isinstance(control.value, float) else at


def place_of(control: Widget, wanted):
    """The place of a value: the way back."""
    if trait(control) == "value":
        return rounded(wanted)
    values = [v for _, v in options(control)]
    return values.index(wanted) if isinstance(control, ONE_OF) else tuple(map(values.index, wanted))


def places(control: Widget) -> list:
    """All places in order, where they can be counted; of an endless number box one step either way; of a text or a
    range its own only."""
    at = place(control)
    if isinstance(at, bool):
        return [False, True]
    if isinstance(control, ONE_OF):
        return list(range(len(options(control))))
    if not isinstance(at, int | float) or not getattr(control, "step", None):
        return [at]
    if not hasattr(control, "max"):
        return [at - control.step, at, at + control.step]
    count = int((control.max - control.min) / control.step + 1e-6) + 1
    whole = [control.min + i * control.step for i in range(count)]
    return [rounded(float(control.base**e) if hasattr(control, "base") else e) for e in whole]


def label(control: Widget, at) -> str:
    """What a reader sees of a place."""
    if isinstance(control, ONE_OF):
        return options(control)[at][0]
    if isinstance(at, bool):
        return say(("off", "on")[at])
    return f"{at:g}" if isinstance(at, int | float) else str(at)


def translate(control: Widget, name: str) -> None:
    """Give a control its name, and a menu's options theirs, in the reader's language."""
    control.description = say(control.description or name.replace("_", " "))
    if isinstance(control, ONE_OF | SOME_OF):
        said, at = [(say(label), option) for label, option in options(control)], control.index
        if said != list(options(control)):
            control.options, control.index = said, at


def evenly(whole: list, at, most: int) -> list:
    """At most so many of the places, evenly, `at` among them."""
    apart = -(-len(whole) // most)
    return whole[whole.index(at) % apart :: apart]
