"""Which tests stay together where several processes run them (pytest-xdist, `make test`)."""

import pytest

# What shares a browser and the notebooks that ran in it comes first, since it takes longest; then, by file, the rest.
TOGETHER = {"test_browser": "browser", "test_notebooks": "browser"}
FIRST = ("browser", "test_command", "test_book")


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    items.sort(key=lambda item: FIRST.index(group_of(item)) if group_of(item) in FIRST else len(FIRST))


def group_of(item) -> str:
    module = item.path.stem
    return TOGETHER.get(module, module)
