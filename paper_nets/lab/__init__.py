"""Experiments: data, the training loop, recorded runs."""

from paper_nets.lab.compare import alike, comparison, longest, paper_ends
from paper_nets.lab.data import Data, load
from paper_nets.lab.gradients import (
    Paths,
    gradient_norms,
    gradient_similarity,
    jacobian,
    loss_along_gradient,
)
from paper_nets.lab.identity import KINDS, learn_identity
from paper_nets.lab.lesions import shuffled, without
from paper_nets.lab.probes import block_inputs, calibrated, layer_responses, recovered, relu_zeros
from paper_nets.lab.record import Run, recorded, table
from paper_nets.lab.reuse import connections, cut, direct_gradients
from paper_nets.lab.series import Series, pace
from paper_nets.lab.trace import Trace, architecture, trace
from paper_nets.lab.train import DIGITS, Epoch, Recipe, error_of, only_decay, seeded, train, train_each

__all__ = [
    "DIGITS",
    "Data",
    "Epoch",
    "KINDS",
    "Paths",
    "Recipe",
    "Run",
    "Series",
    "Trace",
    "alike",
    "architecture",
    "block_inputs",
    "calibrated",
    "comparison",
    "connections",
    "cut",
    "direct_gradients",
    "error_of",
    "gradient_norms",
    "gradient_similarity",
    "jacobian",
    "layer_responses",
    "learn_identity",
    "load",
    "longest",
    "loss_along_gradient",
    "only_decay",
    "pace",
    "paper_ends",
    "recorded",
    "recovered",
    "relu_zeros",
    "seeded",
    "shuffled",
    "table",
    "trace",
    "train",
    "train_each",
    "without",
]
