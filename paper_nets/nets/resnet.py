"""Plain, residual and pre-activation nets, for CIFAR and for ImageNet.

Sources: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), called
"the paper" below, and "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027) for pre-activation.

A net is a stem, stages of blocks, and a head. Each stage halves the feature maps and doubles the channels
of the one before. The parameter counts of the paper's nets, options as published:

    plain18      11,515,688    resnet18    11,689,512    resnet20      269,722
    plain34      21,623,848    resnet34    21,797,672    resnet32      464,154
                               resnet50    25,557,032    resnet44      658,586
                               resnet101   44,549,160    resnet56      853,018
                               resnet152   60,192,808    resnet110   1,727,962
                                                         resnet1202 19,421,274

The CIFAR nets use shortcut option A, so a plain CIFAR net has as many parameters as its residual twin.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from paper_nets.nets.parts import (
    ZeroPad,
    batch_norm,
    check_blocks,
    check_choice,
    check_image,
    check_switch,
    check_whole,
    conv,
    head,
    initialise,
    stem,
)

EXPANSION = {"basic": 1, "bottleneck": 4}


@dataclass(frozen=True, kw_only=True)
class ResNetPlan:
    """What fixes a plain, residual or pre-activation net; `ResNet` takes the same arguments.

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

    Raises ValueError, in one sentence, for values that make no net.
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
    in_channels: int = 3
    num_classes: int = 10

    def __post_init__(self):
        check_blocks(self.blocks)
        check_whole(width=self.width, in_channels=self.in_channels, num_classes=self.num_classes)
        check_switch(residual=self.residual, preact=self.preact, norm=self.norm)
        check_choice("block", self.block, EXPANSION)
        check_choice("shortcut", self.shortcut, "ABC")
        check_choice("stride_in", self.stride_in, ("1x1", "3x3"))
        check_choice("stem", self.stem, ("3x3", "7x7"))

    @property
    def depth(self) -> int:
        """Weighted layers, shortcut projections not counted, as the paper counts them."""
        return 2 + sum(self.blocks) * (2 if self.block == "basic" else 3)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage's 3×3 convolutions."""
        return tuple(self.width * 2**i for i in range(len(self.blocks)))

    def convs(self, c_in: int, width: int, stride: int) -> tuple[tuple[int, int, int, int], ...]:
        """F's convolutions in a block, as (kernel, channels in, channels out, stride)."""
        if self.block == "basic":
            return ((3, c_in, width, stride), (3, width, width, 1))
        first, middle = (stride, 1) if self.stride_in == "1x1" else (1, stride)
        return ((1, c_in, width, first), (3, width, width, middle), (1, width, EXPANSION["bottleneck"] * width, 1))

    def projects(self, c_in: int, c_out: int, stride: int) -> bool:
        """Whether W_s is a projection, a 1×1 convolution, rather than a (zero-padded) identity."""
        changes = c_in != c_out or stride != 1
        return self.residual and (self.shortcut == "C" or (self.shortcut == "B" and changes))


class Block(nn.Module):
    """y = σ(F(x, {W_i}) + W_s x), the paper's Equation 2 and the ReLU σ after it; plain: y = σ(F(x, {W_i})).

    Pre-activation leaves out that last σ: y = F(x, {W_i}) + W_s x, with the activations inside F; where W_s is a
    projection it reads what F's first activation makes of x. `activated` marks the block whose input the stem has
    just activated: its F starts at the convolution.
    Maps (N, c_in, H, W) to (N, expansion · width, H / stride, W / stride).
    """

    def __init__(self, plan: ResNetPlan, c_in: int, width: int, stride: int = 1, activated: bool = False):
        super().__init__()
        c_out = EXPANSION[plan.block] * width
        projects = plan.projects(c_in, c_out, stride)
        self.residual = plan.residual

        before, layers = [], []
        for kernel, c, after, step in plan.convs(c_in, width, stride):
            convolution = conv(c, after, kernel, step, bias=not plan.norm)
            if plan.preact:
                layers += [*batch_norm(c, plan.norm), nn.ReLU(), convolution]
            else:
                layers += [convolution, *batch_norm(after, plan.norm), nn.ReLU()]
        if not plan.preact:
            layers.pop()  # the last ReLU is σ, which comes after the addition
        elif activated or projects:
            start = 2 if plan.norm else 1  # where F's first convolution stands
            before, layers = [] if activated else layers[:start], layers[start:]
        self.before = nn.Sequential(*before)  # what both paths share; empty but for those projections
        self.F = nn.Sequential(*layers)

        if projects:
            after_it = [] if plan.preact else batch_norm(c_out, plan.norm)
            self.W_s = nn.Sequential(conv(c_in, c_out, 1, stride, bias=not plan.norm), *after_it)
        elif c_in != c_out or stride != 1:
            self.W_s = ZeroPad(c_out - c_in, stride)
        else:
            self.W_s = nn.Identity()
        self.sigma = nn.Identity() if plan.preact else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        if not self.residual:
            return self.sigma(self.F(x))
        return self.sigma(self.F(x) + self.W_s(x))


class ResNet(nn.Module):
    """A plain, residual or pre-activation net; its arguments are those of `ResNetPlan`.

    Maps images (N, in_channels, H, W) to logits (N, num_classes).
    Raises ValueError for a plan that makes no net, and for images that are too small or of other channels.
    """

    def __init__(self, **arguments):
        super().__init__()
        self.plan = plan = ResNetPlan(**arguments)
        self.stem = stem(plan.stem, plan.in_channels, plan.width, plan.norm)
        self.stages = nn.Sequential()
        c_in = plan.width
        for i, (n, width) in enumerate(zip(plan.blocks, plan.widths, strict=True)):
            stage = nn.Sequential()
            for j in range(n):
                stride = 2 if i > 0 and j == 0 else 1
                stage.append(Block(plan, c_in, width, stride, activated=i == j == 0))
                c_in = EXPANSION[plan.block] * width
            self.stages.append(stage)
        self.head = head(c_in, plan.num_classes, activate=plan.preact, norm=plan.norm)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        check_image(self.plan, x.shape[1:])
        return self.head(self.stages(self.stem(x)))
