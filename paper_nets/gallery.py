"""All figures at once: `python -m paper_nets figures`, each beside what it reproduces."""

import html
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas
import torch
from torch import nn

from paper_nets import show
from paper_nets.lab import (
    DIGITS,
    Data,
    connections,
    gradient_norms,
    layer_responses,
    load,
    longest,
    paper_ends,
    recorded,
    seeded,
    table,
    train_each,
)
from paper_nets.lab.trace import Trace, architecture, trace
from paper_nets.lab.train import in_steps
from paper_nets.nets import InputError, build, catalog, cost, plan, published

PLAIN = ("plain8", "plain20", "plain32", "plain56")
RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
DENSENETS = ("densenet121", "densenet169", "densenet201", "densenet264")
CURRENCIES = ("parameters", "multiply_adds", "activation_bytes")


@dataclass(frozen=True)
class Drawn:
    """One picture, and where there are numbers to compare a table with the columns published and ours.

    note: what to see, and what a reader must know to compare them.
    """

    picture: show.Picture
    numbers: pandas.DataFrame | None = None
    note: str = ""

    @property
    def apart(self) -> str:
        """The largest difference between ours and the published numbers, in words; "" where there are none."""
        if self.numbers is None:
            return ""
        apart = self.numbers.ours - self.numbers.published
        worst = apart.abs().idxmax()
        return (
            f"Largest difference: {worst}, published {self.numbers.published[worst]:.4g}, "
            f"ours {self.numbers.ours[worst]:.4g}, {apart[worst]:+.3g}."
        )


@dataclass(frozen=True)
class Figure:
    """A figure to draw: the name of its files, its title, and which figure of which paper it reproduces."""

    name: str
    title: str
    of: str
    draw: Callable[[], Drawn]


FIGURES: list[Figure] = []


def _figure(name: str, title: str, of: str):
    def add(draw: Callable[[], Drawn]) -> Callable[[], Drawn]:
        FIGURES.append(Figure(name, title, of, draw))
        return draw

    return add


def _traces(nets: tuple[str, ...]) -> dict[str, Trace]:
    with torch.device("meta"):
        return {name: trace(build(name), (3, 224, 224)) for name in nets}


def _multiply_adds(traces) -> pandas.DataFrame:
    printed = published("resnet_flops").set_index("net").multiply_adds_1e9
    ours = pandas.Series({name: net.multiply_adds / 1e9 for name, net in traces.items()})
    return pandas.DataFrame({"published": printed[list(traces)], "ours": ours})


CUT = "Multiply–adds in 10⁹. The paper cuts or rounds to one place, so that up to 0.1 is no difference."


@_figure("01-imagenet-errors", "ImageNet error fell year by year", "figure 1 of the review")
def _errors() -> Drawn:
    return Drawn(
        show.imagenet_errors(published("ilsvrc_top5")), note="Bars fall from year to year. Published numbers only."
    )


@_figure("02-degradation", "A deeper plain net trains worse", "ResNet paper, Figures 1 and 6; figure 2 of the review")
def _degradation() -> Drawn:
    runs = [run for run in longest(recorded("cifar10")) if not run.net.startswith("dense")]
    rows, ends = table(runs), paper_ends("cifar10")
    last = rows[rows.seed == 0].groupby("net").tail(1).set_index("net")
    theirs = ends.set_index("net")
    numbers = pandas.concat(
        {
            f"{net}, {error} error (%)": pandas.Series(
                {"published": theirs[f"{error}_error_pct"].get(net), "ours": last[f"{error}_error"][net]}
            )
            for net in last.index
            for error in ("training", "test")
        },
        axis=1,
    ).T.dropna()
    steps = last.iteration.max()
    other = [run.net.replace("resnet", "residual-") for run in runs if run.recipe.precision != "float32"]
    apart = f" ({', '.join(other)} in bfloat16)" if other else ""
    note = (
        "The deeper a plain net, the higher both errors; the residual nets end close together. The paper trains for "
        f"64,000 iterations, these runs for {steps:,} with the schedule scaled, one seed each{apart}. "
        "Training error is counted while an epoch runs, on cropped and flipped images, so it can lie "
        "above test error. The ends of the paper's plain nets are read off its figure; 110 layers were not trained."
    )
    return Drawn(show.run_curves(rows, ends), numbers, note)


