#!/bin/sh
# torch-resnet 0.0.4 has a class ResNet20, called with no arguments. One expects ten logits for an image of CIFAR, by a
# net of the ResNet paper's 269,722 parameters. It puts out 64 features and has 271,824 parameters: no classifier
# (650 fewer), and 1×1 projections with batch norm where the paper's CIFAR nets pad x with zeros (2,752 more).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install -q "torch-resnet==0.0.4" "torch==2.14.1" numpy
"$folder/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from torch import nn
from torch_resnet import ResNet20

net = ResNet20().eval()
with torch.no_grad():
    shape = tuple(net(torch.zeros(1, 3, 32, 32)).shape)
parameters = sum(parameter.numel() for parameter in net.parameters())
projections = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
print("torch-resnet", version("torch-resnet"))
print(f"ResNet20: output {shape}, {parameters:,} parameters, {len(projections)} projections")
assert shape[:2] == (1, 64) and parameters == 271_824 and len(projections) == 2
PYTHON
