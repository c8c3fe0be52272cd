#!/bin/sh
# pytorchcv 0.0.74 has a net named densenet40_k12_cifar10, and beside it densenet40_k12_bc_cifar10. Whoever knows the
# DenseNet paper expects the first to be its L = 40, k = 12: 1.0 million parameters, no bottlenecks, no compression. It
# has 599,050: the first transition makes 84 maps out of 168, the compression of θ = 0.5 that the paper reserves for
# DenseNet-C, and the stem makes 24 maps, the 2k that the paper has for BC only. No net of the paper is of this form.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install -q "pytorchcv==0.0.74" "torch==2.14.1" numpy requests
"$folder/bin/python" - <<'PYTHON'
from importlib.metadata import version

from pytorchcv.model_provider import get_model
from torch import nn

net = get_model("densenet40_k12_cifar10")
convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
between = [(c.in_channels, c.out_channels) for c in convolutions if c.kernel_size == (1, 1)]
parameters = sum(parameter.numel() for parameter in net.parameters())
print("pytorchcv", version("pytorchcv"))
print(f"densenet40_k12_cifar10: {parameters:,} parameters; the paper prints 1.0 million")
print(f"its transitions turn maps into maps: {between}; its stem makes {convolutions[0].out_channels}")
assert parameters == 599_050 and between == [(168, 84), (228, 114)] and convolutions[0].out_channels == 24
PYTHON
