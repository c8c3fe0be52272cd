"""What the notebooks ask their readers: predictions, and a check for each question, against the nets themselves.

A check says what is off about an answer; the solutions are in the notebooks, folded up. What it says is translated
where it is shown.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from math import comb, exp, isclose, pi, prod
from typing import Any

import numpy
import pandas
import torch
from ipywidgets import HTML, Dropdown, HBox, Text
from torch import Tensor, nn
from torchvision import models

from paper_nets import audit, build, catalog, cost, plan, published
from paper_nets.lab import cut, jacobian, trace
from paper_nets.lab.train import DENSENET, RESNET
from paper_nets.language import say
from paper_nets.nets import Block, DenseBlock, DenseNet, DenseNetPlan, ResNetPlan, Transition
from paper_nets.nets.parts import ZeroPad


class Guess(HBox):
    """What a reader predicts, kept until it can stand beside what was measured.

    Args:
        what: what to predict, with its unit.
        options: what to choose from; without them there is a box to write in.
    """

    def __init__(self, what: str, *options: str):
        self.what = what
        self.box = Dropdown(options=["", *map(say, options)]) if options else Text(placeholder=say("your guess"))
        super().__init__([HTML(html.escape(repr(self))), self.box])

    def __repr__(self) -> str:
        return say(f"Your guess: {self.what}")

    def beside(self, measured: bool | float | str) -> HTML:
        """The guess and what was measured, in words that follow the box."""
        if isinstance(measured, bool | numpy.bool_):
            measured = "yes" if measured else "no"
        if not isinstance(measured, str):
            measured = f"{measured:,.0f}" if 1000 <= abs(measured) < 1e9 else f"{measured:.3g}"
        shown = _Words()

        def tell(_=None) -> None:
            guess = self.box.value if self.box.value.strip() else ""
            told = say(f"{self.what}: you said {guess}, measured " if guess else f"{self.what}: measured ")
            shown.value = f"{html.escape(told)}<b>{html.escape(say(measured))}</b>"

        self.box.observe(tell, "value")
        tell()
        return shown


class _Words(HTML):
    def __repr__(self) -> str:
        return html.unescape(re.sub("</?b>", "", self.value))


class NotYet(Exception):
    """What is off about an answer, in words that help to the next try without giving the solution away."""


@dataclass(frozen=True)
class Reply:
    """What the reader reads; `right` is None while there is no answer."""

    right: bool | None
    message: str

    def __repr__(self) -> str:
        return self.message

    def _repr_markdown_(self) -> str:
        return f"{ {True: '✓', False: '✗', None: '…'}[self.right] } {self.message}"


def question(check: Callable[[Any], str]) -> Callable[[Any], Reply]:
    """A question: its check gets the answer, raises NotYet for a wrong one, and returns what to add to a right one."""

    @wraps(check)
    def ask(answer: Any) -> Reply:
        if answer is ...:
            return Reply(None, say("Your turn: put your answer in place of the dots, and run the cell again."))
        try:
            with torch.random.fork_rng([]):  # what a check draws leaves the reader's random numbers be
                torch.default_generator.manual_seed(0)  # not those of GPUs, which torch.manual_seed sets too
                return Reply(True, say(f"Right. {check(answer)}"))
        except NotYet as off:
            return Reply(False, say(f"Not yet: {off}"))
        except Exception as error:  # the reader's own code runs in here, and may do anything
            return Reply(False, say(f"Not yet: your answer gave {type(error).__name__}: {error}"))

    return ask


def must(right: bool, hint: str) -> None:
    if not right:
        raise NotYet(hint)


def number(answer: float, right: float, near: dict[float, str], hint: str, tolerance: float = 0) -> None:
    """Raise NotYet unless the answer is right within a relative tolerance; `near`: wrong values, and why."""
    if isclose(answer, right, rel_tol=tolerance):
        return
    for value, why in near.items():
        must(not isclose(answer, value, rel_tol=tolerance), why)
    raise NotYet(f"{answer:.3g} is not it. {hint}" if tolerance else f"{answer:,} is not it. {hint}")


def same_module(answer: nn.Module, want: nn.Module, x: Tensor, where: str) -> None:
    """Raise NotYet unless the answer has `want`'s parameters, and with the same weights makes the same of x."""
    shapes, right = ([tuple(p.shape) for p in module.parameters()] for module in (answer, want))
    must(shapes == right, f"for {where} the parameters' shapes must be {str(right)[1:-1]}: no convolution has a bias.")
    answer.load_state_dict(dict(zip(answer.state_dict(), want.state_dict().values(), strict=True)))
    got, y = answer.eval()(x), want.eval()(x)
    must(got.shape == y.shape, f"for {where} the output's shape is {tuple(got.shape)}; it must be {tuple(y.shape)}.")
    alike = torch.allclose(got, y, atol=1e-6)
    must(alike, "the shapes are right; with the same weights it gives something else than the package's.")


