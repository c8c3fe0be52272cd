"""Pictures: one function per figure, and one panel that puts controls around any of them."""

from paper_nets.show.blocks import identity_errors, information, responses, two_blocks
from paper_nets.show.costs import costs_in_order, error_against_costs, within_budget
from paper_nets.show.dense import dense_block, growth, growth_explorer, staircase, transition, two_equations
from paper_nets.show.figures import (
    error_against_depth,
    imagenet_errors,
    learning_curves,
    mean_curves,
    printed,
    run_curves,
    samples,
    side_by_side,
)
from paper_nets.show.gradients import (
    gradient_by_layer,
    gradient_turns,
    one_step,
    path_lengths,
    products,
    stretches,
    zero_units,
)
from paper_nets.show.live import Live
from paper_nets.show.panel import Panel
from paper_nets.show.picture import Picture, figure
from paper_nets.show.question import NotYet, Reply, question
from paper_nets.show.resnets import block_costs, lesions, published_depth
from paper_nets.show.reuse import connections, spread
from paper_nets.show.table import Table
from paper_nets.show.verdicts import AllVerdicts, Verdict, Verdicts, all_verdicts
from paper_nets.show.workshop import Workshop, in_words

__all__ = [
    "AllVerdicts",
    "Live",
    "NotYet",
    "Panel",
    "Picture",
    "Reply",
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
    "one_step",
    "path_lengths",
    "printed",
    "products",
    "published_depth",
    "question",
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
