"""Figures of blocks: how they are built, what passes through them, and what they learn."""

from textwrap import fill

import pandas
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from paper_nets.show.figures import at_least_decades, style_of, tidy
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure

READ = ("accuracy", "similarity")


@figure
def two_blocks() -> Picture:
    """Figure 5 of the review: a plain and a residual block side by side."""
    picture = Picture(760, 400)
    ring = {"boxstyle": "circle,pad=0.12", "facecolor": "white"}
    for left, kind in ((0.02, "plain"), (0.5, "residual")):
        axes = picture.add_axes((left, 0, 0.48, 1), xlim=(0, 10), ylim=(0, 10))
        axes.axis("off")
        colour = COLOURS[kind]
        axes.text(4, 9.6, f"{kind} block", ha="center", va="center", fontsize=13, color=colour)
        for y, words in ((6.9, "weight layer W₁"), (4.6, "weight layer W₂")):
            box = FancyBboxPatch((2.2, y - 0.45), 3.6, 0.9, "round,pad=0.1", facecolor="white", edgecolor=colour)
            axes.add_patch(box)
            axes.text(4, y, words, ha="center", va="center")
        ends = (
            [(8.9, 7.5), (6.3, 5.2), (4.0, 2.95), (2.25, 0.9)]
            if kind == "residual"
            else [(8.9, 7.5), (6.3, 5.2), (4.0, 0.9)]
        )
        for top, bottom in ends:
            axes.add_patch(FancyArrowPatch((4, top), (4, bottom), arrowstyle="-|>", mutation_scale=14, color="black"))
        axes.text(4.2, 8.75, "x", fontsize=14, style="italic")
        axes.text(4.25, 5.65, "σ (ReLU)")
        if kind == "plain":
            axes.text(4.25, 2.1, "σ (ReLU)")
            axes.text(3.75, 2.6, "H(x)", ha="right", va="center", fontsize=13, style="italic")
            axes.text(4, 0.4, "y = σ(H(x))", ha="center", fontsize=13, style="italic")
            continue
        axes.text(1.9, 5.75, "F(x)", ha="right", fontsize=13, style="italic")
        axes.add_patch(
            FancyArrowPatch(
                (4, 8.3),
                (4.4, 2.6),
                connectionstyle="arc3,rad=-1.2",
                arrowstyle="-|>",
                mutation_scale=14,
                color=colour,
                linewidth=2,
            )  # fmt: skip
        )
        axes.text(8.15, 5.4, "x\nidentity", ha="left", va="center", color=colour, fontsize=12)
        axes.text(4, 2.6, "+", ha="center", va="center", fontsize=15, bbox={**ring, "edgecolor": colour})
        axes.text(3.45, 2.6, "H(x) = F(x) + x", ha="right", va="center", fontsize=13, style="italic")
        axes.text(4.25, 1.4, "σ (ReLU)")
        axes.text(4, 0.4, "y = σ(F(x) + x)", ha="center", fontsize=13, style="italic")
    picture.alt = (
        "Two blocks of two weight layers with a ReLU between them. In the plain block their output is H(x), which is "
        "rectified. In the residual block it is F(x); an arrow carries x past both layers and is added to it, and the "
        "sum, H(x) = F(x) + x, is rectified."
    )
    return picture


