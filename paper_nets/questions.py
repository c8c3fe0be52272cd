"""What the notebooks ask their readers: a check for each question, against the nets themselves.

A check says what is off about an answer; the solutions are in the notebooks, folded up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from math import comb, isclose, log, prod
from typing import Any

import pandas
import torch
from torch import Tensor, nn

from paper_nets.lab import cut, jacobian
from paper_nets.lab.train import DENSENET, RESNET
from paper_nets.nets import (
    Block,
    DenseBlock,
    DenseNet,
    DenseNetPlan,
    ResNetPlan,
    Transition,
    build,
    catalog,
    cost,
    plan,
    published,
)
from paper_nets.nets.parts import ZeroPad


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
        mark = {True: "✓", False: "✗", None: "…"}[self.right]
        return f"{mark} {self.message}"


def question(check: Callable[[Any], str]) -> Callable[[Any], Reply]:
    """Make a question of a check: it is given the answer, and returns what there is to add to a right one.

    It raises `NotYet` for a wrong one. No answer, `...` as in the notebook, is not wrong; an answer that cannot be
    used, or whose code fails, is.
    """

    @wraps(check)
    def ask(answer: Any) -> Reply:
        if answer is ...:
            return Reply(None, "Your turn: put your answer in place of the dots, and run the cell again.")
        try:
            return Reply(True, f"Right. {check(answer)}")
        except NotYet as off:
            return Reply(False, f"Not yet: {off}")
        except Exception as error:  # the reader's own code runs in here, and may do anything
            return Reply(False, f"Not yet: your answer gave {type(error).__name__}: {error}")

    return ask


def number(answer: float, right: float, hint: str, near: Mapping[float, str] | None = None, within=1e-9) -> None:
    """Check a number, to a share `within`. near: what to say of likely wrong ones; hint: of any other."""
    for value, why in (near or {}).items():
        if isclose(answer, value, rel_tol=within):
            raise NotYet(why)
    if not isclose(answer, right, rel_tol=within):
        raise NotYet(f"{answer:,.10g} is not it. {hint}")


@question
def option_a(answer: Callable[[Tensor], Tensor]) -> str:
    """W_s of option A from (N, 16, H, W) to (N, 32, H / 2, W / 2)."""
    x = torch.randn(2, 16, 8, 8)
    want, got = ZeroPad(16, 2)(x), answer(x)
    if got.shape != want.shape:
        raise NotYet(f"the output's shape is {tuple(got.shape)}; it must be {tuple(want.shape)}.")
    if not torch.equal(got[:, :16], want[:, :16]):
        raise NotYet("the shape is right; the first 16 channels must be every second pixel of x, from the first on.")
    if got[:, 16:].any():
        raise NotYet("the first 16 channels are right; the 16 new ones must be zero.")
    return "No parameters, and no arithmetic either."


@question
def option_b_parameters(answer: int) -> str:
    """Parameters that option B adds to a residual-56 with twice the channels."""
    a, b = (sum(p.numel() for p in build("resnet56", width=32, shortcut=option).parameters()) for option in "AB")
    hint = (
        "Two blocks change dimensions, 32 to 64 and 64 to 128 channels; each gets a 1×1 convolution without bias, and "
        "a batch norm with a scale and a shift for each channel that comes out."
    )
    weights = "the weights of both projections are there, but each is followed by a batch norm."
    number(answer, b - a, hint, {32 * 64 + 64 * 128: weights})
    return f"{b - a:,} on top of {a:,}: {100 * (b - a) / a:.1f} %."


@question
def make_identity(answer: Callable[[Block], None]) -> str:
    """Change as few tensors of a residual block as possible, so that it passes any x ≥ 0 on."""
    torch.manual_seed(0)
    block = Block(ResNetPlan(), 8, 8)
    before = {name: parameter.clone() for name, parameter in block.named_parameters()}
    answer(block)
    changed = [name for name, parameter in block.named_parameters() if not torch.equal(parameter, before[name])]
    x = torch.rand(4, 8, 6, 6)
    off = (block.train()(x) - x).abs().max().item()
    if off > 1e-6:
        raise NotYet(f"y still differs from x by up to {off:.2g} (changed: {', '.join(changed) or 'nothing'}).")
    if len(changed) > 1:
        raise NotYet(f"y = x, but {len(changed)} tensors were changed ({', '.join(changed)}); one is enough.")
    return "One tensor, eight numbers. No such change would do it for a plain block."


@question
def relu_layers(answer: float) -> str:
    """The factor on a norm over 54 layers of weights of variance 1/fan-in, each with a ReLU."""
    near = {2.0**-54: "that is the factor on the mean square; the norm is its root."}
    number(answer, 2.0**-27, "Each layer halves the mean square; how often, and what is the root?", near, within=0.01)
    return f"{2.0**-27:.1e}: out of a hundred million parts, less than one arrives."


@question
def no_derivative(answer: Callable[[Block], None]) -> str:
    """Change a pre-activation block so that dy/dx = 0 for every x > 0."""
    torch.manual_seed(0)
    block = Block(ResNetPlan(preact=True, norm=False), 4, 4)
    for name, parameter in block.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    answer(block)
    largest = torch.linalg.svdvals(jacobian(block, torch.rand(4, 4, 4) + 0.1))[0].item()
    if largest > 1e-6:
        raise NotYet(f"the largest singular value of dy/dx is still {largest:.3g}; which F cancels x?")
    return "F(x) = −x for x > 0, so y = 0 there: no gradient comes back, shortcut or not."


@question
def stretch_bounds(answer: Callable[[float], tuple[float, float]]) -> str:
    """Between what the singular values of I + ∂F/∂x lie, if the largest of ∂F/∂x is s."""
    for s in (0.0, 0.3, 1.0, 2.5):
        (low, high), (least, most) = answer(s), (max(0.0, 1 - s), 1 + s)
        if high < most - 1e-9:
            raise NotYet(f"for s = {s:g} a value of {most:g} is possible, with ∂F/∂x = {s:g} · I; you say {high:g}.")
        if low > least + 1e-9:
            raise NotYet(f"for s = {s:g} a value of {least:g} is possible: think of ∂F/∂x = −c · I; you say {low:g}.")
        if low < least - 1e-9 or high > most + 1e-9:
            raise NotYet(f"for s = {s:g} you say [{low:g}, {high:g}], which is wider than it need be.")
    return "At least 1 − s, and never under 0. At least 1 only where s = 0."


@question
def count_paths(answer: tuple[int, int]) -> str:
    """All paths through residual-56, and those that pass through F twice."""
    blocks = sum(plan("resnet56").blocks)
    total, two = answer
    if total != 2**blocks:
        raise NotYet(f"{total:,} paths in all is not it. Each of the {blocks} blocks is passed in one of two ways.")
    if two != comb(blocks, 2):
        raise NotYet(f"{total:,} is right; {two:,} of length 2 is not. Which two of the {blocks} blocks?")
    return f"{total:,} paths, {two} of them of length 2."


@question
def bottleneck_weights(answer: int) -> str:
    """Weights of the convolutions in ResNet-50's blocks that take 512 channels and give as many."""
    right = sum(p.numel() for p in build("resnet50").stages[1][1].F.parameters() if p.dim() == 4)
    two = 2 * 9 * 512**2
    near = {two: "those are the weights of two 3×3 convolutions at 512 channels; a bottleneck has 1×1, 3×3, 1×1."}
    number(answer, right, "Add kernel² · channels in · channels out for 1×1, 3×3 and 1×1.", near)
    return f"{right:,}. Two 3×3 convolutions at 512 channels have {two:,}, {two / right:.0f} times as many."


