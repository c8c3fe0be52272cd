"""Pictures: one function per figure, and one panel that puts controls around any of them."""

from paper_nets.show.costs import block_costs, costs_in_order, error_against_costs, within_budget
from paper_nets.show.curves import (
    error_against_depth,
    gradient_by_layer,
    gradient_turns,
    identity_errors,
    information,
    learning_curves,
    lesions,
    lines,
    mean_curves,
    one_step,
    path_lengths,
    published_depth,
    responses,
    run_curves,
    spread,
    zero_units,
)
from paper_nets.show.dense import dense_block, growth, growth_explorer, staircase, transition, two_equations
from paper_nets.show.figures import imagenet_errors, printed, samples, side_by_side, two_blocks
from paper_nets.show.live import Live
from paper_nets.show.panel import Panel
from paper_nets.show.picture import Picture, figure
from paper_nets.show.reuse import connections
from paper_nets.show.spectra import products, stretches
from paper_nets.show.table import Table
from paper_nets.show.verdicts import AllVerdicts, Verdict, Verdicts, all_verdicts
from paper_nets.show.workshop import Workshop, in_words

__all__ = [
    "AllVerdicts",
    "Live",
    "Panel",
    "Picture",
    "Table",
    "Verdict",
    "Verdicts",
    "Workshop",
    "all_verdicts",
    "block_costs",
    "connections",
    "costs_in_order",
    "dense_block",
    "error_against_costs",
    "error_against_depth",
    "figure",
    "gradient_by_layer",
    "gradient_turns",
    "growth",
    "growth_explorer",
    "identity_errors",
    "imagenet_errors",
    "in_words",
    "information",
    "learning_curves",
    "mean_curves",
    "lesions",
    "lines",
    "one_step",
    "path_lengths",
    "printed",
    "products",
    "published_depth",
    "responses",
    "run_curves",
    "samples",
    "side_by_side",
    "spread",
    "staircase",
    "stretches",
    "transition",
    "two_blocks",
    "two_equations",
    "within_budget",
    "zero_units",
]