@figure
def identity_errors(table: pandas.DataFrame, title: str, steps: int) -> Picture:
    """How far a stack is from what it was asked for, and how much its blocks add to their input, over the steps.

    `table` is that of `learn_identity`, of several kinds and seeds together; `steps` fixes the axis.
    """
    picture = Picture(860, 350)
    pair = picture.subplots(1, 2)
    picture.subplots_adjust(left=0.075, right=0.98, bottom=0.15, top=0.82, wspace=0.22)
    for axes, column, words in zip(
        pair, ("error", "residual"), ("‖y − target‖ / ‖target‖", "‖F(x)‖ / ‖x‖  (plain: ‖y − x‖ / ‖x‖)"), strict=True
    ):
        for (kind, seed), run in table.groupby(["kind", "seed"], sort=False):
            of = family(kind)
            style = {"color": COLOURS[of], "marker": MARKERS[of], "linestyle": "--" if of == "residual" else "-"}
            if kind != of:  # "residual, F = 0 at first"
                style |= {"linestyle": ":", "markerfacecolor": "white"}
            label = kind if seed == table.seed.min() else None
            axes.plot(run.step, run[column], markevery=25, label=label, clip_on=False, **style)
        axes.set(xlim=(0, steps), ylim=(-0.05, max(2, 1.05 * table[column].max())))
        tidy(axes, "step", words, ("error of the stack", "what a block adds, mean over the blocks")[axes is pair[1]])
    pair[0].legend(loc="upper right", frameon=False, fontsize=9)
    picture.suptitle(title, fontsize=11)
    last = table.groupby(["kind", "seed"], sort=False).tail(1)
    picture.alt = f"{title}. Error after step {last.step.max()}: " + "; ".join(
        f"{row.kind} seed {row.seed} {row.error:.3f}" for row in last.itertuples()
    )
    return picture


@figure
def responses(table: pandas.DataFrame, untouched: float | None = None) -> Picture:
    """The response of each layer along a net (ResNet paper, Figure 7); `table` has net, layer number and response.

    untouched: the response of a layer that nothing but weight decay has changed, to be drawn beside them.
    """
    picture = Picture(760, 360)
    axes = picture.add_axes((0.09, 0.14, 0.7, 0.76))
    words = []
    for net, own in table.groupby("net", sort=False):
        style = {**style_of(net), "markevery": 4, "markersize": 5}
        axes.semilogy(own.layer, own.response, label=net, **style)
        words.append(f"{net} {own.response.max():.2f} at most, {own.response.median():.2f} in the middle")
    if untouched is not None:
        words.append(f"untouched by all but weight decay: {untouched:.2f}")
        axes.axhline(untouched, color=COLOURS["other"], linewidth=1, label="untouched,\nbut for decay")
    at_least_decades(axes, 0.2)
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 5 * low else (1, 1.1, 1.2, 1.5, 2, 3, 5, 7, 8, 9)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    tidy(axes, "layer, from the input", "standard deviation after BN", "layer responses")
    picture.alt = f"Layer responses: {'; '.join(words)}"
    return picture


@figure
def information(table: pandas.DataFrame, block: int | None = None, unit: str = "block") -> Picture:
    """What a linear probe still reads after so many blocks; `table` is that of `recovered` with net and seed added.

    block: where given, marked by a line; the title says how things stand there.
    unit: what the column `block` counts, where that is something else.
    """
    picture = Picture(860, 350)
    pair = picture.subplots(1, 2)
    picture.subplots_adjust(left=0.075, right=0.98, bottom=0.15, top=0.83, wspace=0.22)
    titles = ("digits recognised by a linear probe (%)", "cosine of two different images")
    for axes, column, title in zip(pair, READ, titles, strict=True):
        for (net, seed), run in table.groupby(["net", "seed"], sort=False):
            label = net if seed == table.seed.min() else None
            axes.plot(run.block, run[column], markersize=3, alpha=0.8, label=label, **style_of(net))
        if block is not None:
            axes.axvline(block, color="black", linewidth=0.8)
        axes.set(ylim=(0, 105) if column == "accuracy" else (0, 1.05))
        tidy(axes, f"{unit}s passed", "", title)
    pair[0].axhline(10, color=COLOURS["other"], linewidth=1)
    pair[0].legend(loc="center right", bbox_to_anchor=(1, 0.385), frameon=False)
    at = table.block.max() if block is None else block
    # A net whose table ends before stands there with its last row.
    there = table[table.block <= at].groupby(["net", "seed"]).tail(1)
    means = there.groupby("net", sort=False)[["accuracy", "similarity"]].mean()
    ends = " or ".join(map(str, sorted(there.block.unique())))
    picture.alt = f"After {ends} {unit}s, mean over the seeds: " + "; ".join(
        f"{net} {row.accuracy:.0f} % recognised, cosine {row.similarity:.2f}" for net, row in means.iterrows()
    )
    if block is not None:
        picture.suptitle(fill(picture.alt, 115), fontsize=9)
    return picture