@question
def bottleneck_F(answer: Callable[[int, int], nn.Module]) -> str:
    """F of a bottleneck that takes and gives `c` channels and is `width` wide, convolutions and batch norms."""
    for width in (4, 16):
        c = 4 * width
        want, got = Block(ResNetPlan(block="bottleneck"), c, width).F, answer(c, width)
        kinds = [type(layer).__name__ for layer in got]
        if kinds != [type(layer).__name__ for layer in want]:
            raise NotYet(f"the layers are {', '.join(kinds)}; each convolution has a batch norm, with ReLUs between.")
        for ours, theirs in zip(want, got, strict=True):
            if isinstance(ours, nn.Conv2d) and (ours.weight.shape != theirs.weight.shape or theirs.bias is not None):
                shape, right = tuple(theirs.weight.shape), tuple(ours.weight.shape)
                raise NotYet(
                    f"for width {width} a convolution has weights {shape}; it should be {right}, without bias."
                )
        got.load_state_dict(dict(zip(got.state_dict(), want.state_dict().values(), strict=True)))
        x = torch.randn(2, c, 5, 5)
        if (y := got.eval()(x)).shape != x.shape:
            raise NotYet(f"F maps {tuple(x.shape)} to {tuple(y.shape)}; F(x) + x needs both alike.")
        if not torch.equal(y, want.eval()(x)):
            raise NotYet("the layers are right; with the same weights they give something else than the package's.")
    return "With the same weights it computes what the package's does."