@_figure("03-side-by-side", "VGG-19, plain 34 and residual 34", "ResNet paper, Figure 3; figure 3 of the review")
def _side_by_side() -> Drawn:
    from torchvision import models  # here, since it takes longer to import than all the rest but torch

    traces = _traces(("plain34", "resnet34"))
    with torch.device("meta"):
        traces = {"vgg19": trace(models.vgg19(), (3, 224, 224)), **traces}
    note = f"Where a shortcut is dotted, the dimensions change. {CUT}"
    return Drawn(show.side_by_side(traces), _multiply_adds(traces), note)


def _at_the_start(gain: float, norm: bool) -> pandas.DataFrame:
    """The gradient of each layer of fresh plain nets in float64, the weights `gain` times He's; one seed."""
    digits, tables = load("digits"), []
    x, y = digits.normalise(digits.train_images[:32]).double(), digits.train_labels[:32]
    for name in PLAIN:
        net = seeded(name, digits, seed=0, norm=norm).double()
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data *= gain
        norms = gradient_norms(net, x, y)
        tables.append(norms.assign(net=name, seed=0, layer=range(1, len(norms) + 1)))
    return pandas.concat(tables)


@_figure("04-gradient-fades", "Where the gradient does fade", "figure 4 of the review, which draws it by hand")
def _fading() -> Drawn:
    title = "plain nets without batch norm, PyTorch's default scale"
    note = (
        "Before training, one seed. Left, the gradient shrinks from the output (right end) to the input, the more the "
        "deeper the net. Right, by the weights it is level: toward the input the maps are as much larger as the "
        "gradient is smaller."
    )
    return Drawn(show.gradient_by_layer(_at_the_start((1 / 6) ** 0.5, norm=False), title), note=note)


@_figure("04-gradient-grows", "Where it grows: the nets of the paper", "figure 4 of the review")
def _growing() -> Drawn:
    title = "plain nets with batch norm and He initialisation"
    note = (
        "Before training, with batch norm and He's weights, as the paper trains them; one seed. It grows to the left."
    )
    return Drawn(show.gradient_by_layer(_at_the_start(1, norm=True), title), note=note)


@_figure("05-two-blocks", "A plain and a residual block", "ResNet paper, Figure 2; figure 5 of the review")
def _two_blocks() -> Drawn:
    return Drawn(show.two_blocks(), note="The same two layers; on the right they fit H(x) − x, and x is added.")


@_figure("06-resnet-architectures", "The ResNets, read off the nets", "ResNet paper, Table 1; figure 6 of the review")
def _resnets() -> Drawn:
    traces = _traces(RESNETS)
    return Drawn(show.printed(architecture(traces), "ResNets"), _multiply_adds(traces), CUT)


@_figure("07-resnet-results", "The ResNets on ImageNet", "ResNet paper, Table 4; figure 7 of the review")
def _results() -> Drawn:
    results = published("resnet_imagenet")
    single = results[results.test == "single model"].set_index("net")
    columns = {"shortcut": "shortcut", "top1_error_pct": "top-1 error (%)", "top5_error_pct": "top-5 error (%)"}
    shown = single[list(columns)].rename(columns=columns).astype(object).fillna("")
    return Drawn(
        show.printed(shown, "ImageNet, single nets"),
        note="The deeper, the better, up to 152 layers. Published numbers only.",
    )


@_figure("08-dense-block", "A dense block", "DenseNet paper, Figure 1; figure 8 of the review")
def _dense_block() -> Drawn:
    note = "Every layer reads all maps before it and adds k of its own."
    return Drawn(show.dense_block(layers=5, growth_rate=4), note=note)


@_figure("09-two-equations", "Addition against concatenation", "DenseNet paper, Eqs. 1 and 2; figure 9 of the review")
def _two_equations() -> Drawn:
    note = "Sixteen maps added stay sixteen; sixteen maps concatenated grow with each layer."
    return Drawn(show.two_equations(), note=note)


@_figure("10-staircase", "A DenseNet, and its channels", "DenseNet paper, Figure 2; figure 10 of the review")
def _staircase() -> Drawn:
    note = "A step of 12 with each layer, half the maps at each transition. The paper's own DenseNet-40 has θ = 1."
    return Drawn(show.staircase(plan("densenet40_k12", compression=0.5)), note=note)


