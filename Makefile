# make lab    the notebooks in JupyterLab        make test   the whole test suite
# make env    only the virtual environment that both of them use, .venv
# make bench  how fast the sliders answer        make notebooks   run them all and keep their outputs
# make figures   all figures of the papers on one page, as the notebooks drew them
# make korean    the Korean edition, from the English notebooks and translations/ko
# make measure   time and memory of every notebook with one thread
# make speed    training speed and memory of four nets, with nothing else at work
# make lock   the versions of .venv, which make test has tried, for Binder
# make badge  the repository's name on GitHub into the links to Binder and Colab
# make book   the series as web pages whose sliders need no kernel and no network
#
# PYTHON=python3.12 names another Python; TORCH=cpu takes PyTorch without CUDA (Linux, saves some 5 GB).

# Threads that wait sleep, or one other busy program makes training fifty times as slow.
export OMP_WAIT_POLICY ?= passive

PYTHON ?= python3
# The tests in as many processes as there are cores, but at most two: each notebook that runs in them takes a gigabyte.
WORKERS := $(shell $(PYTHON) -c "import os; print(min(2, os.cpu_count() or 1))")
BIN := .venv/bin
READY := .venv/.ready

# Without a display there is no browser to open, and JupyterLab refuses root unless told.
BROWSER := $(if $(filter Darwin,$(shell uname -s))$(DISPLAY)$(WAYLAND_DISPLAY),,--no-browser)
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: env lab test bench notebooks korean figures lock badge book measure speed format clean

env: $(READY)

lab: $(READY)
	cd notebooks && ../$(BIN)/jupyter lab $(BROWSER) $(ROOT) --LabApp.default_url=/lab/tree/00-start-here.ipynb

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

bench: $(READY)
	$(BIN)/python -m tools.bench

notebooks: $(READY)
	$(BIN)/python -m tools.execute notebooks/[0-9]*.ipynb
	$(BIN)/python -m tools.korean

korean: $(READY)
	$(BIN)/python -m tools.korean

figures: $(READY)
	$(BIN)/python -m paper_nets figures

# From PyPI, where PyTorch needs CUDA; on Binder it comes from its own index, which has it without.
lock: $(READY)
	$(BIN)/pip install --quiet uv
	{ echo '# written by make lock'; echo '--extra-index-url https://download.pytorch.org/whl/cpu'; \
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu//' | $(BIN)/uv pip compile --quiet --no-header --no-annotate \
	--constraint - --python-version 3.12 --python-platform x86_64-manylinux_2_28 pyproject.toml \
	| grep -Ev '^(cuda|nvidia|triton)'; } > binder/requirements.new
	mv binder/requirements.new binder/requirements.txt

badge:
	@name=$$(git remote get-url origin | sed -nE 's#^.*github\.com[:/]([^/]+/[^/]+)$$#\1#p' | sed 's/\.git$$//'); \
	test -n "$$name" || { echo "make badge: origin is not on GitHub, git remote -v shows where it is." >&2; exit 1; }; \
	git grep --untracked -lF OWNER/NAME -- '*.md' '*.ipynb' '*.po' | xargs perl -pi -e "s#OWNER/NAME#$$name#g"

book: $(READY)
	$(BIN)/python -m tools.book

measure: $(READY)
	$(BIN)/python -m tools.measure

speed: $(READY)
	$(BIN)/python -m paper_nets speed > notebooks/speed.new
	mv notebooks/speed.new notebooks/speed.txt
	cat notebooks/speed.txt

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .pytest_cache .ruff_cache

$(READY): pyproject.toml binder/overrides.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "paper_nets needs Python 3.11 or newer: make lab PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
ifeq ($(TORCH),cpu)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip install --python $(BIN)/python --torch-backend cpu torch torchvision
endif
	$(BIN)/pip install --quiet --editable '.[test]'
	mkdir -p .venv/share/jupyter/lab/settings
	cp binder/overrides.json .venv/share/jupyter/lab/settings/overrides.json
	touch $@
