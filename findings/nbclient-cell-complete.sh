#!/bin/sh
# nbclient 0.11.0: the hook on_cell_complete, "executes after a cell execution is complete" by its documentation, is
# called as soon as the cell has been sent to the kernel. So it sees no outputs and no execution count, comes before
# on_cell_error has been called, and times every cell at almost nothing: two seconds of sleep below at a few
# milliseconds. on_cell_executed, which came later, does what on_cell_complete says.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install -q "nbclient==0.11.0" "ipykernel==7.4.0" "nbformat==5.11.1" "jupyter-client==8.10.0"
"$folder/bin/python" - <<'PYTHON'
import sys
import time
from importlib.metadata import version

import nbformat
from nbclient import NotebookClient

print("nbclient", version("nbclient"), "ipykernel", version("ipykernel"))
source = "import time\ntime.sleep(2)\nprint('done')"
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
start, seen = [], {}


def begin(cell, cell_index):
    start.append(time.perf_counter())


def hook(name):
    def called(cell, cell_index, **more):
        seen[name] = (time.perf_counter() - start[0], [output.text for output in cell.outputs], cell.execution_count)

    return called


NotebookClient(
    book, on_cell_execute=begin, on_cell_complete=hook("complete"), on_cell_executed=hook("executed"), kernel_name="python3"
).execute()
for name, (seconds, outputs, count) in seen.items():
    print(f"on_cell_{name}: after {seconds:.1f} s, outputs {outputs}, execution count {count}")
early = seen["complete"][0] < 1 and seen["complete"][1:] == ([], None)
late = seen["executed"][0] > 2 and seen["executed"][1:] == (["done\n"], 1)
sys.exit(not (early and late))
PYTHON