@_figure("11-densenet-architectures", "The DenseNets, read off the nets", "DenseNet paper, Table 1; figure 11")
def _densenets() -> Drawn:
    note = "Four blocks, a transition between each two; each layer of a block is a 1×1 and a 3×3 convolution."
    return Drawn(show.printed(architecture(_traces(DENSENETS)), "DenseNets"), note=note)


@_figure("12-error-for-cost", "Error for what it costs", "DenseNet paper, Figure 3; figure 12 of the review")
def _error_for_cost() -> Drawn:
    resnets = published("resnet_imagenet").query("test == 'val single-crop'").set_index("net").top1_error_pct
    errors = pandas.concat([resnets, published("densenet_imagenet").set_index("net").top1_single_crop_pct])
    rows = []
    for net, error in errors.items():
        # The errors of the bottleneck ResNets are v1.5's.
        changes = {"stride_in": "3x3"} if net in RESNETS[2:] else {}
        rows.append({"net": net, "error": error, **vars(cost(net, **changes).total)})
    return Drawn(
        show.error_against_costs(pandas.DataFrame(rows), CURRENCIES[:2], "ImageNet top-1 error (%), one crop"),
        note="The dense nets lie left of the residual ones. Published errors against the costs of our nets.",
    )


@_figure("12-densenet-results", "The DenseNets on ImageNet", "DenseNet paper, Table 3; figure 12 of the review")
def _dense_results() -> Drawn:
    shown = published("densenet_imagenet").set_index("net").drop(columns="growth_rate")
    shown.columns = ["top-1, one crop (%)", "top-1, 10 crops (%)", "top-5, one crop (%)", "top-5, 10 crops (%)"]
    return Drawn(show.printed(shown, "ImageNet, validation errors"), note="Published numbers only.")


@_figure("resnet-figure-7", "Responses of trained layers", "ResNet paper, Figure 7")
def _responses() -> Drawn:
    runs = [run for run in longest(recorded("cifar10")) if run.net in ("plain20", "plain56", "resnet20", "resnet56")]
    nets = {run.net: layer_responses(run.weights()) for run in runs if run.recipe.seed == 0}
    rows = [net.assign(net=name, layer=range(1, len(net) + 1)) for name, net in sorted(nets.items())]
    note = "No numbers are printed in the paper. Notebook 02 says why nets so shortly trained cannot decide it."
    return Drawn(show.responses(pandas.concat(rows)), note=note)


@_figure("densenet-figure-4", "Error for parameters and the rest on CIFAR-10", "DenseNet paper, Figure 4 and Table 2")
def _efficiency() -> Drawn:
    nets = catalog()
    errors = nets.cifar10_error_pct.dropna()
    rows = [{"net": net, "error": error, **vars(cost(net).total)} for net, error in errors.items()]
    rows = pandas.DataFrame(rows)
    printed = nets.params_millions[rows.net]
    numbers = pandas.DataFrame({"published": printed.to_numpy(), "ours": rows.parameters.to_numpy() / 1e6}, rows.net)
    note = "Parameters in millions; the papers print one or two places."
    picture = show.error_against_costs(rows, CURRENCIES, "CIFAR-10 test error (%)")
    return Drawn(picture, numbers.rename_axis(None).dropna(), note)


@_figure("densenet-figure-5", "Who reads whose maps", "DenseNet paper, Figure 5")
def _reuse() -> Drawn:
    run = next(run for run in longest(recorded("cifar10")) if run.net == "densenet40_k12")
    weights = connections(run.weights())
    means = weights.groupby(["block", "target"]).weight.transform("mean")
    note = (
        "The classifier reads the late layers more than the early ones; the layers have hardly moved. The paper's net "
        f"was trained for 300 epochs, this one for {run.recipe.epochs}, one seed. Relative to the target's mean; "
        "the paper prints no numbers."
    )
    relative = {"CIFAR-10,\nrelative": weights.assign(value=weights.weight / means)}
    return Drawn(show.connections(relative, limits=(0, 2)), note=note)


