"""Experiments: data, the training loop, recorded runs; probes, gradients, traces, lesions, the surface of the loss."""

from paper_nets.lab.compare import comparison, paper_ends
from paper_nets.lab.data import Data, load
from paper_nets.lab.gradients import Paths, gradient_norms, gradient_similarity, jacobian, loss_along_gradient
from paper_nets.lab.identity import learn_identity
from paper_nets.lab.lesions import lesioned
from paper_nets.lab.probes import block_inputs, calibrated, layer_responses, recovered
from paper_nets.lab.record import Run, recorded, table
from paper_nets.lab.reuse import connections, cut, direct_gradients
from paper_nets.lab.series import Series, paper_schedule
from paper_nets.lab.surface import loss_surface, random_direction
from paper_nets.lab.trace import Trace, trace
from paper_nets.lab.train import DIGITS, Epoch, Recipe, seeded, train, train_each
