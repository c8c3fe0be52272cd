"""Nets of the papers as other people write them, right or with one defect: other names, styles and orders of
registration than ours."""

import torch
import torch.nn.functional as F  # noqa: N812  as such code has it
from torch import nn


class Unit(nn.Module):
    """A basic block in the functional style, its second convolution registered first."""

    def __init__(self, c_in, c_out, stride, **wrong):
        super().__init__()
        self.wrong, self.stride, self.grow = wrong, stride, c_out - c_in
        norm = wrong.get("norm", nn.BatchNorm2d)
        self.c2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=wrong.get("bias", False))
        first = {"groups": wrong.get("groups", 1), "dilation": wrong.get("dilation", 1)}
        down = 1 if "down" in wrong else stride  # else a function makes the maps smaller
        self.c1 = nn.Conv2d(c_in, c_out, 3, down, wrong.get("dilation", 1), bias=wrong.get("bias", False), **first)
        self.n1, self.n2 = norm(c_out), norm(c_out)
        if "extra" in wrong:  # a module behind F
            self.extra = wrong["extra"](c_out)
        if wrong.get("share"):
            self.c2 = self.c1 if c_in == c_out else self.c2

    def shortcut(self, x):
        style = self.wrong.get("zeros", "pad")
        if not self.grow and self.stride == 1:
            return x
        if callable(style):
            return style(x, self.grow)
        if style == "pool":  # as the authors' Torch code: pooled by 1, and a copy times 0
            x = F.avg_pool2d(x, 1, self.stride)
            return torch.cat([x, x.mul(0)], 1) if self.grow == x.shape[1] else F.pad(x, (0, 0, 0, 0, 0, self.grow))
        x = x[:, :, :: self.stride, :: self.stride]
        if style == "new":
            zeros = torch.zeros(x.shape[0], self.grow, *x.shape[2:], dtype=x.dtype, device=x.device)
            return torch.cat((x, zeros), dim=1)
        both = {"pad": (0, self.grow), "both": (self.grow // 2, self.grow // 2), "before": (self.grow, 0)}[style]
        return F.pad(x, (0, 0, 0, 0, *both))

    def forward(self, x):
        act = self.wrong.get("act", F.relu)
        y = self.c1(x)
        y = self.wrong["down"](y) if "down" in self.wrong and self.stride == 2 else y
        y = self.n2(self.c2(act(self.n1(y))))
        y = self.extra(y) if "extra" in self.wrong else y
        if self.wrong.get("order") == "relu before addition":
            return act(y) + self.shortcut(x)
        if self.wrong.get("join") == "none":
            return act(y)
        if "join" in self.wrong:
            return act(self.wrong["join"](y, self.shortcut(x)))
        y = y * self.wrong.get("scale", 1.0) + self.shortcut(x) if "scale" in self.wrong else y + self.shortcut(x)
        return y if self.wrong.get("order") == "no relu" else act(y)


class SmallResNet(nn.Module):
    """ResNet-20 for CIFAR; `wrong` goes to all blocks, or to the one named by `only`."""

    def __init__(self, widths=(16, 32, 64), blocks=(3, 3, 3), strides=(1, 2, 2), only=None, stem=(3, 1), **wrong):
        super().__init__()
        self.fc = nn.Linear(widths[-1], 10, bias=wrong.pop("fc_bias", True))
        if hidden := wrong.pop("hidden", 0):
            self.fc = nn.Sequential(nn.Linear(widths[-1], hidden), nn.ReLU(), nn.Linear(hidden, 10))
        self.prepare, self.end = wrong.pop("prepare", nn.Identity()), wrong.pop("end", nn.Identity())
        self.pool, self.as_conv = wrong.pop("pool", "mean"), wrong.pop("as_conv", False)
        if self.as_conv:
            self.fc = nn.Conv2d(widths[-1], 10, 1)
        norm = wrong.get("norm", nn.BatchNorm2d)
        everywhere = wrong if only is None else {}
        self.act = everywhere.get("act", F.relu)
        units, c_in = [], widths[0]
        for stage, (n, width, stride) in enumerate(zip(blocks, widths, strides, strict=False)):
            for i in range(n):
                own = wrong if only in (None, (stage + 1, i + 1)) else {}
                units.append(Unit(c_in, width, stride if i == 0 else 1, **own))
                c_in = width
        self.body = nn.ModuleList(units)
        kernel, stride = stem
        self.begin = nn.Conv2d(3, widths[0], kernel, stride, kernel // 2, bias=everywhere.get("bias", False))
        self.begin_norm = norm(widths[0]) if only is None else nn.BatchNorm2d(widths[0])

    def forward(self, x):
        x = self.act(self.begin_norm(self.begin(self.prepare(x))))
        for unit in self.body:
            x = unit(x)
        if callable(self.pool):
            x = self.pool(x)
        else:
            x = F.adaptive_max_pool2d(x, 1) if self.pool == "max" else F.avg_pool2d(x, x.shape[3])
        return self.end(self.fc(x).flatten(1) if self.as_conv else self.fc(x.view(x.shape[0], -1)))


class PreactUnit(nn.Module):
    def __init__(self, c_in, c_out, stride, first):
        super().__init__()
        self.bn1 = None if first else nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.stride, self.grow = stride, c_out - c_in

    def forward(self, x):
        y = x if self.bn1 is None else self.bn1(x).relu()
        y = self.conv2(self.bn2(self.conv1(y)).relu_())
        y += F.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.grow))
        return y


def preact_resnet20():
    units, c_in = [], 16
    for stage, width in enumerate((16, 32, 64)):
        for i in range(3):
            units.append(PreactUnit(c_in, width, 2 if stage and not i else 1, first=stage == i == 0))
            c_in = width
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    head = [nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*stem, *units, *head)


def plain20():
    layers, c_in = [], 3
    for stage, width in enumerate((16, 32, 64)):
        for i in range(7 if not stage else 6):
            convolution = nn.Conv2d(c_in, width, 3, 2 if stage and not i else 1, 1, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
            c_in = width
    return nn.Sequential(*layers, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10))


class Dense(nn.Module):
    """A CIFAR DenseNet that puts each layer's maps behind ("after") or before ("ahead") all others, or keeps a list.

    `one` changes k, bottleneck or kernel in one layer alone: {(block, layer): {"k": 16}}.
    """

    def __init__(self, k=12, blocks=(12, 12, 12), stem=16, theta=1.0, bottleneck=0, style="after", one=(), **wrong):
        super().__init__()
        self.style, self.wrong = style, wrong
        self.stem, channels = nn.Conv2d(3, stem, 3, padding=1, bias=False), stem
        self.blocks, self.between = nn.ModuleList(), nn.ModuleList()
        norm, thetas = wrong.get("norm", nn.BatchNorm2d), theta if isinstance(theta, tuple) else (theta,) * len(blocks)
        for number, n in enumerate(blocks):
            layers, maps = nn.ModuleList(), [channels]
            for i in range(n):
                own = {"k": k, "bottleneck": bottleneck, "kernel": 3, **dict(one).get((number + 1, i + 1), {})}
                reads, size = sum(maps[-wrong.get("last", len(maps)) :]), own["kernel"]
                inside = own["bottleneck"] * own["k"]
                convs = [(reads, inside, 1), (inside, own["k"], size)] if inside else [(reads, own["k"], size)]
                layer = nn.ModuleDict()
                for j, (before, after, kernel) in enumerate(convs):
                    conv = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=wrong.get("bias", False))
                    layer[f"conv{j}"], layer[f"norm{j}"] = conv, norm(after if wrong.get("order") else before)
                layers.append(layer)
                maps.append(own["k"])
            self.blocks.append(layers)
            channels = sum(maps)
            if number < len(blocks) - 1:
                after = int(thetas[number] * channels)
                parts = {"n": nn.BatchNorm2d(channels), "r": nn.ReLU(), "p": nn.AvgPool2d(2), "m": nn.MaxPool2d(2)}
                parts |= {"c": nn.Conv2d(channels, after, 1, bias=False), "N": nn.BatchNorm2d(after)}
                parts |= {"s": nn.Conv2d(channels, after, 1, 2, bias=False)}
                self.between.append(nn.Sequential(*(parts[letter] for letter in wrong.get("transition", "nrcp"))))
                channels = after
        self.last, self.out = wrong.get("final", nn.BatchNorm2d)(channels), nn.Linear(channels, 10)

    def layer(self, layer, x):
        for j in range(len(layer) // 2):
            conv, norm = layer[f"conv{j}"], layer[f"norm{j}"]
            x = torch.relu(norm(conv(x))) if self.wrong.get("order") else conv(torch.relu(norm(x)))
        return x

    def forward(self, x):
        x = self.stem(x)
        for number, layers in enumerate(self.blocks):
            features = [x]
            for layer in layers:
                reads = torch.cat(features[-self.wrong.get("last", len(features)) :], 1)
                new = self.layer(layer, x if self.style in ("after", "ahead") else reads)
                features.append(new)
                if self.style in ("after", "ahead"):
                    x = torch.cat([x, new] if self.style == "after" else [new, x], 1)
            x = x if self.style in ("after", "ahead") else torch.cat(features, 1)
            x = self.between[number](x) if number < len(self.between) else x
        return self.out(self.last(x).relu().mean((2, 3)))


class Buffered(Dense):
    """Each block writes its maps into one tensor, made for all of them."""

    def forward(self, x):
        x = self.stem(x)
        for number, layers in enumerate(self.blocks):
            new, end = layers[0]["conv0"].out_channels, x.shape[1]
            maps = torch.empty(x.shape[0], end + new * len(layers), *x.shape[2:], device=x.device)
            maps[:, :end] = x
            for layer in layers:
                maps[:, end : end + new] = self.layer(layer, maps[:, :end])
                end += new
            x = self.between[number](maps) if number < len(self.between) else maps
        return self.out(self.last(x).relu().mean((2, 3)))


class WrittenNorm(nn.Module):
    """Batch norm in evaluation as people write it out, in one of several styles."""

    def __init__(self, channels, style="as in the paper", eps=1e-5):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.rand(channels) + 0.5), nn.Parameter(torch.rand(channels) - 0.5)
        self.register_buffer("mu", torch.rand(channels) - 0.5)
        self.register_buffer("sigma2", torch.rand(channels) + 0.5)
        self.style, self.eps = style, eps

    def forward(self, x):
        gamma, beta, mu, sigma2 = (t[None, :, None, None] for t in (self.gamma, self.beta, self.mu, self.sigma2))
        if self.style == "as in the paper":
            return (x - mu) / (sigma2 + self.eps).sqrt() * gamma + beta
        if self.style == "rsqrt":
            return beta + gamma * ((x - mu) * torch.rsqrt(sigma2 + self.eps))
        if self.style == "one factor":
            factor = self.gamma / (self.sigma2 + self.eps) ** 0.5
            return x * factor.view(1, -1, 1, 1) + (self.beta - self.mu * factor).view(1, -1, 1, 1)
        if self.style == "in place":
            return x.clone().sub_(mu).div_((sigma2 + self.eps).sqrt()).mul_(gamma).add_(beta)
        if self.style == "addcmul":
            return torch.addcmul(beta, (x - mu) / (sigma2 + self.eps).sqrt(), gamma)
        deviation = (sigma2 + self.eps).sqrt()
        if self.style == "clamped":  # no eps, a least variance
            deviation = sigma2.clamp(min=1e-5).sqrt()
        return (x - mu.expand_as(x)) / deviation.expand_as(x) * gamma.expand_as(x) + beta.expand_as(x)


