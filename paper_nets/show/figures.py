"""Pictures of architectures, data and tables. None of them trains, reads a file, or holds data of its own."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from math import ceil

import numpy
import torch
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from torch import Tensor

from paper_nets.lab.data import Data
from paper_nets.lab.graph import both
from paper_nets.lab.trace import Layer, Trace
from paper_nets.nets import InputError
from paper_nets.show.picture import COLOURS, Picture, figure

TILE, STEP = 64, 70  # pixels of a map, and of a map with the gap behind it
ARC = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-0.55", "shrinkA": 0, "shrinkB": 0}
ARC |= {"color": COLOURS["residual"], "linewidth": 1.3, "mutation_scale": 7}


@figure
def samples(data: Data) -> Picture:
    """The first test image of each class."""
    picture = Picture(min(75 * len(data.classes), 900), 100)
    for i, (name, axes) in enumerate(zip(data.classes, picture.subplots(1, len(data.classes)), strict=True)):
        image = data.test_images[data.test_labels == i][0].permute(1, 2, 0)
        axes.imshow(image.squeeze(-1).numpy(), cmap="gray_r")
        axes.set_title(name, fontsize=9)
        axes.axis("off")
    picture.alt = f"One test image of each class of {data.name}: {', '.join(data.classes)}"
    return picture


@figure
def maps(
    rows: Mapping[str, Tensor], title: str = "", picture: Tensor | None = None, over: bool = False, names: Sequence = ()
) -> Picture:
    """Feature maps pixel by pixel, a row for each label, all on one scale: grey from 0 (black), or where some are
    negative red and blue around 0 (white). The scale ends where only one value in 200 is farther from 0.

    Args:
        rows: maps (n, h, w) by the words over their row.
        picture: what they were made of, (C, H, W) as bytes, at the left; with `over`, also shining through each map,
            which then is red and blue.
        names: of the maps of each row, 16 at most.

    Raises:
        InputError: for no maps, for those of another shape or of more than 64 pixels a side, and where a number is not
            finite; for another number of names; for a picture of another shape.
    """
    if not rows or not all(row.dim() == 3 and row.numel() and row.isfinite().all() for row in rows.values()):
        found = ", ".join(f"{label!r} {tuple(row.shape)}" for label, row in rows.items()) or "none"
        raise InputError(f"The rows are {found}; each must be maps of shape (n, h, w), at least one, and finite.")
    if max(max(row.shape[1:]) for row in rows.values()) > TILE:
        raise InputError(f"maps draws {TILE} × {TILE} pixels at most; pool larger maps first.")
    if names and any(len(row) != len(names) or len(names) > 16 for row in rows.values()):
        raise InputError(f"There are {len(names)} names; each row needs one for each of its maps, 16 at most.")
    if picture is not None and (picture.dim() != 3 or len(picture) not in (1, 3)):
        raise InputError(f"The picture is {tuple(picture.shape)}; it must be (C, H, W), with 1 or 3 channels.")
    rows = {label: row.detach().float() for label, row in rows.items()}
    columns = min(16, max(map(len, rows.values())))
    side, room = min(150, 672 // columns), 38 if names else 22  # pixels, as all that follows
    lines = [ceil(len(row) / columns) for row in rows.values()]
    made = Picture(900, max(175, 40 + sum(room + side * n for n in lines)))
    height, top, told = made.size[1], 34, []
    values = torch.cat([row.flatten() for row in rows.values()])
    most = values.abs().quantile(0.995).item() or values.abs().max().item() or 1
    signed = over or bool((values < 0).any())
    norm, colours = Normalize(-most if signed else 0, most), colormaps["RdBu_r" if signed else "gray"]
    made.text(0.01, 1 - 18 / height, title, fontsize=11)
    if picture is not None:
        through = picture.permute(1, 2, 0).expand(-1, -1, 3).numpy()
        _pixels(made, (9, 54, 100, 100), through)
    for (label, row), n in zip(rows.items(), lines, strict=True):
        count = f"{len(row)} maps" if len(row) > 1 else "1 map"
        words = f"{label}: {count}, {row.shape[1]} × {row.shape[2]}"
        made.text(125 / 900, 1 - (top + 14) / height, words, fontsize=9)
        told.append(f"{words}, {row.min():.2g} to {row.max():.2g}, {100 * (row == 0).float().mean():.0f} % of it 0")
        for i, name in enumerate(names):
            made.text((125 + side * i) / 900, 1 - (top + 31) / height, name, fontsize=8)
        tiles = _enlarged(colours(norm(row.numpy()), bytes=True))
        if over and picture is not None:
            grey = _enlarged(through.mean(2, keepdims=True)[None])
            tiles[..., :3] = 0.6 * tiles[..., :3] + 0.4 * grey
        whole = numpy.zeros((n, STEP, columns, STEP, 4), "uint8")
        for i, tile in enumerate(tiles):
            whole[i // columns, :TILE, i % columns, :TILE] = tile
        _pixels(made, (125, top + room - 2, side * columns, side * n), whole.reshape(STEP * n, STEP * columns, 4))
        top += room + side * n
    _pixels(made, (807, 54, 12, 110), colours(numpy.linspace(1, 0, 64)[:, None], bytes=True))
    for share, sign in (0, "≤ " if signed else ""), (0.5, ""), (1, "≥ "):
        made.text(822 / 900, 1 - (167 - 110 * share) / height, f"{sign}{norm.inverse(share):.2g}", fontsize=8)
    made.alt = f"{title or 'Maps'}. {'; '.join([*told, *map(str, names)])}"
    return made


def _enlarged(tiles: numpy.ndarray) -> numpy.ndarray:
    """Images (n, h, w, …) with TILE pixels each way."""
    rows, columns = (numpy.arange(TILE) * n // TILE for n in tiles.shape[1:3])
    return tiles[:, rows][:, :, columns]


def _pixels(made: Picture, box: tuple[float, ...], values: numpy.ndarray) -> None:
    """An image with crisp pixels at (left, top, width, height)."""
    left, top, width, height = box
    axes = made.add_axes((left / 900, 1 - (top + height) / made.size[1], width / 900, height / made.size[1]))
    axes.imshow(values, aspect="auto", interpolation="nearest")
    axes.axis("off")


@figure
def side_by_side(nets: Mapping[str, Trace]) -> Picture:
    """Figure 3 of the review: nets drawn layer by layer in columns, grouped by the side of their feature maps.

    Solid arcs are identity shortcuts, dotted arcs those that change dimensions.
    """
    sides = sorted({layer.size for net in nets.values() for layer in net.layers}, reverse=True)
    heights = [max(sum(layer.size == side for layer in net.layers) for net in nets.values()) for side in sides]
    tops = {side: sum(heights[:i]) + 0.6 * i for i, side in enumerate(sides)}
    total = sum(heights) + 0.6 * len(sides)
    picture = Picture(760, int(20 * (total + 2)))
    axes = picture.add_axes((0.09, 0, 0.91, 1))
    axes.set(xlim=(0, len(nets)), ylim=(total, -2))
    axes.axis("off")

    shades = ("#f0f0f0", "#dbe9f6", "#fde5cc", "#dff0d8", "#f5d9e8", "#e5dcf0", "#eeeeee")
    shades = dict(zip(sides, cycle(shades), strict=False))
    for side in sides:
        axes.text(-0.02, tops[side] + 0.4, f"maps\n{side[0]} × {side[1]}", ha="right", va="center", fontsize=8)
        axes.axhline(tops[side] - 0.32, color="0.85", linewidth=0.7)
    for column, (name, net) in enumerate(nets.items()):
        title = f"{name}\n{net.multiply_adds / 1e9:.2f} × 10⁹ multiply–adds"
        axes.text(column + 0.45, -1.15, title, ha="center", va="center", weight="bold", fontsize=9)
        filled = dict.fromkeys(sides, 0)
        rows = []
        for layer in net.layers:
            y = tops[layer.size] + filled[layer.size]
            filled[layer.size] += 1
            rows.append(y + 0.4)
            look = {"facecolor": shades[layer.size], "edgecolor": "0.4", "linewidth": 0.6}
            axes.add_patch(Rectangle((column + 0.12, y), 0.66, 0.8, **look))
            axes.text(column + 0.45, y + 0.42, _describe(layer), ha="center", va="center", fontsize=7)
        for before, after in zip(rows, rows[1:], strict=False):
            axes.plot((column + 0.45,) * 2, (before + 0.4, after - 0.4), color="0.4", linewidth=0.7)
        for shortcut in net.shortcuts:
            x, top, bottom = column + 0.78, rows[shortcut.first] - 0.48, rows[shortcut.last] + 0.48
            arrow = {**ARC, "linestyle": ":" if shortcut.changes else "-"}
            axes.annotate("", xy=(x, bottom), xytext=(x, top), arrowprops=arrow)
    picture.alt = "Layer by layer, side by side: " + "; ".join(
        f"{name}, {sum(layer.kind != 'pool' for layer in net.layers)} weighted layers, {len(net.shortcuts)} shortcuts, "
        f"{net.multiply_adds / 1e9:.2f} × 10⁹ multiply–adds"
        for name, net in nets.items()
    )
    return picture


def _describe(layer: Layer) -> str:
    """As the paper labels it: "3×3 conv, 128, /2"."""
    if layer.kind == "linear":
        return f"fc {layer.channels}"
    stride = "×".join(map(str, dict.fromkeys(both(layer.stride))))
    if layer.kind == "pool":
        return f"pool, /{stride}" if layer.size > (1, 1) else "average pool"
    halving = f", /{stride}" if stride != "1" else ""
    height, width = both(layer.kernel)
    return f"{height}×{width} conv, {layer.channels}{halving}"
