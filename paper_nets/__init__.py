"""ResNet and DenseNet, understood by running them."""

import os
import sys

# Threads that wait are to sleep. By default they spin, and where any other program has one of two cores, a step that
# takes 30 milliseconds then takes seconds. On an idle machine sleeping costs small nets on CIFAR a sixth, which
# OMP_WAIT_POLICY=active brings back; nets on the digits take one thread (`lab.train.threads_for`). PyTorch reads it as
# it is loaded; for what loads PyTorch first, as notebooks do, `make lab` and Binder set it.
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from paper_nets.nets import InputError, build, catalog, cost, from_torchvision, plan, pretrained, published  # noqa: E402

__all__ = ["InputError", "audit", "build", "catalog", "cost", "from_torchvision", "plan", "pretrained", "published"]


def __getattr__(name: str):
    if name == "audit":  # loaded with first use, since it takes what lies above the architectures
        from paper_nets.lab.audit import audit

        return audit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
