"""Spectra: what blocks do to a small change of their input, by the singular values of dy/dx."""

import numpy
import pandas

from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure
from paper_nets.show.style import plain_log, style_of, tidy

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
