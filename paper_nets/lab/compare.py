"""Runs side by side, and beside the papers' numbers."""

from collections.abc import Sequence

import pandas

from paper_nets.lab.record import Run
from paper_nets.nets import catalog, published


def paper_ends(data: str) -> pandas.DataFrame:
    """Where the papers' nets end on `data`: net, training_error_pct, test_error_pct; NaN where they print none.

    With their full schedules and standard augmentation; the plain nets' are read off a figure.
    """
    ends = catalog().rename(columns={f"{data}_error_pct": "test_error_pct"})
    ends = ends.reindex(columns=["training_error_pct", "test_error_pct"])
    if data == "cifar10":
        ends = ends.combine_first(published("resnet_figure1").set_index("net")[ends.columns])
    return ends.reset_index()[["net", "training_error_pct", "test_error_pct"]]


def comparison(runs: Sequence[Run]) -> pandas.DataFrame:
    """A row for each run: length, errors in per cent, the paper's, parameters, precision, minutes, and the machine."""
    rows, ends = [], {data: paper_ends(data).set_index("net") for data in {run.settings["data"] for run in runs}}
    for run in sorted(runs, key=lambda run: (run.settings["data"], len(run.net), run.net, run.recipe.seed)):
        last, paper = run.curve.iloc[-1], ends[run.settings["data"]].test_error_pct.get(run.net, float("nan"))
        row = {
            "net": run.net,
            "data": run.settings["data"],
            "seed": run.recipe.seed,
            "iterations": f"{last.iteration:.0f} of {run.iterations}",
            "training error": last.training_error,
            "test error": last.test_error,
            "least test error": run.curve.test_error.min(),
            "in the paper": paper,
            "difference": last.test_error - paper,
            "parameters": run.cost.parameters,
            "precision": run.recipe.precision,
            "minutes": run.curve.seconds.sum() / 60,
            "machine": ", ".join(dict.fromkeys(leg["processor"] for leg in run.environment)),
        }
        rows.append(row)
    return pandas.DataFrame(rows).round(2)
