"""Figures of feature reuse: a square for each connection of a dense net, and errors with their spread."""

from collections.abc import Mapping

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle

from paper_nets.show.figures import plain_log, tidy
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure

GAP = 2  # columns between two blocks


@figure
def connections(
    tables: Mapping[str, pandas.DataFrame],
    mark: tuple[int, int, int] | None = None,
    limits: tuple[float, float] | None = None,
) -> Picture:
    """A square for each connection of a dense net (DenseNet paper, Figure 5): a row of blocks for each named table.

    A table has block, source, target and value, and may have points, of test error. The colours of a row whose name
    ends with "(log)" go from the least to the greatest of its values in steps of equal ratio, those of the others
    evenly between the limits, where given, else likewise.
    mark: (block, source, target) of a connection to frame and to tell of.
    """
    picture = Picture(900, 70 + 215 * len(tables) + (24 if mark else 0))
    height = picture.size[1]
    words = []
    for i, (name, table) in enumerate(tables.items()):
        ends = table.groupby("block").target.max()
        first = ends.cumsum() + GAP * ends.index - ends - GAP  # the column before each block's first
        low, high = table.value.min(), table.value.max()
        logarithmic = name.endswith("(log)")
        norm = LogNorm(low, high) if logarithmic else Normalize(*limits or (low, high))
        squares = numpy.full((ends.max(), first.iloc[-1] + ends.iloc[-1]), numpy.nan)
        squares[table.source, first[table.block].to_numpy() + table.target - 1] = table.value
        bottom = (48 + 215 * (len(tables) - 1 - i)) / height
        axes = picture.add_axes((0.1, bottom, 0.81, 180 / height))
        axes.imshow(squares, cmap="viridis", norm=norm, aspect="auto", interpolation="nearest")
        _scale(axes, norm, *squares.shape)
        for block, last in ends.items():
            at = first[block] + last - 1
            axes.add_patch(Rectangle((at - 0.5, -0.5), 1, last, fill=False, linewidth=1.5))
            if i == 0:
                end = "classifier" if block == ends.index[-1] else "transition"
                axes.text(first[block] - 0.5, -0.8, f"block {block}; framed: the {end}", fontsize=10)
        axes.set_yticks(range(0, ends.max(), 2))
        axes.spines[:].set_visible(False)
        axes.set_ylabel("source layer")
        axes.set_xticks([])
        if i == len(tables) - 1:
            shown = [(first[block] + to - 1, to) for block, last in ends.items() for to in range(1, last, 2)]
            axes.set_xticks(*zip(*shown, strict=True))
            axes.set_xlabel("target layer")
        if mark:
            axes.add_patch(
                Rectangle((first[mark[0]] + mark[2] - 1.5, mark[1] - 0.5), 1, 1, fill=False, color="red", linewidth=2.5)
            )
        picture.text(0.025, bottom + 90 / height, name, rotation=90, va="center", ha="center", fontsize=10)
        plain = " ".join(name.split())
        if mark:
            there = table[(table[["block", "source", "target"]] == list(mark)).all(axis=1)]
            told = [f"{row.value:.3g}" for row in there.itertuples()] or ["no such connection"]
            told += [f"test error {points:+.1f} points" for points in there.get("points", [])]
            words.append(f"{plain}: {', '.join(told)}")
        else:
            words.append(f"{plain}: {low:.3g} to {high:.3g}, {table.value.mean():.3g} on average")
    where = "All connections" if mark is None else "Block {}, source {} to target {}".format(*mark)
    picture.alt = f"{where}. {'; '.join(words)}"
    if mark:
        picture.text(0.1, 1 - 18 / height, picture.alt, fontsize=10)
    return picture


def _scale(axes: Axes, norm: Normalize, rows: int, columns: int) -> None:
    """The colours with five of their values, right of the squares; matplotlib's own colour bar takes as long as all
    the rest."""
    left, right, bottom, top = 1.01 * columns, 1.03 * columns, rows - 0.5, -0.5
    axes.imshow(numpy.linspace(1, 0, 64)[:, None], cmap="viridis", aspect="auto", extent=(left, right, bottom, top))
    for share in numpy.linspace(0, 1, 5):
        at = bottom + share * (top - bottom)
        axes.text(right + 0.01 * columns, at, f"{norm.inverse(share):.2g}", va="center", fontsize=9)
    axes.set_xlim(-0.5, right)


@figure
def spread(table: pandas.DataFrame, x: str, title: str = "") -> Picture:
    """Training and test error against column `x`, a line through the means of each net, and a dot for each run.

    `table` has `x`, net (or a family as "dense" for a line over many nets), training_error and test_error (per cent).
    """
    picture = Picture(860, 340)
    pair = picture.subplots(1, 2)
    picture.subplots_adjust(left=0.07, right=0.82, bottom=0.15, top=0.82, wspace=0.18)
    words = []
    for axes, error in zip(pair, ("training_error", "test_error"), strict=True):
        for net, own in table.groupby("net", sort=False):
            colour, marker = COLOURS[family(net)], MARKERS[family(net)]
            means = own.groupby(x)[error].mean()
            axes.plot(own[x], own[error], marker, color=colour, alpha=0.35, markersize=4, linestyle="none")
            axes.plot(means.index, means, marker=marker, color=colour, markersize=6, label=net)
            if error == "test_error":
                words.append(f"{net} " + ", ".join(f"{value:.1f} at {at:g}" for at, value in means.items()))
        values = sorted(table[x].unique())
        plain_log(axes.xaxis, values)
        axes.set_ylim(0, max(5, 1.1 * table[error].max()))
        tidy(axes, x, "error (%)" if axes is pair[0] else "", error.replace("_", " "))
    pair[1].legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    picture.suptitle(title, fontsize=11)
    picture.alt = f"{title}. Test error in per cent, mean, by {x}: {'; '.join(words)}"
    return picture
