"""Figures of what nets cost, in four currencies, and what their errors are for it."""

import re
from collections.abc import Sequence
from itertools import product

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.path import Path

from paper_nets.nets import plan
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure, spelled
from paper_nets.show.style import plain_log, tidy

# A currency's column, its axis, and its unit.
CURRENCIES = {
    "parameters": ("million parameters", 1e6),
    "multiply_adds": ("10⁹ multiply–adds per image", 1e9),
    "activation_bytes": ("MB of activations per image", 1e6),
    "seconds": ("seconds per image", 1),
}
# Where a name may stand beside its point, the best first: points right and up, and which of its ends is there.
PLACES = [(7, 3, "left"), (-7, 3, "right"), (7, -9, "left"), (-7, -9, "right"), (0, 8, "center"), (0, -14, "center")]
PLACES += [(9, -3, "left"), (-9, -3, "right")]


def _families(axes: Axes, table: pandas.DataFrame, currency: str, **look) -> None:
    """A line for each family against one currency; DenseNet-BC, with bottlenecks and compression, has its own."""
    for label, own in table.sort_values(currency).groupby("line", sort=False):
        kind = own.family.iloc[0]
        style = {"color": COLOURS[kind], "marker": MARKERS[kind], "markersize": 7, **look}
        line = "none" if kind == "other" else "-" if label == kind else "--"
        words = label.replace("preact", "pre-activation")
        axes.plot(own[currency] / CURRENCIES[currency][1], own.error, linestyle=line, label=words, **style)


def _line(net: str) -> str:
    """The line that a net is on: its family's, or that of DenseNet-BC."""
    kind = family(net)
    bc = kind == "dense" and net != kind and plan(net).bottleneck and plan(net).compression < 1
    return "dense, BC" if bc else kind


def _name(axes: Axes, table: pandas.DataFrame, currency: str) -> None:
    """Each net's depth, and where its name has one its growth rate, beside its point, where it covers least."""
    frame, taken = axes.get_window_extent(), []
    for line in axes.lines:  # what a name may cover: the lines, and more so their points
        way = axes.transData.transform(line.get_xydata())
        taken += [*Path(way).interpolated(30 if line.get_linestyle() != "None" else 1).vertices]
        taken += [point + corner for point in way for corner in product((-7, 0, 7), repeat=2)]
    for row in table.sort_values("error").itertuples():
        k = f"/{row.net.rpartition('_k')[2]}" if "_k" in row.net else ""
        words = row.net
        if row.family != "other":
            words = ("BC-" if "_bc" in row.net else "") + re.search(r"\d+", row.net)[0] + k
        name = axes.annotate(words, (getattr(row, currency) / CURRENCIES[currency][1], row.error), fontsize=8)

        def covered(place: tuple[float, float, str], name=name) -> int:
            name.set(position=place[:2], anncoords="offset points", ha=place[2])
            box = name.get_window_extent()
            return 100 * (box.x1 > frame.x1 or box.y0 < frame.y0) + box.count_contains(taken)

        covered(min(PLACES, key=covered))
        box = name.get_window_extent()
        taken.extend(product(numpy.linspace(box.x0, box.x1, 9), numpy.linspace(box.y0, box.y1, 5)))


def _ticks(low: float, high: float) -> list[float]:
    """Of 1, 2, 5, 10, 20 … those between two numbers; of 1, 3, 10, 30 … or of 1, 10 … where those are more than 8."""
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**power for power in range(-3, 5) for digit in digits]
        ticks = [tick for tick in ticks if low < tick < high]
        if len(ticks) <= 8:
            break
    return ticks


@figure
def error_against_costs(
    table: pandas.DataFrame, currencies: Sequence[str], error: str, budget: float | None = None
) -> Picture:
    """Figure 12 of the review (DenseNet paper, Figure 3): error against what nets cost, a line for each family.

    Args:
        table: net, error (per cent) and the currencies: "parameters", "multiply_adds", "activation_bytes", "seconds";
            family, where `net` is no net's name: those of "other" are named, and not joined.
        error: what kind of error it is, for the axis.
        budget: of the one currency. What costs more is pale, and the best net of each family that does not is told.
    """
    known = table.get("family", table.net).fillna(table.net)
    table = table.assign(family=known.map(family), line=known.map(_line))
    picture = Picture(900, 380)
    axes = picture.subplots(1, len(currencies), sharey=True, squeeze=False)[0]
    picture.subplots_adjust(left=0.07, right=0.98 if budget is None else 0.7, bottom=0.19, top=0.9, wspace=0.08)
    low, high = table.error.min(), table.error.max()
    axes[0].set_ylim(low - 0.15 * (high - low), high + 0.05 * (high - low))
    for one, currency in zip(axes, currencies, strict=True):
        words, scale = CURRENCIES[currency]
        low, high = table[currency].min() / scale / 2.5, 4 * table[currency].max() / scale
        plain_log(one.xaxis, _ticks(low, high))
        one.set_xlim(low, high)
        tidy(one, words, "")
        _families(one, table, currency, alpha=1 if budget is None else 0.3)
        if budget is None:  # under a slider they take too long
            _name(one, table, currency)
        if currency == "multiply_adds":
            one.set_xlabel(f"{CURRENCIES[currency][0]}\n(FLOPs in the DenseNet paper: twice as many)")
    axes[0].set_ylabel(error)
    kinds = axes[0].get_legend_handles_labels()
    picture.legend(*kinds, loc="upper center", ncols=len(kinds[1]), frameon=False, handlelength=3.5)
    if budget is not None:
        (currency,) = currencies
        picture.alt = f"{error}. {_bought(picture, axes[0], table, currency, budget)}"
        return picture
    told = []
    for row in table.itertuples():
        prices = ", ".join(f"{getattr(row, c) / CURRENCIES[c][1]:.3g} {CURRENCIES[c][0]}" for c in currencies)
        net = f"{spelled(row.net)} {row.error:g}"
        told.append(f"{net} at {prices}")
    picture.alt = f"{error}, with {'; '.join(told)}"
    return picture


