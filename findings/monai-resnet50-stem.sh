#!/bin/sh
# MONAI 1.6.1's resnet50, asked for two dimensions and colour, has 25.56 million parameters, as the paper's ResNet-50
# has, and computes four times as much: 16.35 · 10⁹ multiply–adds for 224 × 224 pixels, where the paper prints 3.8. Its
# stem's 7×7 convolution has stride 1 by default (conv1_t_stride), so all maps behind it are twice as large on each
# side; nothing in the name or in the count of parameters tells. The 1×1 convolutions on its shortcuts have biases.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install -q "monai==1.6.1" "torch==2.14.1"
"$folder/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from monai.networks.nets import resnet50
from torch import nn

adds = {}


def count(module, inputs, output):
    area = output[0, 0].numel() if output.dim() == 4 else 1
    adds[module] = module.weight.numel() * area


def run(**options):
    adds.clear()
    net = resnet50(spatial_dims=2, n_input_channels=3, num_classes=1000, **options).eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        net(torch.zeros(1, 3, 224, 224))
    biases = sum(module.bias is not None for module in adds if isinstance(module, nn.Conv2d))
    return net.conv1.stride, sum(adds.values()), sum(p.numel() for p in net.parameters()), biases


print("MONAI", version("monai"))
default, paper = run(), run(conv1_t_stride=2)
for words, (stride, total, parameters, biases) in (("by default", default), ("conv1_t_stride=2", paper)):
    print(f"{words}: stem of stride {stride}, {total:,} multiply–adds, {parameters:,} parameters, {biases} biases")
assert default == ((1, 1), 16_350_593_024, 25_560_872, 4) and paper[1] == 4_089_184_256
PYTHON
