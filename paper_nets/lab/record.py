"""Recorded runs: a folder each, with the settings, a row for each epoch, and the machine."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas
import torch

from paper_nets.lab.train import Epoch, Recipe, iterations_per_epoch

RECORDED = Path(__file__).resolve().parents[1] / "recorded"


@dataclass(frozen=True)
class Run:
    """A run as recorded: what was asked for, what came of each epoch, and where it ran."""

    folder: Path
    settings: dict
    environment: dict
    curve: pandas.DataFrame

    @property
    def net(self) -> str:
        return self.settings["net"]

    @property
    def seed(self) -> int:
        return self.settings["recipe"]["seed"]

    @property
    def command(self) -> str:
        """The command that makes this run again, its data as downloaded or embedded."""
        recipe = self.settings["recipe"]
        names = ("epochs", "batch", "learning_rate", "seed")
        options = " ".join(f"--{name.replace('_', '-')} {recipe[name]}" for name in names)
        return f"python -m paper_nets train {self.net} --data {self.settings['data']} {options}"


class Recorder:
    """Writes one run's folder, from its first finished epoch on; after `add` returns, the epoch is on disk whole.

    Raises FileExistsError where there is a run already.
    """

    def __init__(self, folder: Path, net: str, data: str, images: int, recipe: Recipe):
        if (folder / "curve.csv").exists():
            raise FileExistsError(f"{folder} holds a run already; remove it, or choose another folder with --runs.")
        self.folder, self.rows = folder, []
        self.settings = {
            "net": net,
            "data": data,
            "recipe": asdict(recipe),
            "iterations_per_epoch": iterations_per_epoch(images, recipe.batch),
        }

    def add(self, row: Epoch) -> None:
        if not self.rows:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self.folder / "environment.json", json.dumps(environment(), indent=1) + "\n")
            _write(self.folder / "settings.json", json.dumps(self.settings, indent=1) + "\n")
        self.rows.append(asdict(row))
        _write(self.folder / "curve.csv", pandas.DataFrame(self.rows).round(6).to_csv(index=False))


def read(folder: Path) -> Run:
    """The run in a folder. Raises FileNotFoundError where there is none, or none of its epochs is finished."""
    missing = [name for name in ("settings.json", "environment.json", "curve.csv") if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} holds no run with a finished epoch: {', '.join(missing)} missing.")
    settings, machine = (json.loads((folder / f"{name}.json").read_text()) for name in ("settings", "environment"))
    return Run(folder, settings, machine, pandas.read_csv(folder / "curve.csv"))


def recorded(data: str, epochs: int | None = None, root: Path = RECORDED) -> list[Run]:
    """The runs on one data set that went to their end, of any length or of one."""
    runs = [read(path.parent) for path in sorted(root.glob("*/curve.csv"))]
    whole = [run for run in runs if run.settings["data"] == data and len(run.curve) == run.settings["recipe"]["epochs"]]
    return [run for run in whole if epochs in (None, len(run.curve))]


def table(runs: list[Run]) -> pandas.DataFrame:
    """The curves of runs in one table: net, seed, iteration and the fields of `Epoch`; shallow nets first."""
    curves = [
        run.curve.assign(net=run.net, seed=run.seed, iteration=run.curve.epoch * run.settings["iterations_per_epoch"])
        for run in sorted(runs, key=lambda run: (len(run.net), run.net, run.seed))
    ]
    return pandas.concat(curves, ignore_index=True)


def environment() -> dict:
    """The versions and the machine that a run depends on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": "float32",
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _write(path: Path, text: str) -> None:
    """Write whole or not at all: a reader never sees half a file, a crash leaves the old one."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)