@question
def paths_left(answer: float) -> str:
    """The share of a residual net's paths that is left when three blocks are passed by."""
    near = {1 - 3 / 27: "24 of 27 blocks are left, but each block that is gone takes half of all paths with it."}
    number(answer, 1 / 8, "One block less leaves the paths that did not pass through its F.", near, within=0.02)
    return "One eighth, and what is left is a net of 24 blocks in which nothing else has changed."


@question
def dense_forward(answer: Callable[[nn.ModuleList, Tensor], Tensor]) -> str:
    """What a dense block makes of x, (N, c, H, W) to (N, c + layers · k, H, W), given its layers H."""
    torch.manual_seed(0)
    for bottleneck in (False, True):
        block = DenseBlock(DenseNetPlan(growth_rate=4, bottleneck=bottleneck), 6, layers=5).eval()
        x = torch.randn(2, 6, 5, 5)
        want, got = block(x), answer(nn.ModuleList(layer.H for layer in block), x)
        if got.shape != want.shape:
            raise NotYet(
                f"the output's shape is {tuple(got.shape)}; 6 maps and 5 layers with k = 4 make {tuple(want.shape)}."
            )
        if not torch.equal(got, want):
            raise NotYet("the shape is right; the maps must be x, and then what the layers added, in their order.")
    return "Bit for bit what the package's block computes."


@question
def transition(answer: Callable[[int, float], nn.Module]) -> str:
    """A transition from m maps to ⌊θm⌋ of half the size: batch norm, ReLU, 1×1 convolution without bias, pool."""
    torch.manual_seed(0)
    for m, theta, out in ((100, 0.5, 50), (7, 0.5, 3), (12, 1.0, 12)):
        want, got = Transition(DenseNetPlan(), m, out).eval(), answer(m, theta)
        x = torch.randn(2, m, 8, 8)
        if (shape := tuple(got.eval()(x).shape)) != (right := tuple(want(x).shape)):
            raise NotYet(f"for m = {m}, θ = {theta:g} the output's shape is {shape}; it must be {right}.")
        if [p.shape for p in got.parameters()] != [p.shape for p in want.parameters()]:
            shapes = ", ".join(str(tuple(p.shape)) for p in want.parameters())
            raise NotYet(f"the shape is right; for m = {m}, θ = {theta:g} the parameters' shapes must be {shapes}.")
        got.load_state_dict(dict(zip(got.state_dict(), want.state_dict().values(), strict=True)))
        if not torch.allclose(got(x), want(x), atol=1e-6):
            raise NotYet("the shapes are right; with the same weights it gives something else than the package's.")
    return "With the same weights it computes what the package's does."


