"""Experiments: data, the training loop, recorded runs."""

from paper_nets.lab.compare import alike, comparison, longest, paper_ends
from paper_nets.lab.data import Data, load
from paper_nets.lab.record import Run, recorded, table
from paper_nets.lab.train import DIGITS, Epoch, Recipe, seeded, train, train_each

__all__ = [
    "DIGITS",
    "Data",
    "Epoch",
    "Recipe",
    "Run",
    "alike",
    "comparison",
    "load",
    "longest",
    "paper_ends",
    "recorded",
    "seeded",
    "table",
    "train",
    "train_each",
]