@question
def layers_of_a_stack(answer: int) -> str:
    """Weighted layers of the CIFAR net with n = 18."""
    near = {108: "those are the blocks' convolutions; the net has two weighted layers more."}
    near[54] = "that is the number of blocks; each has two convolutions."
    number(answer, plan("plain110").depth, near, "Three stages of n blocks, two convolutions in each; what is left?")
    return "The deepest net of the paper's Figure 6, but for the one of 1202 layers."


@question
def layer_that_does_nothing(answer: Callable[[nn.Conv2d], None]) -> str:
    """Set a 3×3 convolution so that with the ReLU behind it any x ≥ 0 passes unchanged."""
    convolution, x = nn.Conv2d(4, 4, 3, padding=1, bias=False), torch.rand(2, 4, 5, 5)
    answer(convolution)
    off = (convolution(x).relu() - x).abs().max().item()
    hint = "one weight in each channel is 1, all others 0."
    must(off <= 1e-6, f"what comes out still differs from x by up to {off:.2g}: {hint}")
    return "So a net of 56 layers can do what one of 20 does. That it can does not mean that training finds it."


@question
def blind_guess(answer: float) -> str:
    """Error in per cent of a net that guesses among ten classes."""
    number(answer, 90, {10: "that is how often it is right.", 0.9: "per cent, please."}, "How often is it right?")
    return "A net that has learned nothing stands there."


@question
def option_a(answer: Callable[[Tensor], Tensor]) -> str:
    """W_s of option A from (N, 16, H, W) to (N, 32, H / 2, W / 2)."""
    x = torch.randn(2, 16, 8, 8)
    want, got = ZeroPad(16, 2)(x), answer(x)
    must(got.shape == want.shape, f"the output's shape is {tuple(got.shape)}; it must be {tuple(want.shape)}.")
    right = torch.equal(got[:, :16], want[:, :16])
    must(right, "the shape is right; the first 16 channels must be every second pixel of x, from the first on.")
    must(not got[:, 16:].any(), "the first 16 channels are right; the 16 new ones must be zero.")
    return "No parameters, and no arithmetic either."


@question
def option_b_parameters(answer: int) -> str:
    """Parameters that option B adds to a residual-56 with twice the channels."""
    a, b = (sum(p.numel() for p in build("resnet56", width=32, shortcut=option).parameters()) for option in "AB")
    near = {32 * 64 + 64 * 128: "the weights of both projections are there, but each is followed by a batch norm."}
    hint = (
        "Two blocks change dimensions, 32 to 64 and 64 to 128 channels; each gets a 1×1 convolution without bias, "
        "and a batch norm with a scale and a shift for each channel that comes out."
    )
    number(answer, b - a, near, hint)
    return f"{b - a:,} on top of {a:,}: {100 * (b - a) / a:.1f} %."