class SumInPlaceOfConcatenation(nn.Module):
    """A "dense" net whose layers add to what they read, with maps enough for it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.layers = nn.ModuleList()
        for _ in range(36):
            self.layers.append(
                nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, bias=False))
            )
        self.down = nn.ModuleList()
        for _ in range(2):
            self.down.append(
                nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 1, bias=False), nn.AvgPool2d(2))
            )
        self.last, self.out = nn.BatchNorm2d(16), nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        for i, layer in enumerate(self.layers):
            x = x + layer(x)
            x = self.down[i // 12](x) if i in (11, 23) else x
        return self.out(self.last(x).relu().mean((2, 3)))


class Concatenating(nn.Module):
    """ResNet-20 with a concatenation, and a 1×1 convolution behind it, for the sum."""

    def __init__(self):
        super().__init__()
        self.net = SmallResNet()
        self.squeeze = nn.ModuleList(
            nn.Conv2d(2 * unit.c2.out_channels, unit.c2.out_channels, 1) for unit in self.net.body
        )

    def forward(self, x):
        net = self.net
        x = F.relu(net.begin_norm(net.begin(x)))
        for unit, squeeze in zip(net.body, self.squeeze, strict=True):
            y = unit.n2(unit.c2(F.relu(unit.n1(unit.c1(x)))))
            x = F.relu(squeeze(torch.cat([unit.shortcut(x), y], 1)))
        return net.fc(x.mean((2, 3)))