def live(data: Data, epochs: int = DIGITS.epochs, watch: Callable[[float, str], None] = lambda *_: None) -> Figure:
    """Train what can be trained here, the degradation on the digits, and make a figure of it.

    watch: called with the share that is done and with what is under way.
    """
    nets = ["plain20", "plain56", "resnet20", "resnet56"]
    for now in in_steps(train_each(nets, data, replace(DIGITS, epochs=epochs)), data.source):
        watch(now.done, now.doing)
    picture = show.learning_curves(now.table, epochs, f"{data.name}, trained just now")
    drawn = Drawn(picture, note="Live, one seed; the paper has it on CIFAR-10.")
    return Figure("02-degradation-live", "The same, trained just now", "ResNet paper, Figures 1 and 6", lambda: drawn)


def check_folder(folder: Path) -> None:
    """Refuse a file, what lies in one, and a folder with an index.html of another kind."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file; figures need a folder, or a name that is still free.")
    page = folder / "index.html"
    if page.exists() and f"<title>{TITLE}</title>" not in page.read_text(encoding="utf-8", errors="replace"):
        raise InputError(f"{folder} has an index.html that is not of these figures; name another folder.")


def write(folder: Path, figures: list[Figure], watch: Callable[[Figure], None] = lambda _: None) -> Path:
    """Draw figures into `folder` as PNG and SVG, with a page that shows all of them; returns the page's path.

    Everything is drawn before anything is moved there. Raises InputError as `check_folder` does.
    """
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        parts = []
        for figure in figures:
            drawn = figure.draw()
            for suffix in ("png", "svg"):
                drawn.picture.savefig(Path(fresh) / f"{figure.name}.{suffix}", dpi=200)
            parts.append(_part(figure, drawn))
            watch(figure)
        page = Path(fresh) / "index.html"
        page.write_text(PAGE.format(title=TITLE, parts="\n".join(parts), wide=WIDE, reach=REACH), encoding="utf-8")
        for path in Path(fresh).iterdir():
            shutil.move(path, folder / path.name)
    return folder / "index.html"


def _part(figure: Figure, drawn: Drawn) -> str:
    width, height = drawn.picture.size
    numbers = ""
    if drawn.numbers is not None:
        beside = drawn.numbers.assign(difference=drawn.numbers.ours - drawn.numbers.published)
        numbers = f"<details><summary>{html.escape(drawn.apart)}</summary>{beside.round(3).to_html(border=0)}</details>"
    return f"""<figure id="{figure.name}">
<h2>{html.escape(figure.title)}</h2>
<p>Reproduces: {html.escape(figure.of)}. <a href="{figure.name}.png">PNG</a> <a href="{figure.name}.svg">SVG</a></p>
<div class="wide"><img src="{figure.name}.svg" width="{width}" height="{height}" \
alt="{html.escape(drawn.picture.alt, quote=True)}"></div>
<figcaption>{html.escape(drawn.note)}{numbers}</figcaption>
</figure>"""


# On a telephone a picture keeps a width at which its words can be read, and scrolls sideways in a box of its own.
WIDE = """
.wide { overflow-x: auto; }
@media (max-width: 600px) { .wide img { max-width: 700px !important; } }  /* also where the element has a style */
"""

# What scrolls can be reached with the keyboard; what does not is no stop on the way.
REACH = """
function reach() {
  document.querySelectorAll('.wide').forEach((box, i) => {
    const told = {tabindex: 0, role: 'region', 'aria-label': `picture ${i + 1}, scrolls sideways`};
    for (const [name, value] of Object.entries(told))
      box.scrollWidth > box.clientWidth ? box.setAttribute(name, value) : box.removeAttribute(name);
  });
}
addEventListener('resize', reach);
reach();
"""

TITLE = "paper_nets: the figures"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }}
figure {{ margin: 3rem 0; }} h2 {{ margin: 0; }} img {{ max-width: 100%; height: auto; }}
td, th {{ text-align: right; padding: 0 .8em 0 0; }}
table {{ border-collapse: collapse; margin: .5rem 0; font-size: .85rem; display: block; overflow-x: auto; }}
{wide}</style>
<h1>The figures of ResNet and DenseNet, drawn again</h1>
<p>From code, published numbers and recorded runs, by <code>python -m paper_nets figures</code>.</p>
{parts}
<script>{reach}</script>
</html>
"""
