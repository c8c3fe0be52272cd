"""Figures of what nets cost, in three currencies, and what their errors are for it."""

import re
from collections.abc import Sequence
from math import log10

import pandas
from matplotlib.axes import Axes

from paper_nets.nets import plan
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure
from paper_nets.show.style import plain_log, tidy

# A currency's column, its axis, and its unit.
CURRENCIES = {
    "parameters": ("million parameters", 1e6),
    "multiply_adds": ("10⁹ multiply–adds per image", 1e9),
    "activation_bytes": ("MB of activations per image", 1e6),
}


def _families(axes: Axes, table: pandas.DataFrame, currency: str, names: bool = True, **look) -> None:
    """A line for each family and the depths beside its points, against one currency, without the axes' words.

    Dense nets with bottlenecks and compression, DenseNet-BC, have a line of their own.
    """
    _, scale = CURRENCIES[currency]
    for label, own in table.sort_values(currency).groupby(table.net.map(_line), sort=False):
        kind = family(own.net.iloc[0])
        style = {"color": COLOURS[kind], "marker": MARKERS[kind], "markersize": 7, **look}
        axes.plot(own[currency] / scale, own.error, "-" if label == kind else "--", label=label, **style)
    if names:
        _name(axes, table, currency)


def _line(net: str) -> str:
    """The line that a net is on: its family's, or that of DenseNet-BC."""
    kind = family(net)
    return "dense, BC" if kind == "dense" and plan(net).bottleneck and plan(net).compression < 1 else kind


def _name(axes: Axes, table: pandas.DataFrame, currency: str) -> None:
    """Each net's depth beside its point: left of the cheaper family's points, right of the others'."""
    _, scale = CURRENCIES[currency]
    cheap, taken = _dense_is_cheaper(table, currency), []
    for row in table.sort_values("error", ascending=False).itertuples():
        point = (getattr(row, currency) / scale, row.error)
        if (family(row.net) == "dense") != cheap:
            own = table[table.net.map(_line) == _line(row.net)].sort_values(currency)
            dearer = own.error[own[currency] > getattr(row, currency)]
            rises = len(dearer) and dearer.iloc[0] > row.error  # so the line runs where the name would stand
            axes.annotate(_short(row.net), point, (7, -11 if rises else 3), textcoords="offset points", fontsize=8)
            continue
        if cheap and ((table[currency] < getattr(row, currency)) & (table.error < row.error)).any():
            axes.annotate(_short(row.net), point, (0, 7), textcoords="offset points", ha="center", fontsize=8)
            continue
        x, y = axes.transData.transform(point)
        at = y - 9
        # Below the names that stand where this one would.
        while any(abs(x - other) < 60 and abs(at - height) < 11 for other, height in taken):
            at -= 2
        taken.append((x, at))
        place = {"xytext": (-6, (at - y) * 0.72), "ha": "right"}
        axes.annotate(_short(row.net), point, **place, textcoords="offset points", fontsize=8)


def _dense_is_cheaper(table: pandas.DataFrame, currency: str) -> bool:
    """Whether most dense nets are not beaten, or nearly matched, by a cheaper net of another kind."""
    is_dense = table.net.map(family) == "dense"
    others, slack = table[~is_dense], 0.02 * (table.error.max() - table.error.min())
    beaten = [
        ((others[currency] < getattr(row, currency)) & (others.error < row.error + slack)).any()
        for row in table[is_dense].itertuples()
    ]
    return 2 * sum(beaten) <= len(beaten)


def _short(net: str) -> str:
    """The depth in a net's name, and where there is one its growth rate, as in "BC-100/12"."""
    k = net.rpartition("_k")[2] if "_k" in net else ""
    return ("BC-" if "_bc" in net else "") + re.search(r"\d+", net)[0] + (f"/{k}" if k else "")


def _money(axes: Axes, table: pandas.DataFrame, currency: str) -> None:
    """A logarithmic axis in one currency, with ticks that are plain numbers."""
    words, scale = CURRENCIES[currency]
    low, high = table[currency].min() / scale / 1.9, 1.6 * table[currency].max() / scale
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
def error_against_costs(table: pandas.DataFrame, currencies: Sequence[str], error: str) -> Picture:
    """Figure 12 of the review (DenseNet paper, Figure 3): error against what nets cost, a line for each family.

    `table` has net, error (per cent) and the currencies: "parameters", "multiply_adds", "activation_bytes".
    error: what kind of error it is, for the axis.
    """
    picture = Picture(900, 380)
    axes = picture.subplots(1, len(currencies), sharey=True, squeeze=False)[0]
    picture.subplots_adjust(left=0.07, right=0.98, bottom=0.19, top=0.9, wspace=0.08)
    low, high = table.error.min(), table.error.max()
    axes[0].set_ylim(low - 0.15 * (high - low), high + 0.05 * (high - low))
    for one, currency in zip(axes, currencies, strict=True):
        _money(one, table, currency)
        _families(one, table, currency)
        if currency == "multiply_adds":
            one.set_xlabel(f"{CURRENCIES[currency][0]}\n(FLOPs in the DenseNet paper: twice as many)")
    axes[0].set_ylabel(error)
    kinds = axes[0].get_legend_handles_labels()
    picture.legend(*kinds, loc="upper center", ncols=len(kinds[1]), frameon=False, handlelength=3.5)
    picture.alt = f"{error}, with " + "; ".join(
        f"{row.net} {row.error:g} at "
        + ", ".join(f"{getattr(row, c) / CURRENCIES[c][1]:.3g} {CURRENCIES[c][0]}" for c in currencies)
        for row in table.itertuples()
    )
    return picture


