"""Figures of what nets cost, in three currencies, and what their errors are for it."""

import re
from collections.abc import Sequence
from math import log10, nan

import pandas
from matplotlib.axes import Axes

from paper_nets.nets import plan
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure, spelled
from paper_nets.show.style import plain_log, tidy

# A currency's column, its axis, and its unit.
CURRENCIES = {
    "parameters": ("million parameters", 1e6),
    "multiply_adds": ("10⁹ multiply–adds per image", 1e9),
    "activation_bytes": ("MB of activations per image", 1e6),
}


def _families(axes: Axes, table: pandas.DataFrame, currency: str, **look) -> None:
    """A line for each family against one currency; DenseNet-BC, with bottlenecks and compression, has its own."""
    for label, own in table.sort_values(currency).groupby("line", sort=False):
        kind = own.family.iloc[0]
        style = {"color": COLOURS[kind], "marker": MARKERS[kind], "markersize": 7, **look}
        line = "none" if kind == "other" else "-" if label == kind else "--"
        axes.plot(own[currency] / CURRENCIES[currency][1], own.error, linestyle=line, label=label, **style)


def _line(net: str) -> str:
    """The line that a net is on: its family's, or that of DenseNet-BC."""
    kind = family(net)
    if kind == "dense" and net != kind and plan(net).bottleneck and plan(net).compression < 1:
        return "dense, BC"
    return kind


def _name(axes: Axes, table: pandas.DataFrame, currency: str) -> None:
    """Each net's depth, and where its name has one its growth rate, beside its point: those of DenseNet-BC on the left,
    or on the right where most of them are beaten by a cheaper net of another line."""
    bc = table.line == "dense, BC"
    others = table[~bc]
    beaten = [((others[currency] < r[currency]) & (others.error < r.error)).any() for _, r in table[bc].iterrows()]
    left = bc if 2 * sum(beaten) <= len(beaten) else ~bc
    for row, on_the_left in zip(table.itertuples(), left, strict=True):
        k = f"/{row.net.rpartition('_k')[2]}" if "_k" in row.net else ""
        words = row.net
        if row.family != "other":
            words = ("BC-" if "_bc" in row.net else "") + re.search(r"\d+", row.net)[0] + k
        place = {"xytext": (-6, -9), "ha": "right"} if on_the_left else {"xytext": (7, 3)}
        at = (getattr(row, currency) / CURRENCIES[currency][1], row.error)
        axes.annotate(words, at, textcoords="offset points", fontsize=8, **place)


def _money(axes: Axes, table: pandas.DataFrame, currency: str) -> None:
    """A logarithmic axis in one currency, with ticks that are plain numbers."""
    words, scale = CURRENCIES[currency]
    low, high = table[currency].min() / scale / 1.9, 2.4 * table[currency].max() / scale
    plain_log(axes.xaxis, _ticks(low, high))
    axes.set_xlim(low, high)
    tidy(axes, words, "")


def _ticks(low: float, high: float) -> list[float]:
    """Of 1, 2, 5, 10, 20 … those between two numbers, as many as an eighth of the axis apart allows."""
    ticks = []
    for tick in (digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)):
        if low < tick < high and (not ticks or log10(tick / ticks[-1]) > log10(high / low) / 8):
            ticks.append(tick)
    return ticks


@figure
def error_against_costs(
    table: pandas.DataFrame, currencies: Sequence[str], error: str, budget: float | None = None
) -> Picture:
    """Figure 12 of the review (DenseNet paper, Figure 3): error against what nets cost, a line for each family.

    Args:
        table: net, error (per cent) and the currencies: "parameters", "multiply_adds", "activation_bytes"; family,
            where `net` is no net's name: those of "other" are named, and not joined.
        error: what kind of error it is, for the axis.
        budget: of the one currency. What costs more is pale, and the best net of each family that does not is told.
    """
    known = table.get("family", table.net).fillna(table.net)
    table = table.assign(family=known.map(family), line=known.map(_line))
    picture = Picture(900, 380)
    axes = picture.subplots(1, len(currencies), sharey=True, squeeze=False)[0]
    right = 0.98 if budget is None else 0.7
    picture.subplots_adjust(left=0.07, right=right, bottom=0.19, top=0.9, wspace=0.08)
    low, high = table.error.min(), table.error.max()
    axes[0].set_ylim(low - 0.15 * (high - low), high + 0.05 * (high - low))
    for one, currency in zip(axes, currencies, strict=True):
        _money(one, table, currency)
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
    picture.alt = f"{error}, with " + "; ".join(
        f"{spelled(row.net)} {row.error:g} at "
        + ", ".join(f"{getattr(row, c) / CURRENCIES[c][1]:.3g} {CURRENCIES[c][0]}" for c in currencies)
        for row in table.itertuples()
    )
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
    for kind in ("residual", "preact", "dense"):
        for row in best[best.family == kind].itertuples():
            price = f"{getattr(row, currency) / scale:.3g} {words.split(' per ')[0]}"
            told[f"{kind}: {spelled(row.net)}\n{row.error:g} %, {price}"] = COLOURS[kind]
        if kind in set(table.family) - set(best.family):
            told[f"{kind}: none fits"] = COLOURS[kind]
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
            axes.plot(own.get(f"printed: {column}", own[column] * nan) / scale, own.net, "|k", markersize=12)
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
