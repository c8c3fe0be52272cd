"""Experiments: data, the training loop, recorded runs."""

from paper_nets.lab.compare import alike, comparison, longest, paper_ends
from paper_nets.lab.data import Data, load
from paper_nets.lab.identity import KINDS, learn_identity
from paper_nets.lab.probes import block_inputs, gradient_norms, jacobian, layer_responses, recovered, singular_values
from paper_nets.lab.record import Run, recorded, table
from paper_nets.lab.train import DIGITS, Epoch, Recipe, seeded, train, train_each

__all__ = [
    "DIGITS",
    "Data",
    "Epoch",
    "KINDS",
    "Recipe",
    "Run",
    "alike",
    "block_inputs",
    "comparison",
    "gradient_norms",
    "jacobian",
    "layer_responses",
    "learn_identity",
    "load",
    "longest",
    "paper_ends",
    "recorded",
    "recovered",
    "seeded",
    "singular_values",
    "table",
    "train",
    "train_each",
]
