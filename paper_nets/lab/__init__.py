"""Experiments: data, the training loop, recorded runs."""

from paper_nets.lab.data import Data, load
from paper_nets.lab.record import recorded, table
from paper_nets.lab.train import DIGITS, Epoch, Recipe, seeded, train, train_each

__all__ = ["DIGITS", "Data", "Epoch", "Recipe", "load", "recorded", "seeded", "table", "train", "train_each"]
