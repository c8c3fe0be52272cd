"""The loss as a landscape."""

from collections.abc import Mapping

import numpy
import pandas
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from paper_nets.nets import InputError
from paper_nets.show.picture import Picture, figure


@figure
def landscape(
    tables: Mapping[str, pandas.DataFrame],
    turn: float = -60,
    limits: tuple[float, float] = (0.01, 100),
    paths: Mapping[str, pandas.DataFrame] | None = None,
) -> Picture:
    """The loss over two directions: for each named table a surface, and below it its contours, all to one scale (Li et
    al., arXiv 1712.09913, Figures 1 and 5).

    Args:
        tables: those of `loss_surface`. The trained net is where a and b are 0.
        turn: from where the surfaces are seen, in degrees.
        limits: powers of ten; a loss beyond is drawn as the nearer of the two.
        paths: a and b of points to join by a line in the contours, for each table.

    Raises:
        InputError: for tables without a row for each of several a and b, for other limits, and where a path is missing.
    """
    for name, table in tables.items():
        if min(table.a.nunique(), table.b.nunique()) < 2 or len(table) != table.a.nunique() * table.b.nunique():
            raise InputError(f"{name} must have one row for each a and b, and two values of both at least.")
    if not 0 < limits[0] < limits[1] or set(tables) - set(tables if paths is None else paths):
        raise InputError(
            "limits must be two powers of ten, the smaller one first, and every table needs a path, or none."
        )
    low, high = numpy.log10(limits)
    powers, scale = numpy.arange(low, high + 1), {"cmap": "cividis", "norm": LogNorm(*limits)}
    levels = 10 ** numpy.arange(low, high + 0.1, 0.5)
    words = []
    picture = Picture(300 * len(tables) + 80, 600)
    share = 300 / picture.size[0]
    for i, (name, table) in enumerate(tables.items()):
        loss = table.pivot(index="b", columns="a", values="loss")
        a, b = numpy.meshgrid(loss.columns, loss.index)
        shown = loss.clip(*limits).to_numpy()
        above = picture.add_axes((share * (i + 0.03), 0.47, 0.97 * share, 0.47), projection="3d")
        above.plot_surface(a, b, numpy.log10(shown), cmap="cividis", vmin=low, vmax=high, rasterized=True)
        above.view_init(elev=30, azim=turn)
        above.set_box_aspect(None, zoom=0.88)
        above.set(zlim=(low, high), title=name)
        above.set_zticks(powers, [f"{10**p:g}" for p in powers])
        below = picture.add_axes((share * (i + 0.2), 0.08, 0.74 * share, 0.37))
        below.contourf(a, b, shown, levels=levels, **scale)
        below.contour(a, b, shown, levels=levels, colors="white", linewidths=0.5)
        if paths:
            below.plot(paths[name].a, paths[name].b, "o-", color="white", markeredgecolor="black", markersize=4)
        below.plot(0, 0, "x", color="red", markersize=9, markeredgewidth=2)
        below.set_xlabel("a")
        below.set_title("b", loc="left", fontsize=10, pad=3)  # where no number of the axis can be
        for axis in (above.xaxis, above.yaxis, below.xaxis, below.yaxis):
            axis.set_major_locator(MaxNLocator(3))
        trained = f"{name} {table.loss[(table.a.abs() + table.b.abs()).idxmin()]:.2g}"
        better = 100 * (table.loss < numpy.log(10)).mean()
        words.append(
            f"{trained} at the trained net, {table.loss.max():.2g} at most, "
            f"less than guessing among ten (2.3) on {better:.0f} % of what is drawn"
        )
    colours = picture.add_axes((1 - 62 / picture.size[0], 0.08, 12 / picture.size[0], 0.37))
    bar = picture.colorbar(ScalarMappable(**scale), cax=colours)
    bar.ax.minorticks_off()
    bar.set_ticks(10**powers, labels=[f"{10**p:g}" for p in powers])
    colours.set_title("loss", fontsize=10)
    picture.alt = f"Loss over two directions: {'; '.join(words)}"
    return picture
