"""Figures of dense nets: how a block is joined up, how channels grow through a net, and what that costs."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from math import dist

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from paper_nets.nets import DenseNetPlan, InputError, cost
from paper_nets.nets.cost import NetCost
from paper_nets.nets.densenet import compressed
from paper_nets.nets.parts import check_whole
from paper_nets.show.curves import lines
from paper_nets.show.picture import COLOURS, Picture, figure, spelled
from paper_nets.show.style import plain_log, tidy


def _index(i: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(i))


@figure
def dense_block(layers: int = 5, growth_rate: int = 4, channels_in: int = 6) -> Picture:
    """Figure 8 of the review (DenseNet paper, Figure 1): a dense block, every layer joined to all later ones.

    The block gets `channels_in` maps, and each of its layers adds `growth_rate` to what all later ones read.
    Raises InputError for what is not a whole number of at least 1.
    """
    check_whole(layers=layers, growth_rate=growth_rate, channels_in=channels_in)
    picture = Picture(860, 320)
    axes = picture.add_axes((0, 0, 1, 0.92), xlim=(-0.6, layers + 0.6), ylim=(-0.6, 1.1))
    axes.axis("off")
    way = numpy.linspace(0, 1, 40)
    arcs, ends = [], []
    for end in range(1, layers + 1):
        for start in range(end):
            height = 0 if end == start + 1 else 0.1 + 0.9 * (end - start) / layers
            arcs.append(numpy.column_stack([start + (end - start) * way, 4 * height * way * (1 - way)]))
            # An arrowhead stands before its circle, 24 points across.
            ends.append(arcs[-1][-4] if height else (end - 0.032 * (layers + 1.2), 0))
    axes.add_collection(LineCollection(arcs, color=COLOURS["dense"], linewidth=1.2, alpha=0.8))
    axes.plot(*zip(*ends, strict=True), ">", color=COLOURS["dense"], markersize=4)
    axes.plot(range(layers + 1), [0] * (layers + 1), "o", color="white", markeredgecolor="black", markersize=24)
    size = min(9, 110 / (layers + 1.2))  # the room for each layer, in points, over that of its words
    for i in range(layers + 1):
        axes.text(i, 0, f"x{_index(i)}", ha="center", va="center", fontsize=9)
        reads = channels_in + (i - 1) * growth_rate
        words = f"H{_index(i)}\nreads {reads}\nadds {growth_rate}" if i else f"input\n{channels_in} maps"
        axes.text(i, -0.2, words, ha="center", va="top", fontsize=size)
    total = channels_in + layers * growth_rate
    arithmetic = f"k = {growth_rate}: {channels_in} + {layers} × {growth_rate} = {total} maps leave"
    picture.suptitle(f"{layers} layers, {len(arcs)} arrows; {arithmetic}", fontsize=11)
    picture.alt = (
        f"A dense block of {layers} layers with growth rate {growth_rate}: {channels_in} maps enter, each layer reads "
        f"all maps before it and adds {growth_rate}, {len(arcs)} arrows join each to all later ones, and {total} maps "
        f"leave."
    )
    return picture


# Pixels: a box with upright words, the gap before the next, and the least width of a dense block, for its name.
BOX, GAP, LEAST = 16, 9, 48


def _parts(plan: DenseNetPlan, brief: bool) -> list[tuple[str, int]]:
    """What an image meets on its way through a net: the words for each part, and its layers where it is a dense block.

    brief: stems, transitions and heads as one part each.
    """
    stages = cost(plan).stages
    activation = ["BN–ReLU"] if plan.norm else ["ReLU"]
    inside = {
        "stem": ["3×3 conv"] if plan.stem == "3x3" else ["7×7 conv", *activation, "3×3 max pool"],
        "transition": [*activation, "1×1 conv", "2×2 average pool"],
        "head": [*activation, "global average pool", "linear"],
    }
    side = stages[0].shape[1] * (4 if plan.stem == "7x7" else 1)
    parts, layers = [(f"input, {side}×{side}", 0)], iter(plan.blocks)
    for stage in stages:
        kind, side = stage.name.split()[0], stage.shape[1]
        if kind == "block":
            name = stage.name if brief else f"dense\n{stage.name}"
            parts.append((f"{name}\n{side}×{side}", next(layers)))
        else:
            parts += [(words, 0) for words in ([kind] if brief else inside[kind])]
    return parts


def _places(parts: list[tuple[str, int]], width: float) -> list[tuple[float, float]]:
    """Where each part begins, and how wide it is, in pixels: a block has room for its name, and more for each layer."""
    blocks = [layers for _, layers in parts if layers]
    room = width - BOX * (len(parts) - len(blocks)) - GAP * (len(parts) - 1)
    least = min(LEAST, room / len(blocks))
    a_layer = (room - least * len(blocks)) / sum(blocks)
    wide = [least + a_layer * layers if layers else BOX for _, layers in parts]
    return list(zip(accumulate((each + GAP for each in wide), initial=0), wide, strict=False))


def _net(axes: Axes, parts: list[tuple[str, int]], places: list[tuple[float, float]], low: float, high: float) -> None:
    """Draw a net part by part above the axes, from `low` to `high` times their height."""
    above = {"transform": axes.get_xaxis_transform(), "clip_on": False}
    middle = (low + high) / 2
    colours = [to_rgba(COLOURS["dense"], 0.35) if layers else "white" for _, layers in parts]
    boxes = [Rectangle((at, low), wide, high - low) for at, wide in places]
    axes.add_collection(PatchCollection(boxes, facecolors=colours, edgecolors="black", **above), autolim=False)
    arrows = [at - GAP / 2 for at, _ in places[1:]]
    axes.plot(arrows, [middle] * len(arrows), ">", color="black", markersize=3, **above)
    look = {"ha": "center", "va": "center", "fontsize": 8, **above}
    for (words, layers), (at, wide) in zip(parts, places, strict=True):
        axes.text(at + wide / 2, middle, words, rotation=0 if layers else 90, **look)


def _staircase(axes: Axes, plan: DenseNetPlan, strip: tuple[float, float], brief: bool = False) -> str:
    """Draw the channels that stand before each layer, and the net above, in the strip that `_net` takes; in words."""
    width = axes.get_window_extent().width
    parts = _parts(plan, brief)
    places = _places(parts, width)
    _net(axes, parts, places, *strip)
    foot, enter, top, words = [], plan.channels_in, 0, []
    blocks = [place for place, (_, layers) in zip(places, parts, strict=True) if layers]
    for i, (layers, (_, after), (at, wide)) in enumerate(zip(plan.blocks, plan.channels, blocks, strict=True), 1):
        x = numpy.linspace(at, at + wide, layers + 1)
        steps = [enter + j * plan.growth_rate for j in range(layers + 1)]
        leave = steps[-1]
        axes.stairs(steps[:-1], x, fill=True, color=COLOURS["dense"], alpha=0.35, linewidth=0)
        axes.step(x, steps, where="post", color=COLOURS["dense"])
        axes.annotate(f"{leave} out", (x[-1], leave), (0, 4), textcoords="offset points", ha="center", fontsize=8)
        foot.append((at, f"{enter} in"))
        words.append(f"block {i}: {enter} + {layers} × {plan.growth_rate} = {leave}")
        if i < len(plan.blocks):
            axes.plot([x[-1], blocks[i][0]], [leave, after], color="black", linestyle=":")
            words.append(f"transition to {after}")
        enter, top = after, max(top, leave)
    axes.set(xlim=(-1, width + 1), ylim=(0, 1.1 * top))
    axes.set_xticks(*zip(*foot, strict=True), fontsize=8)
    tidy(axes, "a step for each layer; dotted: transition (1×1 conv, pool)", "channels")
    axes.yaxis.set_label_coords(-57 / width, 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    passed = ", ".join(part.replace("\n", " ") for part, _ in parts)
    return f"Channels: {'; '.join(words)}. The net: {passed}"


# Million parameters and 10⁹ multiply–adds: around the paper's nets.
LIMITS = (0.1, 150), (0.04, 30)
STEMS = {"3x3": "o", "7x7": "s"}
# Whose names stand to the right of their markers: so no two touch.
RIGHT = ("densenet40_k12", "densenet161", "densenet169", "densenet201", "densenet264")
ARROWS = "↙←↖↓ ↑↘→↗"  # by the column, then the row


def _beside(axes: Axes, at: tuple[float, float], words: str, right: bool, fontsize: float) -> None:
    """Words to the left of a marker, or to the right."""
    side = "left" if right else "right"
    axes.text(*at, f"  {words}" if right else f"{words}  ", ha=side, va="center", fontsize=fontsize)


def _among(axes: Axes, price: NetCost, others: Mapping[str, DenseNetPlan]) -> str:
    """Mark a net's cost among others', each with its depth and k, the nearest filled; its name, or "" without others.

    A net beyond the axes stands at their edge, with an arrow to where it would be.
    """
    plain_log(axes.xaxis, [1, 10, 100])
    plain_log(axes.yaxis, [0.1, 1, 10])
    axes.set(xlim=LIMITS[0], ylim=LIMITS[1])
    star, *at = ((each.parameters / 1e6, each.multiply_adds / 1e9) for each in (price, *map(cost, others.values())))
    at = dict(zip(others, at, strict=True))
    nearest = min(at, key=lambda name: dist(numpy.log(at[name]), numpy.log(star)), default="")
    for name, other in others.items():
        filling = None if name == nearest else "white"
        axes.plot(*at[name], STEMS[other.stem], color=COLOURS["dense"], markerfacecolor=filling)
        words = name.removeprefix("densenet").strip("_").replace("bc", "BC-").replace("_k", ", ")
        _beside(axes, at[name], words, name in RIGHT, fontsize=7.5)
    shown = numpy.clip(star, *zip(*LIMITS, strict=True))
    axes.plot(*shown, "*", color="black", markersize=13, clip_on=False)
    x, y = (int(numpy.sign(there - here)) for there, here in zip(star, shown, strict=True))
    if x or y:
        _beside(axes, shown, ARROWS[3 * x + y + 4], shown[0] < 10, fontsize=14)
    # Signs in the words: a legend would take a sixth of the time of the whole drawing.
    alone, among = "★ this net", "★ this net\n□ the paper's, ImageNet (depth)\n○ the paper's, CIFAR (depth, k)"
    axes.text(0.98, 0.03, among if others else alone, transform=axes.transAxes, ha="right", fontsize=8, linespacing=1.5)
    tidy(axes, "million parameters", "10⁹ multiply–adds per image")
    axes.yaxis.set_label_coords(-46 / axes.get_window_extent().width, 0.5)
    axes.grid(visible=False)
    return nearest


@figure
def staircase(plan: DenseNetPlan, others: Mapping[str, DenseNetPlan] | None = None) -> Picture:
    """Figure 10 of the review for any dense net: its parts, and below them the channels that stand before each layer.

    Every block has room for its name, and beyond that is the wider the more layers it has.

    Args:
        others: named plans; where given, what the net costs is read out, and it stands among them. Costs are for one
            image of 224 × 224 with the 7×7 stem, of 32 × 32 with the 3×3 stem, as in the paper's nets.

    Raises: InputError for more blocks than the net's images can be halved.
    """
    if others is None:
        made = f"k = {plan.growth_rate}, {'bottlenecks, ' if plan.bottleneck else ''}θ = {plan.compression:g}"
        picture = Picture(860, 460)
        words = _staircase(picture.add_axes((0.085, 0.105, 0.9, 0.52)), plan, (1.04, 1.54))
        picture.suptitle(f"DenseNet-{plan.depth} ({made})", fontsize=11)
        picture.alt = f"DenseNet-{plan.depth} ({made}). {words}"
        return picture
    picture = Picture(900, 460)
    left, right = picture.add_axes((0.085, 0.105, 0.52, 0.44)), picture.add_axes((0.695, 0.105, 0.285, 0.67))
    words, price = _staircase(left, plan, (1.06, 1.52), brief=True), cost(plan)
    nearest = _among(right, price, others)
    # The stem's channels may be given or follow from k; it is the same net.
    alike = {replace(other, stem_channels=other.channels_in): spelled(name) for name, other in others.items()}
    name = alike.get(replace(plan, stem_channels=plan.channels_in), "a net of your own")
    figures = {
        "parameters": f"{price.parameters:,}",
        "10⁹ multiply–adds": f"{price.multiply_adds / 1e9:.3f}",
        "MB of activations per image in training": f"{price.activation_bytes / 1e6:,.1f}",
        "layers deep": str(plan.depth),
    }
    picture.text(0.085, 0.96, name, fontsize=12, va="center", weight="bold")
    for x, (what, value) in zip((0.085, 0.26, 0.46, 0.85), figures.items(), strict=True):
        picture.text(x, 0.89, value, fontsize=13, va="center")
        picture.text(x, 0.83, what, fontsize=9, va="center")
    costs = ", ".join(f"{value} {what}" for what, value in figures.items())
    picture.alt = f"{name}: {costs}. {words}" + (f". Nearest of the paper's: {spelled(nearest)}" if nearest else "")
    return picture


@figure
def transition(channels: int, compression: float, table: pandas.DataFrame, net: str) -> Picture:
    """What a transition's θ does: `channels` maps in and ⌊θ · channels⌋ out, and what a whole net costs with it.

    `table` has compression (θ, the last row 1) and the costs of `net` to draw, each relative to that of θ = 1. Raises
    InputError where no map is left.
    """
    out = compressed(channels, compression)
    if out == 0:
        raise InputError(f"θ is {compression:g}; of {channels} maps so small a θ leaves none.")
    picture = Picture(860, 300)
    left, right = picture.add_axes((0.02, 0.04, 0.38, 0.82)), picture.add_axes((0.48, 0.16, 0.26, 0.7))
    across = max(1, round(channels**0.5))
    for x0, maps, words in ((0, channels, f"{channels} maps in"), (across + 3, out, f"{out} out")):
        i = numpy.arange(maps)
        left.plot(x0 + i % across, -(i // across), "s", color=COLOURS["dense"], markersize=min(8, 90 / across))
        left.text(x0 + (across - 1) / 2, 1.1, words, ha="center")
    left.annotate("", (across + 2, -across / 2), (across, -across / 2), arrowprops={"arrowstyle": "->"})
    left.set(xlim=(-1, 2 * across + 3), ylim=(-across - 1, 2.5), aspect="equal")
    left.axis("off")
    left.set_title(f"θ = {compression:g}: ⌊{compression:g} · {channels}⌋ = {out}", fontsize=11)
    values = table.drop(columns="compression")
    here = values.iloc[(table.compression - compression).abs().argmin()]
    described = [f"{value:.3g} {column}" for column, value in here.items()]
    for words, (_, run), line in zip(described, (values / values.iloc[-1]).items(), ("-", "--", ":"), strict=False):
        right.plot(table.compression, 100 * run, line, color=COLOURS["dense"], label=words)
    right.axvline(compression, color="black", linewidth=0.8)
    right.set(xlim=(0, 1.02), ylim=(0, 105))
    title = f"with θ = {compression:g}"
    right.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9, title=title, alignment="left")
    tidy(right, "θ", "% of that with θ = 1", net)
    picture.alt = f"θ = {compression:g}: of {channels} maps {out} are left. {net}: {', '.join(described)}"
    return picture


def growth(table: pandas.DataFrame, title: str = "", x_label: str = "layers", doubling: float | None = None) -> Picture:
    """How costs grow with the layers of a block or a net, beside the first and the second power of their number.

    Args:
        table: layers, and a column for each cost, which is drawn relative to its first row.
        doubling: layers in which an exponential, drawn beside them, doubles.
    """
    layers, first, last = table.layers, table.layers.iloc[0], table.layers.iloc[-1]
    drawn = [(column, "dense", values / values.iloc[0]) for column, values in table.set_index("layers").items()]
    drawn += [(name, "other", pandas.Series((layers / first).values ** p, layers)) for name, p in (("L", 1), ("L²", 2))]
    if doubling:
        at = numpy.geomspace(first, last, 200)
        doubled = pandas.Series(2 ** ((at - first) / doubling), at)
        drawn.append((f"doubled every\n{doubling:g} layers", "other", doubled))
    rows = pandas.concat(
        pandas.DataFrame({"layers": values.index, "times": values.values, "net": net, "label": label, "seed": 0})
        for label, net, values in drawn
    )
    columns, limits = {"times": f"times that of {first:g} layers"}, {"times": (0.8, 2 * (last / first) ** 2)}
    return lines(rows, "layers", columns, x_label, title, log=["layers", "times"], ticks=list(layers), limits=limits)
