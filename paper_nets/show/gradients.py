"""Figures of the gradient: how large it is where, how far it can be trusted, what blocks do to it."""

from itertools import cycle

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from paper_nets.show.figures import at_least_decades, plain_log, style_of, tidy
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure


def _lines(axes: Axes, table: pandas.DataFrame, x: str, y: str, **more) -> None:
    """A line for each net and seed; one label for all seeds of a net. A family has its marker, a depth its line."""
    for (net, seed), run in table.groupby(["net", "seed"], sort=False):
        marks = {"markersize": 4, "markevery": max(1, len(run) // 12), "alpha": 0.85}
        label = net if seed == table[table.net == net].seed.iloc[0] else None
        axes.plot(run[x], run[y], label=label, **{**style_of(net), **marks, **more})


def _pair(right: float = 0.8) -> tuple[Picture, Axes, Axes]:
    """Two axes side by side with room for a legend on the right."""
    picture = Picture(900, 350)
    left, other = picture.subplots(1, 2)
    picture.subplots_adjust(left=0.075, right=right, bottom=0.15, top=0.84, wspace=0.26)
    return picture, left, other


def _line_of(table: pandas.DataFrame) -> dict[str, str]:
    """A line for each net in their order, where nets of one depth are to be told apart."""
    return dict(zip(table.net.unique(), cycle(("-", "--", ":", "-."))))


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)


BY_LAYER = {
    "signal": "‖∂loss/∂output‖ of the layer",
    "gradient": "‖∂loss/∂W‖ of the layer",
    "weight": "‖W‖ of the layer",
}


@figure
def gradient_by_layer(table: pandas.DataFrame, title: str = "", columns=("signal", "gradient")) -> Picture:
    """Figure 4 of the review, measured: the gradient at every layer, on its way from the output back to the input.

    `table` is that of `gradient_norms` with net, seed and the layer's number added; `columns` are two of its columns.
    """
    picture, *pair = _pair()
    shown = table.assign(**{column: table[column].where(table[column] > 0) for column in columns})
    for axes, column in zip(pair, columns, strict=True):
        _lines(axes, shown, "layer", column)
        axes.set_xlim(0, table.layer.max() + 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if shown[column].notna().any():  # a net without batch norm may have died
            plain_log(axes.yaxis)
            at_least_decades(axes, 4)
        tidy(axes, "layer (the gradient comes from the right)", "", BY_LAYER[column])
    _legend(pair[1])
    picture.suptitle(title, fontsize=11)
    column = columns[0]
    # The last layer is the classifier.
    ratio = table.groupby(["net", "seed"], sort=False)[column].agg(
        lambda values: values.iloc[0] / values.iloc[-2] if values.iloc[-2] else 0.0
    )
    ratio = ratio.groupby("net", sort=False).median()
    if (table.groupby(["net", "seed"])[column].median() == 0).any():
        picture.text(0.3, 0.5, "all or most of them are exactly 0", ha="center", color="0.35")
    picture.alt = f"{title}. {BY_LAYER[column]}, the first over the last convolution's: " + "; ".join(
        f"{net} {value:.2g}" for net, value in ratio.items()
    )
    return picture


@figure
def zero_units(table: pandas.DataFrame) -> Picture:
    """What ReLUs put out as zero, along a net; `table` is that of `relu_zeros` with net and seed added."""
    picture, left, right = _pair(0.76)
    columns = {"zero": "share of outputs that are 0 (%)", "dead": "units that are 0 for every image (%)"}
    shown, line_of = table.assign(zero=100 * table.zero, dead=100 * table.dead), _line_of(table)
    for axes, (column, words) in zip((left, right), columns.items(), strict=True):
        for net, own in shown.groupby("net", sort=False):
            _lines(axes, own, "relu", column, linestyle=line_of[net])
        axes.set_ylim(0, 100)
        tidy(axes, "ReLU, from the input", "", words)
    _legend(right)
    means = shown.groupby("net", sort=False)[["zero", "dead"]].mean()
    picture.alt = "Mean over all ReLUs: " + "; ".join(
        f"{net} {row.zero:.0f} % of outputs zero, {row.dead:.0f} % of units dead" for net, row in means.iterrows()
    )
    return picture


@figure
def gradient_turns(table: pandas.DataFrame) -> Picture:
    """How soon the gradient by the image points elsewhere.

    `table` is that of `gradient_similarity` with net and seed added.
    """
    picture = Picture(800, 370)
    axes = picture.add_axes((0.085, 0.14, 0.66, 0.76))
    _lines(axes, table, "share", "similarity")
    plain_log(axes.xaxis)
    axes.set_ylim(-0.1, 1.05)
    tidy(axes, "how far toward another image (1: all the way)", "cosine of the two gradients", "how soon it turns")
    _legend(axes)
    share = min(table.share, key=lambda x: abs(numpy.log(x / 0.01)))
    means = table[table.share == share].groupby("net", sort=False).similarity.mean()
    picture.alt = f"Cosine of the gradients at an image and {share:g} of the way to another: " + "; ".join(
        f"{net} {value:.2f}" for net, value in means.items()
    )
    return picture


@figure
def one_step(table: pandas.DataFrame) -> Picture:
    """What one step down the gradient does; `table` is that of `loss_along_gradient` with net and seed added."""
    picture, left, right = _pair()
    kept = table.assign(kept=100 * table.change / table.promised)
    _lines(left, table, "rate", "change", markevery=1)
    _lines(right, kept, "rate", "kept", markevery=1)
    for axes, title in ((left, "change of the loss"), (right, "change, in % of the promised one")):
        plain_log(axes.xaxis)
        axes.axhline(0, color="black", linewidth=0.8)
        tidy(axes, "learning rate of the step", "", title)
    left.set_ylim(min(-0.5, 1.1 * table.change.min()), 1)
    right.set_ylim(min(-20, 1.1 * kept.kept.min()), 110)
    _legend(right)
    best = table.groupby(["net", "seed"], sort=False).change.min().groupby("net", sort=False).mean()
    picture.alt = "The most that one step can take off the loss: " + "; ".join(
        f"{net} {-value:.2f}" for net, value in best.items()
    )
    return picture


LOWEST = 1e-3  # smaller singular values are counted here
BINS = 10 ** (numpy.arange(-3.05, 1.1, 0.1))  # 1 in the middle of a bin, so that a block that does nothing is one bar


@figure
def stretches(table: pandas.DataFrame, block: int) -> Picture:
    """The singular values of dy/dx of one block, before and after training.

    `table` has net, block, trained (bool) and value, one row for each singular value; an axis for each net.
    """
    nets = table.net.unique()
    picture = Picture(860, 340)
    (row,) = picture.subplots(1, len(nets), sharey=True, squeeze=False)
    picture.subplots_adjust(left=0.07, right=0.98, bottom=0.15, top=0.82, wspace=0.08)
    picture.suptitle(f"block {block}", fontsize=11)
    words = []
    for axes, net in zip(row, nets, strict=True):
        for trained, label in ((False, "before training"), (True, "after training")):
            values = table[(table.net == net) & (table.block == block) & (table.trained == trained)].value
            weights = numpy.full(len(values), 100 / len(values))
            style = {"color": style_of(net)["color"], "alpha": 0.5} if trained else {"color": "black"}
            under = 100 * (values < 1 - 1e-6).mean()
            found = f"{under:.0f} % under 1, smallest {_small(values.min())}"
            words.append(f"{net} {label} {found}")
            axes.hist(
                values.clip(LOWEST, 10),
                BINS,
                weights=weights,
                histtype="stepfilled" if trained else "step",
                label=f"{label}: {found}",
                **style,
            )
        plain_log(axes.xaxis)
        axes.axvline(1, ymax=0.8, color="black", linewidth=0.8, linestyle="--")
        axes.set_ylim(0, 100)
        tidy(axes, f"singular value ({LOWEST:g}: that or less)", "% of them" if axes is row[0] else "", net)
        axes.legend(loc="upper left", frameon=False, fontsize=9)
    picture.alt = f"Singular values of dy/dx of block {block}: " + "; ".join(words)
    return picture


def _small(value: float) -> str:
    return "0" if value < 1e-12 else f"{value:.1g}"


@figure
def products(table: pandas.DataFrame) -> Picture:
    """What is left of the spectrum after many blocks; `table` has net, blocks and value, a row for each singular value.

    All of them lie in the pale band, the middle half in the dark one, around the median; what is under 10⁻¹⁰ is drawn
    there.
    """
    floor = 1e-10
    nets = table.net.unique()
    picture = Picture(860, 360)
    (row,) = picture.subplots(1, len(nets), sharey=True, squeeze=False)
    picture.subplots_adjust(left=0.075, right=0.98, bottom=0.15, top=0.81, wspace=0.08)
    picture.suptitle("singular values of the product of so many blocks' dy/dx", fontsize=11)
    words = []
    for axes, net in zip(row, nets, strict=True):
        own = table[table.net == net].groupby("blocks").value
        low, quarter, middle, three, high = (own.quantile(q).clip(lower=floor) for q in (0, 0.25, 0.5, 0.75, 1))
        colour = COLOURS[family(net)]
        axes.fill_between(low.index, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.fill_between(low.index, quarter, three, color=colour, alpha=0.45, linewidth=0)
        axes.plot(middle.index, middle, color=colour, marker=MARKERS[family(net)], markersize=4)
        axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
        plain_log(axes.yaxis)
        axes.set_ylim(floor / 3, None)
        tidy(axes, "blocks multiplied", "singular value" if axes is row[0] else "", net)
        last = own.get_group(low.index[-1])
        words.append(f"{net} largest {last.max():.2g}, median {_small(last.median())}, smallest {_small(last.min())}")
    picture.alt = f"After {table.blocks.max()} blocks: " + "; ".join(words)
    return picture


@figure
def path_lengths(table: pandas.DataFrame) -> Picture:
    """How many paths of which length, what one of them carries, and what all of one length carry together.

    `table` is that of `path_lengths` with net and seed added; nets of one family get different lines, in their order.
    """
    picture = Picture(900, 340)
    row = picture.subplots(1, 3)
    picture.subplots_adjust(left=0.05, right=0.8, bottom=0.15, top=0.86, wspace=0.3)
    shown = table.assign(share=100 * table.share, paths=table.paths / 1e6)
    titles = {"paths": "million paths", "gradient": "norm of one path's gradient", "share": "share of the sum (%)"}
    line_of = _line_of(table)
    for axes, (column, title) in zip(row, titles.items(), strict=True):
        for net, own in shown.groupby("net", sort=False):
            _lines(axes, own, "length", column, markevery=3, linestyle=line_of[net])
        tidy(axes, "blocks passed through F", "", title)
    plain_log(row[1].yaxis)
    _legend(row[2])
    by_length = shown.assign(mean=table.length * table.share).groupby(["net", "seed"], sort=False)["mean"].sum()
    picture.alt = f"Of {table.length.max()} blocks, the gradient passes on average through F in: " + "; ".join(
        f"{net} {value:.1f}" for net, value in by_length.groupby("net", sort=False).mean().items()
    )
    return picture