@question
def maps_at_the_end(answer: int) -> str:
    """Maps that the classifier of DenseNet-169 reads: k = 32, 64 from the stem, blocks of 6, 12, 32, 32, θ = 0.5."""
    net = plan("densenet169")
    right, whole = net.channels[-1][1], net.channels_in + net.growth_rate * sum(net.blocks)
    near = {
        whole: f"{whole:,} would be right without compression: each transition drops half of what it reads.",
        right // 2: f"{right // 2:,} has one transition too many: none follows the last block.",
    }
    number(answer, right, "64 + 6 · 32 = 256 leave the first block, and half of them go on.", near)
    return f"{right:,}, more than the {net.channels[-2][1] * 2:,} that leave the block before."


@question
def weight_left(answer: float) -> str:
    """What the DenseNet paper's training leaves of a weight that no gradient ever touches: 300 epochs of CIFAR-10."""
    steps = DENSENET.steps(50_000)
    right = DENSENET.only_decay(steps)
    if not 0 < answer < 1:
        raise NotYet(f"{answer:.3g} is not it: a share lies between 0 and 1.")
    # Of so small a number its order counts, so the logarithm is compared.
    without_momentum = prod(1 - DENSENET.rate(step, steps) * DENSENET.weight_decay for step in range(steps))
    if isclose(log(answer), log(without_momentum), rel_tol=0.05):
        raise NotYet(f"{answer:.3g} would be right without momentum; a momentum of 0.9 makes each decay count tenfold.")
    if isclose(log(answer), -DENSENET.weight_decay * steps, rel_tol=0.05):
        raise NotYet("that would be right if the rate stayed at 0.1; it falls to 0.01 at half of the way, then 0.001.")
    if not isclose(log(answer), log(right), rel_tol=0.05):
        raise NotYet(f"{answer:.3g} is not it. Each of {steps:,} steps takes away 10 · rate · decay of the weight.")
    return f"{right:.1e}: nothing is left of what it began with."


@question
def connections_of(answer: int) -> str:
    """Connections in a dense block of 12 layers and the transition after it, each counted as in the heatmap."""
    right, layers = comb(14, 2), comb(13, 2)
    near = {layers: f"{layers} joins the layers and the block's input; the transition reads all 13 of them too."}
    number(answer, right, "Layer 1 reads one source, layer 2 two; how many does the transition read?", near)
    return f"{right} = 1 + 2 + … + 13. Three such blocks, as in DenseNet-40, have {3 * right}."


@question
def cut_by_hand(answer: Callable[[DenseNet], None]) -> str:
    """Make layer 3 of the first block blind to layer 1, k = 4 and 8 maps into the block: in place."""
    torch.manual_seed(0)
    net = DenseNet(blocks=(4, 2), growth_rate=4, stem_channels=8)
    right = cut(net, block=1, source=1, target=3)
    answer(net)
    off = [name for name, tensor in net.state_dict().items() if not torch.equal(tensor, right.state_dict()[name])]
    if off:
        weights = net.blocks[0][2].H[2].weight
        dark = [str(i) for i in range(weights.shape[1]) if not weights[:, i].any()]
        blind = f"is blind to channels {', '.join(dark)}" if dark else "sees all that it reads"
        raise NotYet(f"layer 3 now {blind}. It reads x, then layer 1, then layer 2; which channels are layer 1's four?")
    return "Those four channels come after the block's eight, and nothing else has changed."


@question
def flops_of_resnet50(answer: float) -> str:
    """ResNet-50 in FLOPs as the DenseNet paper counts them."""
    right = 2 * cost("resnet50").multiply_adds
    trained_again = 2 * cost("resnet50", stride_in="3x3").multiply_adds  # "v1.5", that its figure compares with
    if not isclose(answer, trained_again, rel_tol=0.03):
        half = "those are its multiply–adds; the DenseNet paper counts the multiplication and the addition."
        hint = "How many FLOPs are 3.8 · 10⁹ multiplications, each with an addition?"
        number(answer, right, hint, {right / 2: half, trained_again / 2: half}, within=0.03)
    return f"{right:,}, where the ResNet paper prints 3.8 · 10⁹ for the same net; {trained_again:,} with v1.5."