@question
def make_identity(answer: Callable[[Block], None]) -> str:
    """Change as few tensors of a residual block as possible, so that it passes any x ≥ 0 on."""
    block = Block(ResNetPlan(), 8, 8)
    before = {name: parameter.clone() for name, parameter in block.named_parameters()}
    answer(block)
    changed = [name for name, parameter in block.named_parameters() if not torch.equal(parameter, before[name])]
    names = ", ".join(changed) or say("nothing")
    x = torch.rand(4, 8, 6, 6)
    off = (block.train()(x) - x).abs().max().item()
    must(off <= 1e-6, f"y still differs from x by up to {off:.2g} (changed: {names}).")
    must(len(changed) <= 1, f"y = x, but {len(changed)} tensors were changed ({names}); one is enough.")
    return "One tensor, eight numbers. No such change would do it for a plain block."


@question
def share_of_F(answer: float) -> str:
    """F's part of the mean square that the tenth block puts out, where each block adds 1 to the stem's 1."""
    near = {1 / 10: "that is the tenth block's F over what it reads; the question is about what it puts out."}
    number(answer, 1 / 11, near, "What the block reads has grown by 1 in each of nine blocks.", tolerance=0.01)
    return "Without batch norm, where F is as large as x, it would be half, at every depth."


@question
def relu_variance(answer: float) -> str:
    """Variance of a standard normal number behind a ReLU."""
    near = {0.5: "that is the mean square; the variance is less, since the mean is not 0.", 1.0: "that is before it."}
    hint = "The mean square less the square of the mean, which is 1/√(2π)."
    number(answer, 0.5 - 1 / (2 * pi), near, hint, tolerance=0.01)
    return f"½ over it is {0.5 / (0.5 - 1 / (2 * pi)):.2f}: what a layer does to the mean square of the gradient."


@question
def step_on_longer_weights(answer: float) -> str:
    """Weights before a batch norm are ten times as long: the step that did before what a step of 1 does now."""
    near = {10: "the longer the weights, the less a step turns them."}
    near[1] = "batch norm divides, but by more than before."
    hint = "Write (10 W + d) as 10 (W + …); batch norm does not see the factor before."
    number(answer, 0.1, near, hint, tolerance=0.01)
    return "So along a raw direction the same net looks ten times as flat."


@question
def relu_layers(answer: float) -> str:
    """The factor on a norm over 54 layers of weights of variance 1/fan-in, each with a ReLU."""
    near = {2.0**-54: "that is the factor on the mean square; the norm is its root."}
    hint = "Each layer halves the mean square; how often, and what is the root?"
    number(answer, 2.0**-27, near, hint, tolerance=0.01)
    return f"{2.0**-27:.1e}: out of a hundred million parts, less than one arrives."


@question
def no_derivative(answer: Callable[[Block], None]) -> str:
    """Change a pre-activation block so that dy/dx = 0 for every x > 0."""
    block = Block(ResNetPlan(preact=True, norm=False), 4, 4)
    for name, parameter in block.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    answer(block)
    largest = torch.linalg.svdvals(jacobian(block, torch.rand(4, 4, 4) + 0.1))[0].item()
    must(largest <= 1e-6, f"the largest singular value of dy/dx is still {largest:.3g}; which F cancels x?")
    return "F(x) = −x for x > 0, so y = 0 there: no gradient comes back, shortcut or not."


@question
def stretch_bounds(answer: Callable[[float], tuple[float, float]]) -> str:
    """Between what the singular values of I + ∂F/∂x lie, if the largest of ∂F/∂x is s."""
    for s in (0.0, 0.3, 1.0, 2.5):
        (low, high), (least, most) = answer(s), (max(0.0, 1 - s), 1 + s)
        must(high >= most - 1e-9, f"for s = {s:g}, with ∂F/∂x = {s:g} · I, {most:g} is possible; you say {high:g}.")
        must(low <= least + 1e-9, f"for s = {s:g}, {least:g} is possible: think of ∂F/∂x = −c · I; you say {low:g}.")
        tight = low >= least - 1e-9 and high <= most + 1e-9
        must(tight, f"for s = {s:g} you say [{low:g}, {high:g}], which is wider than it need be.")
    return "At least 1 − s, and never under 0. At least 1 only where s = 0."


