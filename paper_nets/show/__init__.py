"""Pictures: one function per figure, and one panel that puts controls around any of them."""

from paper_nets.show.costs import bars, error_against_costs
from paper_nets.show.curves import error_against_depth, gradient_by_layer, learning_curves, lines, run_curves, spread
from paper_nets.show.dense import dense_block, growth, staircase, transition
from paper_nets.show.figures import maps, samples, side_by_side
from paper_nets.show.landscape import landscape
from paper_nets.show.live import Live
from paper_nets.show.panel import Panel
from paper_nets.show.picture import Picture, figure
from paper_nets.show.reuse import connections
from paper_nets.show.table import Table
from paper_nets.show.verdicts import Verdict, Verdicts
from paper_nets.show.workshop import workshop
