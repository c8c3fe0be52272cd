"""Plain, residual and pre-activation nets, for CIFAR and for ImageNet.

Sources: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), called
"the paper" below, and "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027) for pre-activation.

    plain18      11,515,688    resnet18    11,689,512    resnet20      269,722
    plain34      21,623,848    resnet34    21,797,672    resnet32      464,154
                               resnet50    25,557,032    resnet44      658,586    (parameters;
                               resnet101   44,549,160    resnet56      853,018    a plain CIFAR net has as
                               resnet152   60,192,808    resnet110   1,727,962    many as its residual twin)
                                                         resnet1202 19,421,274
"""

from dataclasses import dataclass

from torch import Tensor, nn

from paper_nets.nets import parts
from paper_nets.nets.parts import ZeroPad, batch_norm, bn_relu, conv, sequence


class Block(nn.Module):
    """y = σ(F(x) + W_s x), the paper's Equation 2 and the ReLU σ after it. A plain block has no W_s: y = σ(F(x)).

    Pre-activation leaves out that last σ: y = F(x) + W_s x, and F begins with an activation. Where W_s is a projection,
    it reads what that activation makes of x, so both share it as `before`.

    Args:
        activated: for pre-activation, that x has been activated already, by the stem: F begins with its convolution.

    Shape: (N, c_in, H, W) to (N, expansion · width, H / stride, W / stride).
    """

    def __init__(self, plan: "ResNetPlan", c_in: int, width: int, stride: int = 1, activated: bool = False):
        super().__init__()
        first, *others = [conv(*shape, bias=not plan.norm) for shape in plan.convs(c_in, width, stride)]
        c_out = EXPANSION[plan.block] * width
        projects = plan.projects(c_in, c_out, stride)
        self.residual = plan.residual
        self.before = nn.Identity()

        if plan.preact:
            start = [] if activated else bn_relu(c_in, plan.norm)
            if projects:
                self.before, start = sequence(*start), []
            layers = [*start, first]
            for convolution in others:
                layers += [*bn_relu(convolution.in_channels, plan.norm), convolution]
        else:
            layers = [first, *batch_norm(first.out_channels, plan.norm)]
            for convolution in others:
                layers += [nn.ReLU(), convolution, *batch_norm(convolution.out_channels, plan.norm)]
        self.F = sequence(*layers)

        if projects:
            norm = plan.norm and not plan.preact
            self.W_s = sequence(conv(c_in, c_out, 1, stride, bias=not plan.norm), *batch_norm(c_out, norm))
        elif plan.residual:
            extra = c_out - c_in
            before = extra // 2 if plan.zeros == "both" else 0
            self.W_s = ZeroPad(extra, stride, before) if extra or stride != 1 else nn.Identity()
        self.sigma = nn.Identity() if plan.preact else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        y = self.F(x)
        if self.residual:
            y = y + self.W_s(x)
        return self.sigma(y)


class ResNet(parts.Net):
    """A plain, residual or pre-activation net, as its plan says.

    A stem, stages of blocks, and a head; each stage halves the feature maps and doubles the channels of the one before.

    Shape: images (N, in_channels, H, W) to logits (N, num_classes).
    Raises: InputError for images that are too small or of other channels.
    """

    def __init__(self, plan: "ResNetPlan"):
        super().__init__(plan, ResNetPlan)
        self.stem = parts.stem(plan.stem, plan.in_channels, plan.width, plan.norm)
        self.stages = nn.Sequential()
        c_in = plan.width
        for i, (n, width) in enumerate(zip(plan.blocks, plan.widths, strict=True)):
            stage = nn.Sequential()
            for j in range(n):
                stride = 2 if i > 0 and j == 0 else 1
                stage.add_module(f"block{j + 1}", Block(plan, c_in, width, stride, activated=i == j == 0))
                c_in = EXPANSION[plan.block] * width
            self.stages.add_module(f"stage{i + 1}", stage)
        self.head = parts.head(c_in, plan.num_classes, activate=plan.preact, norm=plan.norm)
        parts.initialise(self, plan.init)


EXPANSION = {"basic": 1, "bottleneck": 4}


@dataclass(frozen=True)
class ResNetPlan:
    """What fixes a plain, residual or pre-activation net.

    Args:
        blocks: blocks in each stage, (n, n, n) for the CIFAR net of 6n + 2 layers (paper, Section 4.2).
        residual: y = F(x) + W_s x; a plain net, the same without shortcuts, when False.
        preact: batch norm and ReLU before each convolution and none after the addition (arXiv 1603.05027).
        block: "basic", two 3×3 convolutions, or "bottleneck", 1×1, 3×3 and 1×1 (paper, Figure 5).
        shortcut: W_s by option "A", zero-padded identity; "B", a projection where dimensions change;
            "C", projections everywhere (paper, Section 4.1).
        stride_in: the bottleneck convolution that halves the maps, "1x1" as in the paper, "3x3" as in torchvision's
            ("v1.5").
        norm: batch norm after each convolution; biases in its place when False.
        stem: "3x3" for small images, "7x7" with a max pool for ImageNet (paper, Table 1).
        width: channels of the first stage, before a bottleneck's expansion.
        init: the initial weights' "fan_in" (paper, Section 3.4) or "fan_out" (`parts.initialise`).
        zeros: where option A puts them: "behind" the maps, as in the authors' Torch code, or on "both" sides, half
            before and half behind, as in the best-known PyTorch port, whose weights therefore do not fit the other.

    Raises: InputError, in one sentence, for values that describe no net.
    """

    blocks: tuple[int, ...] = (3, 3, 3)
    residual: bool = True
    preact: bool = False
    block: str = "basic"
    shortcut: str = "A"
    stride_in: str = "1x1"
    norm: bool = True
    stem: str = "3x3"
    width: int = 16
    init: str = "fan_in"
    zeros: str = "behind"
    in_channels: int = 3
    num_classes: int = 10

    def __post_init__(self):
        choices = {"stem": ("3x3", "7x7"), "init": ("fan_in", "fan_out"), "zeros": ("behind", "both")}
        parts.check_fields(self, block=EXPANSION, shortcut="ABC", stride_in=("1x1", "3x3"), **choices)

    @property
    def depth(self) -> int:
        """Weighted layers, shortcut projections not counted, as the paper counts them."""
        return 2 + sum(self.blocks) * (2 if self.block == "basic" else 3)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage's 3×3 convolutions."""
        return tuple(self.width * 2**i for i in range(len(self.blocks)))

    def convs(self, c_in: int, width: int, stride: int) -> tuple[tuple[int, int, int, int], ...]:
        """F's convolutions in a block, as (channels in, channels out, kernel, stride)."""
        if self.block == "basic":
            return ((c_in, width, 3, stride), (width, width, 3, 1))
        first, middle = (stride, 1) if self.stride_in == "1x1" else (1, stride)
        return ((c_in, width, 1, first), (width, width, 3, middle), (width, EXPANSION["bottleneck"] * width, 1, 1))

    def projects(self, c_in: int, c_out: int, stride: int) -> bool:
        """Whether W_s is a projection, a 1×1 convolution, rather than a (zero-padded) identity."""
        changes = c_in != c_out or stride != 1
        return self.residual and (self.shortcut == "C" or (self.shortcut == "B" and changes))