@question
def count_paths(answer: tuple[int, int]) -> str:
    """All paths through residual-56, and those that pass through F twice."""
    blocks = sum(plan("resnet56").blocks)
    total, two = answer
    number(total, 2**blocks, {}, f"Of all paths: each of the {blocks} blocks is passed in one of two ways.")
    number(two, comb(blocks, 2), {}, f"{total:,} is right for all; of length 2, which two of the {blocks} blocks?")
    return f"{total:,} paths, {two} of them of length 2."


@question
def bottleneck_weights(answer: int) -> str:
    """Weights of the convolutions in ResNet-50's blocks that take 512 channels and give as many."""
    right = sum(p.numel() for p in build("resnet50").stages[1][1].F.parameters() if p.dim() == 4)
    two = 2 * 9 * 512**2
    near = {two: "those are the weights of two 3×3 convolutions at 512 channels; a bottleneck has 1×1, 3×3, 1×1."}
    number(answer, right, near, "Add kernel² · channels in · channels out for 1×1, 3×3 and 1×1.")
    return f"{right:,}. Two 3×3 convolutions at 512 channels have {two:,}, {two / right:.0f} times as many."


@question
def bottleneck_F(answer: Callable[[int, int], nn.Module]) -> str:
    """F of a bottleneck that takes and gives `c` channels and is `width` wide, convolutions and batch norms."""
    for width in (4, 16):
        want, got = Block(ResNetPlan(block="bottleneck"), 4 * width, width).F, answer(4 * width, width)
        kinds, right = ([type(layer).__name__ for layer in layers] for layers in (got, want))
        hint = "each convolution has a batch norm, with ReLUs between."
        must(kinds == right, f"the layers are {', '.join(kinds)}; {hint}")
        same_module(got, want, torch.randn(2, 4 * width, 5, 5), f"width {width}")
    return "With the same weights it computes what the package's does."


@question
def strides_mended(answer: Callable[[nn.Module], None]) -> str:
    """torchvision's ResNet-50 with its strides where the paper has them, changed in place."""
    net = models.resnet50()
    answer(net)
    found = audit(net, "resnet50")
    must(found.matches, f"audit says: {'; '.join(map(str, found.differences[:1]))}.")
    return f"Now it computes {found.theirs.multiply_adds:,} multiply–adds, as the paper's."


@question
def pooled_shortcut(answer: Callable[[int, int], nn.Module]) -> str:
    """ResNet-D's shortcut from c_in maps to c_out of half the size: 2×2 average pool, projection, batch norm."""
    for c_in, c_out in ((4, 8), (16, 32)):
        want = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out))
        made = answer(c_in, c_out)
        same_module(made, want, torch.randn(2, c_in, 8, 8), f"{c_in} and {c_out} maps")
        more = trace(made, (c_in, 8, 8)).multiply_adds // (4 * 4 * c_in * c_out)
        must(more == 1, f"it gives the same, with {more} times the multiply–adds; what could come first?")
    return "With the same weights it computes what ResNet-D's does: the pool has none, and every pixel is read."


@question
def paths_left(answer: float) -> str:
    """The share of a residual net's paths that is left when three blocks are passed by."""
    near = {24 / 27: "24 of 27 blocks are left, but each block that is gone takes half of all paths with it."}
    number(answer, 1 / 2**3, near, "One block less leaves the paths that did not pass through its F.", tolerance=0.005)
    return "One eighth, and what is left is a net of 24 blocks in which nothing else has changed."


