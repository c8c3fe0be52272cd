#!/bin/sh
# PyTorch 2.14.1: a net in channels_last, the memory format that is recommended for convolutions, trains with SGD or Adam
# and cannot be trained with LBFGS, flattened by nn.utils.parameters_to_vector, or pruned by prune.global_unstructured:
# all three flatten weights or gradients by .view(-1), which a 3×3 convolution with several inputs in that format does
# not allow. The way back, vector_to_parameters, works, and leaves the net in the usual format without a word.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install -q "torch==2.14.1" numpy
"$folder/bin/python" - <<'PYTHON'
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, prune, vector_to_parameters

print("torch", torch.__version__)
x, y = torch.randn(16, 3, 8, 8), torch.randint(0, 2, (16,))


def made(memory_format):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 2))
    return net.to(memory_format=memory_format)


def trained(net, optimizer):
    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        return loss

    for _ in range(3):
        loss = optimizer.step(closure)
    return f"loss {loss.item():.2f}"


def pruned(net):
    prune.global_unstructured([(net[0], "weight"), (net[3], "weight")], prune.L1Unstructured, amount=0.5)
    return "half of the weights pruned"


tries = {
    "SGD": lambda net: trained(net, torch.optim.SGD(net.parameters(), 0.01)),
    "Adam": lambda net: trained(net, torch.optim.Adam(net.parameters(), 0.01)),
    "LBFGS": lambda net: trained(net, torch.optim.LBFGS(net.parameters())),
    "parameters_to_vector": lambda net: f"{len(parameters_to_vector(net.parameters()))} numbers",
    "prune.global_unstructured": pruned,
}
failed = {}
for name, memory_format in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
    failed[name] = set()
    for what, attempt in tries.items():
        try:
            told = attempt(made(memory_format))
        except RuntimeError as error:
            told = str(error).split("(")[0]
            failed[name].add(what)
        print(f"{name}, {what}: {told}")
net = made(torch.channels_last)
vector_to_parameters(torch.cat([p.detach().flatten() for p in net.parameters()]), net.parameters())
kept = net[0].weight.is_contiguous(memory_format=torch.channels_last)
print("channels_last after vector_to_parameters:", kept)
assert failed == {"contiguous": set(), "channels_last": {"LBFGS", "parameters_to_vector", "prune.global_unstructured"}}
assert not kept
PYTHON