@question
def best_net(answer: Callable[[pandas.DataFrame, str, float], str]) -> str:
    """The net with the least error among those that cost no more than the budget, in one currency."""
    rows = [("a", 9.0, 1, 70), ("b", 7.0, 2, 90), ("c", 5.0, 30, 10), ("d", 6.0, 4, 20), ("e", 4.0, 50, 99)]
    table = pandas.DataFrame(rows, columns=["net", "error", "parameters", "activation_bytes"])
    for currency, budget, right in (("parameters", 4, "d"), ("activation_bytes", 20, "c"), ("parameters", 2.5, "b")):
        if (got := answer(table.copy(), currency, budget)) != right:
            raise NotYet(f"with {currency} at most {budget:g} you find {got!r}; the least error there has {right!r}.")
    return "Which net is best depends on the currency, as here: one table, three winners."


@question
def points_per_cost(answer: float) -> str:
    """Points of top-1 error (single crop) that DenseNet-264 saves over 201, for each 10⁹ multiply–adds more."""
    errors = published("densenet_imagenet").set_index("net").top1_single_crop_pct
    more = (cost("densenet264").multiply_adds - cost("densenet201").multiply_adds) / 1e9
    saved = errors["densenet201"] - errors["densenet264"]
    near = {saved: f"{saved:.2f} points are what it saves in all; it takes {more:.2f} · 10⁹ multiply–adds more."}
    number(answer, saved / more, "Divide the points saved by the 10⁹ multiply–adds that they cost.", near, within=0.03)
    return f"{saved / more:.2f}."


@question
def epochs_of_the_paper(answer: float) -> str:
    """Passes over CIFAR-10 in the ResNet paper's 64,000 iterations."""
    near = {RESNET.iterations / 50_000: "an iteration is one step on 128 images, not on one image of 50,000."}
    hint = "64,000 steps of 128 images each, and 50,000 images in a pass."
    number(answer, RESNET.iterations * RESNET.batch / 50_000, hint, near, within=0.01)
    return "The recorded runs have 15: everything that a curve here shows, it shows early."


@question
def rate_drops(answer: tuple[int, int]) -> str:
    """The iterations after which the step schedule divides the rate, in a run of 15 epochs of CIFAR-10."""
    steps = replace(RESNET, epochs=15, iterations=None).steps(50_000)
    half, three_quarters = steps // 2, steps * 3 // 4
    first, second = answer
    if (first, second) == (32_000, 48_000):
        raise NotYet(f"those are the paper's; this run ends after {steps:,} iterations, before either.")
    if abs(first - half) > 2 or abs(second - three_quarters) > 2:
        raise NotYet(
            f"the paper divides after half and after three quarters of its iterations; here they are {steps:,}."
        )
    passes = RESNET.iterations * RESNET.batch / 50_000
    return f"So at the high rate a net has {15 / 2} epochs to find its way, instead of {passes / 2:.0f}."


@question
def best_below_a_million(answer: str) -> str:
    """The net with the least published error on CIFAR-10 among those of less than a million parameters."""
    nets = catalog().query("dataset == 'CIFAR'")
    if answer not in nets.index:
        raise NotYet(f"{answer!r} is no net of the catalog for CIFAR.")
    if nets.loc[answer].isna()["cifar10_error_pct"]:
        raise NotYet(f"the papers print no error on CIFAR-10 for {answer}.")
    parameters = cost(answer).total.parameters
    if parameters >= 1e6:
        raise NotYet(f"{answer} has {parameters:,} parameters, not fewer than a million.")
    small = [net for net in nets.index if cost(net).total.parameters < 1e6]
    best = nets.loc[small, "cifar10_error_pct"].idxmin()
    if answer != best:
        raise NotYet(f"{answer} has {nets.cifar10_error_pct[answer]} %; there is a better one.")
    return f"{nets.cifar10_error_pct[best]} % with {parameters:,} parameters; for its multiply–adds, see notebook 07."