def _bought(picture: Picture, axes: Axes, table: pandas.DataFrame, currency: str, budget: float) -> str:
    """Mark the nets that cost no more than `budget`, and write the best of each family beside them; in words."""
    words, scale = CURRENCIES[currency]
    # Rounding must not cost us a net.
    within = table[table[currency] <= budget * 1.000001].sort_values(["error", currency])
    best = within[~within.family.duplicated()]
    axes.axvline(budget / scale, color="black", linewidth=1)
    for row in within.itertuples():
        look = {"color": COLOURS[row.family], "markersize": 11 if row.net in best.net.values else 7}
        axes.plot(getattr(row, currency) / scale, row.error, MARKERS[row.family], **look)
    told = {f"budget: {budget / scale:.3g} {words}": "black"}
    for kind, name in (("residual", "residual"), ("preact", "pre-activation"), ("dense", "dense")):
        for row in best[best.family == kind].itertuples():
            price = f"{getattr(row, currency) / scale:.3g} {words.split(' per ')[0]}"
            told[f"{name}: {spelled(row.net)}\n{row.error:g} %, {price}"] = COLOURS[kind]
        if kind in set(table.family) - set(best.family):
            told[f"{name}: none fits"] = COLOURS[kind]
    told |= {f"best: {spelled(net)}": "black" for net in best.net[:1]}
    for i, (line, colour) in enumerate(told.items()):
        picture.text(0.715, 0.87 - 0.15 * i, line, color=colour, fontsize=10, va="top")
    return "; ".join(told).replace("\n", ", ")


@figure
def bars(table: pandas.DataFrame, columns: Sequence[str], title: str = "", log: bool = False) -> Picture:
    """Horizontal bars of what nets or blocks cost, or of other numbers, the exact one at the end of each; or dots.

    Args:
        table: net (a name, or other words), the columns, and family where `net` is no net's name.
        columns: currencies, or other columns by the words for their axis; an axes for each.
        log: logarithmic axes, where the length of a bar would mean nothing: dots, and a thin black mark at the value in
            the column "printed: …", where there is one.
    """
    kinds = table.family if "family" in table else table.net.map(family)
    table = table.assign(net=table.net.map(spelled))
    picture = Picture(900, 110 + 19 * len(table))
    row = picture.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    below, above = 50 / picture.size[1], 1 - 45 / picture.size[1]
    picture.subplots_adjust(left=0.25, right=0.93, bottom=below, top=above, wspace=0.3)
    for axes, column in zip(row, columns, strict=True):
        words, scale = CURRENCIES.get(column, (column, 1))
        drawn = axes.barh(table.net, table[column] / scale, color=kinds.map(COLOURS), height=0.7, visible=not log)
        axes.bar_label(drawn, table[column].map("{:,.12g}".format), padding=8 if log else 4, fontsize=9)
        for kind, own in table.groupby(kinds) if log else ():
            axes.plot(own[column] / scale, own.net, MARKERS[kind], color=COLOURS[kind], markersize=6)
            axes.plot(own.get(f"printed: {column}", own[column] * numpy.nan) / scale, own.net, "|k", markersize=12)
        low, high = table[column].min() / scale / 1.5, table[column].max() / scale * (1.5 if log else 1.3)
        if log:
            plain_log(axes.xaxis, _ticks(low, high))
        axes.set_xlim(low if log else 0, high)
        tidy(axes, f"{words} (logarithmic)" if log else words, "")
        if not log:
            axes.grid(visible=False)
    row[0].set_ylim(len(table) - 0.5, -0.5)
    picture.suptitle(title, fontsize=11)
    values = table.set_index("net")[list(columns)].map("{:,.12g}".format)
    words = (f"{net} " + ", ".join(own) for net, *own in values.itertuples())
    names = ", ".join(columns).replace("_", " ")
    picture.alt = f"{title}. {names}: {'; '.join(words)}".removeprefix(". ")
    return picture
