"""Which tests stay together where several processes run them (pytest-xdist, `make test`), and on one thread each."""

import pytest
import torch
from xdist.scheduler import LoadFileScheduling

BROWSER = ("tests/test_browser.py", "tests/test_notebooks.py")  # the one asks for what the other has run
FIRST = (*BROWSER, "tests/test_command.py", "tests/test_book.py")  # the longest


class Scheduling(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return BROWSER[0] if file in BROWSER else file


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is nothing to schedule
def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    def place(item):
        file = item.nodeid.split("::")[0]
        return FIRST.index(file) if file in FIRST else len(FIRST)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def one_thread():
    """As `tests` begins, also after a command that was asked for more: beside another process, threads that compute
    together wait for one another, and a test takes up to fifty times as long."""
    yield
    torch.set_num_threads(1)