@question
def dense_forward(answer: Callable[[nn.ModuleList, Tensor], Tensor]) -> str:
    """What a dense block makes of x, (N, c, H, W) to (N, c + layers · k, H, W), given its layers H."""
    for bottleneck in (False, True):
        block = DenseBlock(DenseNetPlan(growth_rate=4, bottleneck=bottleneck), 6, layers=5).eval()
        x = torch.randn(2, 6, 5, 5)
        want, got = block(x), answer(nn.ModuleList(layer.H for layer in block), x)
        hint = f"6 maps and 5 layers with k = 4 make {tuple(want.shape)}."
        must(got.shape == want.shape, f"the output's shape is {tuple(got.shape)}; {hint}")
        right = torch.equal(got, want)
        must(right, "the shape is right; the maps must be x, and then what the layers added, in their order.")
    return "Bit for bit what the package's block computes."


@question
def transition(answer: Callable[[int, float], nn.Module]) -> str:
    """A transition from m maps to ⌊θm⌋ of half the size: batch norm, ReLU, 1×1 convolution without bias, pool."""
    for m, theta, out in ((100, 0.5, 50), (7, 0.5, 3), (12, 1.0, 12)):
        want = Transition(DenseNetPlan(), m, out)
        same_module(answer(m, theta), want, torch.randn(2, m, 8, 8), f"m = {m}, θ = {theta:g}")
    return "With the same weights it computes what the package's does."


