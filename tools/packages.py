"""What well-known packages have under the papers' names, written to published/packages.csv: `python -m tools.packages`
in an environment that has them beside this project; what is not there keeps its rows.

That file says what is asked for: a new net is a new row of it, with its package, its own name, and the paper's net.
"""

from collections.abc import Iterator
from datetime import date
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import pandas
from torch import nn

from paper_nets import audit
from paper_nets.nets.catalog import PUBLISHED

MODULES = {"torchvision": "torchvision.models", "pytorchcv": "pytorchcv.model_provider", "timm": "timm.models"}
MODULES |= {"monai": "monai.networks.nets", "torch-resnet": "torch_resnet"}
MONAI = {"resnet50": {"spatial_dims": 2, "n_input_channels": 3, "num_classes": 1000}}
DENSE = {"spatial_dims": 2, "in_channels": 3, "out_channels": 1000}


def made(package: str, name: str) -> nn.Module:
    """A net of a package, for colour images and a thousand classes."""
    options = MONAI.get(name, DENSE) if package == "monai" else {}
    names = import_module(MODULES[package])
    return names.get_model(name) if package == "pytorchcv" else getattr(names, name)(**options)


def rows(before: pandas.DataFrame) -> Iterator[dict]:
    """A new row for each net of each package that is there."""
    for package, nets in before.groupby("package", sort=False):
        try:
            number = version(package)
        except PackageNotFoundError:
            continue
        for name, paper in zip(nets.name, nets.paper, strict=True):
            found = audit(made(package, name), paper)
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
    before = pandas.read_csv(path)
    table = pandas.DataFrame(rows(before), columns=before.columns)
    table = pandas.concat([before[~before.package.isin(table.package)], table])
    table.to_csv(path, index=False)
    print(table.to_string(index=False))
