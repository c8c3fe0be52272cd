"""What well-known packages have under the papers' names, written to published/packages.csv: `python -m tools.packages`
in an environment that has them beside this project; what is not there keeps its rows.

The packages' own names, the paper's net each is held against, and how it is made.
"""

from collections.abc import Iterator
from datetime import date
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import pandas
from torch import nn

from paper_nets import audit
from paper_nets.nets.catalog import PUBLISHED

NETS = {
    "torchvision": (
        "torchvision.models",
        {name: name for name in ("resnet18", "resnet50", "resnet152", "densenet121")},
    ),
    "pytorchcv": (
        "pytorchcv.model_provider",
        {
            "densenet40_k12_cifar10": "densenet40_k12",
            "resnet20_cifar10": "resnet20",
            "resnet56_cifar10": "resnet56",
            "resnet110_cifar10": "resnet110",
            "resnet50": "resnet50",
            "resnet50b": "resnet50",
        },
    ),
    "monai": (
        "monai.networks.nets",
        {"resnet50": "resnet50", "DenseNet121": "densenet121", "DenseNet264": "densenet264"},
    ),
    "timm": ("timm.models", {"resnet50": "resnet50", "densenet121": "densenet121", "densenet264d": "densenet264"}),
    "torch-resnet": ("torch_resnet", {"ResNet20": "resnet20"}),
}
MONAI = {"resnet50": {"spatial_dims": 2, "n_input_channels": 3, "num_classes": 1000}}
DENSE = {"spatial_dims": 2, "in_channels": 3, "out_channels": 1000}


def made(package: str, module: str, name: str) -> nn.Module:
    """A net of a package, for colour images and a thousand classes."""
    options = MONAI.get(name, DENSE) if package == "monai" else {}
    names = import_module(module)
    return names.get_model(name) if package == "pytorchcv" else getattr(names, name)(**options)


def rows() -> Iterator[dict]:
    """A row for each net of each package that is there."""
    for package, (module, nets) in NETS.items():
        try:
            number = version(package)
        except PackageNotFoundError:
            continue
        for name, paper in nets.items():
            found = audit(made(package, module, name), paper)
            causes = [one for one in found.differences if one.kind != "initial weights"]
            yield {
                "package": package,
                "version": number.partition("+")[0],
                "name": name,
                "paper": paper,
                "parameters": found.theirs.parameters,
                "multiply_adds": found.theirs.multiply_adds,
                "difference": f"{causes[0].found}, not {causes[0].expected}" if causes else "none",
                "where": causes[0].place if causes else "",
                "more": max(0, len(causes) - 1),
                "date": date.today().isoformat(),
            }


if __name__ == "__main__":
    path = PUBLISHED / "packages.csv"
    table = pandas.DataFrame(rows())
    if path.exists():
        before = pandas.read_csv(path)
        table = pandas.concat([before[~before.package.isin(table.package)], table])
    table.to_csv(path, index=False)
    print(table.to_string(index=False))
