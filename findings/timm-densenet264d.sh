#!/bin/sh
# timm 1.0.31 has a net named densenet264d. The DenseNet paper's DenseNet-264 has a growth rate of 32 and 33.3 million
# parameters; this one has 72.7 million, since its growth rate is 48 (and its stem is three convolutions, which the "d"
# tells). Its other dense nets, densenet121 for one, have the paper's growth rates.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install -q "timm==1.0.31" "torch==2.14.1"
"$folder/bin/python" - <<'PYTHON'
from importlib.metadata import version

import timm

print("timm", version("timm"))
for name, parameters, rate in (("densenet264d", 72_736_216, 48), ("densenet121", 7_978_856, 32)):
    net = timm.create_model(name)
    found = sum(parameter.numel() for parameter in net.parameters())
    grows = {m.out_channels for n, m in net.named_modules() if n.endswith("conv2") and "denselayer" in n}
    print(f"{name}: {found:,} parameters; each dense layer adds {grows} maps")
    assert found == parameters and grows == {rate}
PYTHON
