"""How everything looks: one style for each family and depth, and axes that stay where they are."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import log10

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator, StrMethodFormatter

from paper_nets.nets import plan
from paper_nets.show.picture import COLOURS, MARKERS, family

LINES = ((0, (4, 1, 1, 1, 1, 1)), "-", "--", "-.", ":")


def tidy(axes: Axes, x: str, y: str, title: str = "") -> None:
    """Labels and title at fixed places, so that nothing jumps from one picture to the next.

    It also spares matplotlib measuring every tick label to find those places, a third of the time of a drawing.
    """
    width, height = axes.get_window_extent().size
    axes.set_title(title, y=1.02, fontsize=11)
    axes.set_xlabel(x)
    axes.xaxis.set_label_coords(0.5, -26 / height)
    axes.set_ylabel(y)
    axes.yaxis.set_label_coords(-38 / width, 0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.5, alpha=0.4)


def plain_log(axis: Axis, ticks: Sequence[float] = ()) -> None:
    """A logarithmic axis with a few plain numbers, or with powers of ten, which is also the quickest to draw."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(FixedLocator(ticks) if ticks else LogLocator())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:g}") if ticks else FuncFormatter(_power_of_ten))


def _power_of_ten(value: float, _: int) -> str:
    return "10" + str(round(log10(value))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def styles_of(nets: Iterable[str] | Mapping[str, str]) -> dict[str, dict]:
    """A style for each net, or for each label of a mapping of labels to nets: the colour and the marker of its family,
    the colour the darker the deeper, and a line that goes with the depth. So a net looks the same whatever stands
    beside it; where one of its family has that line, it gets the first that is free, at last with hollow markers."""
    styles, taken = {}, set()
    for label, net in (nets if isinstance(nets, Mapping) else {net: net for net in nets}).items():
        kind, depth = family(net), 56 if net in COLOURS else plan(net).depth
        lighter = 0.5 * (1 - min(depth, 56) / 56)
        colour = [c + (1 - c) * lighter for c in to_rgb(COLOURS[kind])]
        own = "-" if net in COLOURS else LINES[depth // 12 % len(LINES)]  # 8, 20, 32, 44 and 56 layers differ
        looks = [(colour, own), *product((colour, "white"), LINES)]
        face, line = next((look for look in looks if (kind, look[0] == "white", look[1]) not in taken), looks[0])
        taken.add((kind, face == "white", line))
        styles[label] = {"color": colour, "linestyle": line, "marker": MARKERS[kind], "markerfacecolor": face}
    return styles
