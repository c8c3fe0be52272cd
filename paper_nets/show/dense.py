"""Figures of dense nets: how a block is joined up, and how channels grow through a net."""

import numpy
from matplotlib.collections import LineCollection

from paper_nets.nets import DenseNetPlan
from paper_nets.nets.parts import check_whole
from paper_nets.show.figures import tidy
from paper_nets.show.picture import COLOURS, Picture, figure


def _index(i: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(i))


@figure
def dense_block(layers: int = 5, growth_rate: int = 4, channels_in: int = 6) -> Picture:
    """Figure 8 of the argument (DenseNet paper, Figure 1): a dense block, every layer joined to all later ones.

    The block gets `channels_in` maps, and each of its layers adds `growth_rate` to what all later ones read.
    Raises ValueError for what is not a whole number of at least 1.
    """
    check_whole(layers=layers, growth_rate=growth_rate, channels_in=channels_in)
    picture = Picture(860, 340)
    axes = picture.add_axes((0, 0, 1, 0.92), xlim=(-0.6, layers + 0.6), ylim=(-0.75, 1.1))
    axes.axis("off")
    way = numpy.linspace(0, 1, 40)
    arcs, ends = [], []
    for end in range(1, layers + 1):
        for start in range(end):
            height = 0 if end == start + 1 else 0.1 + 0.9 * (end - start) / layers
            arcs.append(numpy.column_stack([start + (end - start) * way, 4 * height * way * (1 - way)]))
            ends.append(arcs[-1][-4])
    axes.add_collection(LineCollection(arcs, color=COLOURS["dense"], linewidth=1.2, alpha=0.8))
    axes.plot(*zip(*ends, strict=True), ">", color=COLOURS["dense"], markersize=4)
    axes.plot(range(layers + 1), [0] * (layers + 1), "o", color="white", markeredgecolor="black", markersize=24)
    size = 9 if layers < 8 else 7
    for i in range(layers + 1):
        axes.text(i, 0, f"x{_index(i)}", ha="center", va="center", fontsize=9)
        reads = channels_in + (i - 1) * growth_rate
        words = f"H{_index(i)} reads {reads}\nadds {growth_rate}" if i else f"input\n{channels_in} maps"
        axes.text(i, -0.2, words, ha="center", va="top", fontsize=size)
    total = channels_in + layers * growth_rate
    title = f"{layers} layers, k = {growth_rate}: {channels_in} + {layers} × {growth_rate} = {total} maps leave"
    picture.suptitle(title, fontsize=11)
    picture.alt = (
        f"A dense block of {layers} layers with growth rate {growth_rate}: {channels_in} maps enter, each layer reads "
        f"all maps before it and adds {growth_rate}, {len(arcs)} arrows join each to all later ones, and {total} maps "
        f"leave."
    )
    return picture


@figure
def staircase(plan: DenseNetPlan, title: str = "") -> Picture:
    """Figure 10 of the argument for any dense net: the channels that stand before each layer, through blocks and
    transitions."""
    picture = Picture(860, 320)
    axes = picture.add_axes((0.075, 0.15, 0.9, 0.7))
    at, enter, words = 0, plan.channels_in, []
    for i, (layers, (_, after)) in enumerate(zip(plan.blocks, plan.channels, strict=True), 1):
        places = range(at, at + layers + 1)
        steps = [enter + j * plan.growth_rate for j in range(layers + 1)]
        axes.fill_between(places, steps, step="post", color=COLOURS["dense"], alpha=0.35, linewidth=0)
        axes.step(places, steps, where="post", color=COLOURS["dense"])
        axes.annotate(enter, (at, enter), (-4, 0), textcoords="offset points", ha="right", va="center", fontsize=9)
        axes.annotate(steps[-1], (at + layers, steps[-1]), (0, 4), textcoords="offset points", ha="center", fontsize=9)
        words.append(f"block {i}: {enter} + {layers} × {plan.growth_rate} = {steps[-1]}")
        if i < len(plan.blocks):
            axes.plot([at + layers, at + layers + 2], [steps[-1], after], color="black", linestyle=":")
            words.append(f"transition to {after}")
        at, enter = at + layers + 2, after
    axes.set(xlim=(-0.06 * at, at), ylim=(0, None), xticks=[])
    axes.margins(y=0.12)
    tidy(axes, "a step for each layer; transitions dotted", "channels", title)
    picture.alt = f"{title}. Channels: {'; '.join(words)}"
    return picture