@figure
def within_budget(table: pandas.DataFrame, currency: str, budget: float, error: str) -> Picture:
    """The best net of each family that costs no more than `budget`, in one currency; `table` as in
    `error_against_costs`. budget: in parameters, multiply–adds or bytes."""
    picture = Picture(900, 400)
    axes = picture.add_axes((0.07, 0.13, 0.62, 0.75))
    words, scale = CURRENCIES[currency]
    _families(axes, table, currency, names=False, alpha=0.3)
    axes.axvline(budget / scale, color="black", linewidth=1)
    within, best = table[table[currency] <= budget * 1.000001], {}
    for row in within.sort_values(["error", currency]).itertuples():
        best.setdefault(family(row.net), row)
    for row in within.itertuples():
        kind = family(row.net)
        look = {"color": COLOURS[kind], "markersize": 11 if best[kind] == row else 7, "linestyle": "none"}
        axes.plot(getattr(row, currency) / scale, row.error, marker=MARKERS[kind], **look)
    _money(axes, table, currency)
    axes.set_ylabel(error)
    title = f"budget: {budget / scale:.3g} {words}"
    axes.set_title(title, y=1.02, fontsize=11)
    lines = []
    for i, kind in enumerate(("residual", "preact", "dense")):
        if kind not in table.net.map(family).to_numpy():
            continue
        row = best.get(kind)
        described = (
            f"{row.net}\n{row.error:g} %, {getattr(row, currency) / scale:.3g} {words.split(' per ')[0]}"
            if row
            else "none fits"
        )
        picture.text(0.715, 0.8 - 0.2 * i, f"{kind}:\n{described}", color=COLOURS[kind], fontsize=10, va="top")
        lines.append(f"{kind}: {described}".replace("\n", ", "))
    if best:
        winner = min(best.values(), key=lambda row: row.error)
        picture.text(0.715, 0.18, f"best: {winner.net}", fontsize=12, weight="bold")
        lines.append(f"best: {winner.net}")
    picture.alt = f"{title}. {'; '.join(lines)}"
    return picture


@figure
def costs_in_order(table: pandas.DataFrame, by: str) -> Picture:
    """Bars of what nets cost, the dearest first; `table` has net and the currencies, `by` is one of them."""
    table = table.sort_values(by, ascending=False)
    words, scale = CURRENCIES[by]
    picture = Picture(900, 60 + 19 * len(table))
    axes = picture.add_axes((0.19, 45 / picture.size[1], 0.68, 1 - 55 / picture.size[1]))
    values = table[by] / scale
    kinds = table.net.map(family)
    for kind in kinds.unique():
        own = [i for i, other in enumerate(kinds) if other == kind]
        axes.barh(own, values.iloc[own], color=COLOURS[kind], height=0.75, label=kind)
    for i, (value, exact) in enumerate(zip(values, table[by], strict=True)):
        axes.text(value * 1.05, i, f"{exact:,.0f}", va="center", fontsize=9)
    axes.set_yticks(range(len(table)), table.net, fontsize=9)
    low, high = values.min() / 1.5, values.max() * 1.5
    plain_log(axes.xaxis, _ticks(low, high))
    axes.set(ylim=(len(table) - 0.5, -0.5), xlim=(low, high))
    tidy(axes, f"{words} (logarithmic)", "")
    axes.grid(visible=False)
    axes.legend(loc="lower right", frameon=False)
    picture.alt = f"{words}: " + ", ".join(f"{net} {value:.3g}" for net, value in zip(table.net, values, strict=True))
    return picture


@figure
def block_costs(table: pandas.DataFrame, title: str = "") -> Picture:
    """Bars of what blocks cost; `table` has block (its name), parameters, and multiply_adds (per image)."""
    picture = Picture(860, 260)
    left, right = picture.subplots(1, 2, sharey=True)
    picture.subplots_adjust(left=0.27, right=0.96, bottom=0.19, top=0.78, wspace=0.2)
    scales = {"parameters": (1e3, "thousand parameters"), "multiply_adds": (1e6, "million multiply–adds")}
    for axes, (column, (scale, words)) in zip((left, right), scales.items(), strict=True):
        bars = axes.barh(table.block, table[column] / scale, color=COLOURS["residual"], height=0.6)
        axes.bar_label(bars, [f"{value / scale:,.0f}" for value in table[column]], padding=4)
        axes.set_xlim(0, 1.25 * table[column].max() / scale)
        tidy(axes, words, "")
        axes.grid(visible=False)
    left.invert_yaxis()
    picture.suptitle(title, fontsize=11)
    picture.alt = f"{title}. " + "; ".join(
        f"{row.block}: {row.parameters:,} parameters, {row.multiply_adds:,} multiply–adds" for row in table.itertuples()
    )
    return picture