@question
def maps_at_the_end(answer: int) -> str:
    """Maps that the classifier of DenseNet-169 reads: k = 32, 64 from the stem, blocks of 6, 12, 32, 32, θ = 0.5."""
    net = plan("densenet169")
    right = net.channels[-1][1]
    near = {right // 2: "that has one transition too many: none follows the last block."}
    whole = net.channels_in + net.growth_rate * sum(net.blocks)
    near[whole] = "that would be right without compression: each transition drops half of what it reads."
    number(answer, right, near, "64 + 6 · 32 = 256 leave the first block, and half of them go on.")
    return f"{right:,}, more than the {net.channels[-2][1] * 2:,} that leave the block before."


@question
def dense_layer_mended(answer: Callable[[int, int], nn.Module]) -> str:
    """A layer of DenseNet-40, made of the maps that it reads and of k; its `c_out` says how many it leaves."""
    parts, channels = [nn.Conv2d(3, 16, 3, padding=1, bias=False)], 16
    for block in range(3):
        for _ in range(12):
            parts.append(answer(channels, 12))
            channels = parts[-1].c_out
        if block < 2:
            parts.append(Transition(DenseNetPlan(), channels, channels))
    head = [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
    found = audit(nn.Sequential(*parts, *head), "densenet40_k12")
    must(found.matches, f"audit says: {'; '.join(map(str, found.differences[:1]))}.")
    return f"A net of 36 such layers is DenseNet-40, to the parameter: {found.theirs.parameters:,}."


@question
def maps_read(answer: int) -> str:
    """Maps that the last layer of DenseNet-121's second block reads."""
    net = plan("densenet121")
    first = net.channels_in + net.blocks[0] * net.growth_rate
    added = (net.blocks[1] - 1) * net.growth_rate
    last = net.channels[1][0] + added
    near = {last + net.growth_rate: "that is what stands behind the last layer; it does not read its own maps."}
    near[first + added] = "the transition has halved the maps before the block."
    number(answer, last, near, "128 from the transition, and 32 of each layer before it.")
    return f"{last} of the {last + net.growth_rate} maps that the block ends with."


@question
def weight_left(answer: float) -> str:
    """What the DenseNet paper's training leaves of a weight that no gradient ever touches: 300 epochs of CIFAR-10."""
    steps = DENSENET.steps(50_000)
    right = DENSENET.only_decay(steps)
    must(0 < answer < 1, f"{answer:.3g} is not it: a share lies between 0 and 1.")
    without_momentum = prod(1 - DENSENET.rate(step, steps) * DENSENET.weight_decay for step in range(steps))
    near = {without_momentum: "about that would be right without momentum; one of 0.9 makes each decay count tenfold."}
    constant = exp(-DENSENET.weight_decay * steps)
    near[constant] = "that would be right if the rate stayed at 0.1; it falls to 0.01 at half of the way, then 0.001."
    hint = f"Each of {steps:,} steps takes away 10 · rate · decay of the weight."
    number(answer, right, near, hint, tolerance=0.4)  # of so small a number its order counts
    return f"{right:.1e}: nothing is left of what it began with."


@question
def connections_of(answer: int) -> str:
    """Connections in a dense block of 12 layers and the transition after it, each counted as in the heatmap."""
    right = comb(14, 2)
    near = {comb(13, 2): "that joins the layers and the block's input; the transition reads all 13 of them too."}
    number(answer, right, near, "Layer 1 reads one source, layer 2 two; how many does the transition read?")
    return f"{right} = 1 + 2 + … + 13. Three such blocks, as in DenseNet-40, have {3 * right}."


@question
def cut_by_hand(answer: Callable[[DenseNet], None]) -> str:
    """Make layer 3 of the first block blind to layer 1, k = 4 and 8 maps into the block: in place."""
    net = DenseNet(DenseNetPlan(blocks=(4, 2), growth_rate=4, stem_channels=8))
    right = cut(net, block=1, source=1, target=3).state_dict()
    answer(net)
    weights = net.blocks[0][2].H[2].weight
    dark = [str(i) for i in range(weights.shape[1]) if not weights[:, i].any()]
    blind = f"is blind to channels {' '.join(dark)}" if dark else "sees all that it reads"
    same = all(torch.equal(tensor, right[name]) for name, tensor in net.state_dict().items())
    must(same, f"layer 3 now {blind}. It reads x, then layer 1, then layer 2; which channels are layer 1's four?")
    return "Those four channels come after the block's eight, and nothing else has changed."


@question
def class_maps(answer: Callable[[Tensor, nn.Linear], Tensor]) -> str:
    """The map of each class, (N, classes, h, w), of the maps that are averaged, (N, c, h, w), and the classifier."""
    maps, classifier = torch.randn(2, 6, 3, 3), nn.Linear(6, 4)
    want, got = torch.einsum("kc,nchw->nkhw", classifier.weight, maps), answer(maps, classifier)
    must(got.shape == want.shape, f"the shape is {tuple(got.shape)}; 6 maps and 4 classes make {tuple(want.shape)}.")
    right = torch.allclose(got, want, atol=1e-5)
    must(right, "the shape is right; each pixel's six numbers meet the classifier's weights, without the bias.")
    return "Averaged over the pixels, and with the bias added, it is the score, since a mean of sums is a sum of means."


@question
def flops_of_resnet50(answer: float) -> str:
    """ResNet-50 in FLOPs as the DenseNet paper counts them."""
    # The second is "v1.5", that its figure compares with.
    first, trained_again = (2 * cost("resnet50", stride_in=stride).multiply_adds for stride in ("1x1", "3x3"))
    halves = "those are its multiply–adds; the DenseNet paper counts the multiplication and the addition."
    hint = "How many FLOPs are 3.8 · 10⁹ multiplications, each with an addition?"
    nearer = min(first, trained_again, key=lambda right: abs(answer - right))
    number(answer, nearer, {first / 2: halves, trained_again / 2: halves}, hint, tolerance=0.03)
    return f"{first:,}, where the ResNet paper prints 3.8 · 10⁹ for the same net; {trained_again:,} with v1.5."


@question
def best_net(answer: Callable[[pandas.DataFrame, str, float], str]) -> str:
    """The net with the least error among those that cost no more than the budget, in one currency."""
    rows = [("a", 9.0, 1, 70), ("b", 7.0, 2, 90), ("c", 5.0, 30, 10), ("d", 6.0, 4, 20), ("e", 4.0, 50, 99)]
    table = pandas.DataFrame(rows, columns=["net", "error", "parameters", "activation_bytes"])
    for currency, budget, right in (("parameters", 4, "d"), ("activation_bytes", 20, "c"), ("parameters", 2.5, "b")):
        got = answer(table.copy(), currency, budget)
        must(got == right, f"with {currency} at most {budget:g} you find {got!r}; the least error there has {right!r}.")
    return "Which net is best depends on the currency, as here: one table, three winners."


@question
def costs_more_than_resnet50(answer: str) -> str:
    """The currency in which DenseNet-121 costs more than ResNet-50."""
    one, other = (vars(cost(name).total) for name in ("densenet121", "resnet50"))
    must(answer in one, f"the currencies are {', '.join(one)}.")
    must(one[answer] > other[answer], f"in it DenseNet-121 costs {one[answer] / other[answer]:.2f} times as much.")
    return f"{one[answer] / other[answer]:.2f} times as much; in the other two it costs less."


@question
def points_per_cost(answer: float) -> str:
    """Points of top-1 error (single crop) that DenseNet-264 saves over 201, for each 10⁹ multiply–adds more."""
    errors = published("densenet_imagenet").set_index("net").top1_single_crop_pct
    more = (cost("densenet264").multiply_adds - cost("densenet201").multiply_adds) / 1e9
    saved = errors["densenet201"] - errors["densenet264"]
    near = {saved: f"{saved:.2f} points are what it saves in all; it takes {more:.2f} · 10⁹ multiply–adds more."}
    hint = "Divide the points saved by the 10⁹ multiply–adds that they cost."
    number(answer, saved / more, near, hint, tolerance=0.03)
    return f"{saved / more:.2f}."


@question
def epochs_of_the_paper(answer: float) -> str:
    """Passes over CIFAR-10 in the ResNet paper's 64,000 iterations."""
    near = {RESNET.iterations / 50_000: "an iteration is one step on 128 images, not on one image of 50,000."}
    hint = "The paper takes 64,000 steps of 128 images each, and 50,000 images in a pass."
    number(answer, RESNET.iterations * RESNET.batch / 50_000, near, hint, tolerance=0.01)
    return "The recorded runs have 15: everything that a curve here shows, it shows early."


@question
def images_in_a_point(answer: int) -> str:
    """Test images of CIFAR-10 in a tenth of a percentage point."""
    number(answer, 10, {100: "those are a whole point."}, "CIFAR-10 has 10,000 test images.")
    return "Two runs of one net easily differ by more; so does the paper's best from its mean of five runs."


@question
def rate_drops(answer: tuple[int, int]) -> str:
    """The iterations after which the step schedule divides the rate, in a run of 15 epochs of CIFAR-10."""
    steps = replace(RESNET, epochs=15, iterations=None).steps(50_000)
    first, second = answer
    papers = (first, second) == (32_000, 48_000)
    must(not papers, f"those are the paper's; this run ends after {steps:,} iterations, before either.")
    near = abs(first - steps // 2) <= 2 and abs(second - steps * 3 // 4) <= 2
    must(near, f"the paper divides after half and after three quarters of its iterations; here they are {steps:,}.")
    passes = RESNET.iterations * RESNET.batch / 50_000
    return f"So at the high rate a net has {15 / 2} epochs to find its way, instead of {passes / 2:.0f}."


@question
def best_below_a_million(answer: str) -> str:
    """The net with the least published error on CIFAR-10 among those of less than a million parameters."""
    errors = catalog().query("dataset == 'CIFAR'").cifar10_error_pct
    must(answer in errors.index, f"{answer!r} is no net of the catalog for CIFAR.")
    must(pandas.notna(errors[answer]), f"the papers print no error on CIFAR-10 for {answer}.")
    parameters = cost(answer).total.parameters
    must(parameters < 1e6, f"{answer} has {parameters:,} parameters, not fewer than a million.")
    best = errors[[net for net in errors.index if cost(net).total.parameters < 1e6]].idxmin()
    must(answer == best, f"{answer} has {errors[answer]} %; there is a better one.")
    return f"{errors[best]} % with {parameters:,} parameters; for its multiply–adds, see notebook 10."
