"""Feature reuse: a square for each connection of a dense net."""

import warnings
from collections.abc import Collection, Mapping

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle

from paper_nets.show.picture import Picture, figure

GAP = 2  # columns between two blocks
ROOM = 26  # columns that leave room for a number in each square


@figure
def connections(
    tables: Mapping[str, pandas.DataFrame],
    mark: tuple[int, int, int] | None = None,
    limits: tuple[float, float] | None = None,
    log: Collection[str] = (),
) -> Picture:
    """A square for each connection of a dense net (DenseNet paper, Figure 5): a row of blocks for each named table.

    Args:
        tables: block, source, target and value; points, of test error, where a cut was measured.
        mark: (block, source, target) of a connection to frame and to tell of.
        limits: between what values the colours go, away from their middle; by default from least to greatest.
        log: the rows whose colours go from least to greatest in steps of equal ratio.
    """
    picture = Picture(900, 70 + 215 * len(tables) + (24 if mark else 0))
    height = picture.size[1]
    words = []
    for i, (name, table) in enumerate(tables.items()):
        ends = table.groupby("block").target.max()
        first = ends.cumsum() + GAP * ends.index - ends - GAP  # the column before each block's first
        low, high = table.value.min(), table.value.max()
        squares = numpy.full((ends.max(), first.iloc[-1] + ends.iloc[-1]), numpy.nan)
        squares[table.source, first[table.block].to_numpy() + table.target - 1] = table.value
        bottom = (48 + 215 * (len(tables) - 1 - i)) / height
        axes = picture.add_axes((0.1, bottom, 0.81, 180 / height))
        if name in log or limits is None:
            norm, colours = (LogNorm if name in log else Normalize)(low, high), "viridis"
        else:
            norm, colours = Normalize(*limits), "RdBu_r"
        if mark:
            _quick(axes, squares, norm, colours)
        else:
            _heatmap(axes, squares, norm, colours, numbers=squares.shape[1] <= ROOM and name not in log)
        for block, last in ends.items():
            axes.add_patch(Rectangle((first[block] + last - 1, 0), 1, last, fill=False, linewidth=1.5))
            if i == 0:
                end = "classifier" if block == ends.index[-1] else "transition"
                axes.text(first[block], -0.3, f"block {block}; framed: the {end}", fontsize=10)
        axes.set_yticks(numpy.arange(0, ends.max(), 2) + 0.5, range(0, ends.max(), 2), rotation=0)
        axes.spines[:].set_visible(False)
        axes.set_ylabel("source layer")
        axes.set_xticks([])
        if i == len(tables) - 1:
            shown = [(first[block] + to - 0.5, to) for block, last in ends.items() for to in range(1, last, 2)]
            axes.set_xticks(*zip(*shown, strict=True), rotation=0)
            axes.set_xlabel("target layer")
        if mark:
            corner = (first[mark[0]] + mark[2] - 1, mark[1])
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, color="red", linewidth=2.5))
        picture.text(0.025, bottom + 90 / height, name, rotation=90, va="center", ha="center", fontsize=10)
        plain = " ".join(name.split())
        if mark:
            there = table[(table[["block", "source", "target"]] == list(mark)).all(axis=1)]
            found = [f"{row.value:.3g}" for row in there.itertuples()] or ["no such connection"]
            found += [f"test error {points:+.1f} points" for points in there.get("points", [])]
            words.append(f"{plain}: {', '.join(found)}")
        else:
            words.append(f"{plain}: {low:.3g} to {high:.3g}, {table.value.mean():.3g} on average")
    where = "All connections" if mark is None else f"Block {mark[0]}, source {mark[1]} to target {mark[2]}"
    picture.alt = f"{where}. {'; '.join(words)}"
    if mark:
        picture.text(0.1, 1 - 18 / height, picture.alt, fontsize=10)
    return picture


def _values(norm: Normalize) -> numpy.ndarray:
    """The values beside a scale: powers of ten, or five that are evenly spaced."""
    if isinstance(norm, LogNorm):
        return 10.0 ** numpy.arange(numpy.ceil(numpy.log10(norm.vmin)), numpy.log10(norm.vmax) + 1e-9)
    return norm.inverse(numpy.linspace(0, 1, 5))


def _heatmap(axes: Axes, squares: numpy.ndarray, norm: Normalize, colours: str, numbers: bool) -> None:
    """Seaborn's, with numbers in the squares where there is room for them."""
    import seaborn  # here, since it takes most of a second to import

    beside = axes.figure.add_axes((0.925, axes.get_position().y0, 0.016, axes.get_position().height))
    scale = {"ticks": list(_values(norm)), "format": "%.2g"}
    how = {"annot": numbers, "fmt": ".2f", "annot_kws": {"fontsize": 7}, "cbar_kws": scale}
    with warnings.catch_warnings():  # seaborn 0.13.2 calls what matplotlib 3.11 will take away
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        seaborn.heatmap(squares, norm=norm, cmap=colours, ax=axes, cbar_ax=beside, **how)
    beside.tick_params(labelsize=9)
    beside.minorticks_off()


def _quick(axes: Axes, squares: numpy.ndarray, norm: Normalize, colours: str) -> None:
    """The same under a slider, in a quarter of the time: an image, and a scale."""
    rows, columns = squares.shape
    axes.imshow(squares, cmap=colours, norm=norm, aspect="auto", interpolation="nearest", extent=(0, columns, rows, 0))
    left, right = 1.01 * columns, 1.03 * columns
    axes.imshow(numpy.linspace(1, 0, 64)[:, None], cmap=colours, aspect="auto", extent=(left, right, rows, 0))
    for value in _values(norm):
        axes.text(right + 0.01 * columns, rows * (1 - norm(value)), f"{value:.2g}", va="center", fontsize=9)
    axes.set_xlim(0, right)
