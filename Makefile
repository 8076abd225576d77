# 多模态大模型发展历程 · one Makefile for readers, lecturers and authors.  `make help` lists the targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q
FIRST  := notebooks/1_foundations/00_start.ipynb
export OMP_NUM_THREADS ?= 1
export PYTHONHASHSEED ?= 0

.DEFAULT_GOAL := help
.PHONY: help lab test check site slides sync lock format browser clean

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

# ---- the environment: exact versions from requirements.lock, dependencies from pyproject.toml ----
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; v = sys.version_info; assert v >= (3, 10), f"Python {v.major}.{v.minor} found, 3.10 or newer needed: make PYTHON=python3.11 ..."'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.lab: $(VENV)/.created pyproject.toml requirements.lock
	@echo "安装课程环境（约 2 分钟，2.5 GB）… installing"
	$(PIP) install -c requirements.lock -e .
	@mkdir -p $(VENV)/share/jupyter/lab/settings
	@echo '{"@jupyterlab/translation-extension:plugin": {"locale": "zh_CN"},' \
	  '"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}' \
	  > $(VENV)/share/jupyter/lab/settings/overrides.json
	@touch $@

$(VENV)/.site: $(VENV)/.lab
	$(PIP) install -c requirements.lock -e '.[site]'
	@touch $@

$(VENV)/.test: $(VENV)/.site
	$(PIP) install -c requirements.lock -e '.[site,test]'
	@touch $@

# ---- readers and lecturers ----
lab: $(VENV)/.lab  ## open JupyterLab at chapter 00 (ARGS=--no-browser serves it headless)
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/$(FIRST) $(ARGS)

site: $(VENV)/.site  ## build the book and serve it on localhost (ARGS=--no-serve builds only)
	$(BIN)/python -m course_lib.publishing site $(or $(ARGS),--serve)

slides: $(VENV)/.site  ## build the lecture decks
	$(BIN)/python -m course_lib.publishing slides $(ARGS)

# ---- authors ----
sync: $(VENV)/.site  ## make every .py and .ipynb pair agree, re-executing what changed
	$(BIN)/python -m course_lib.publishing sync $(ARGS)

format: $(VENV)/.test  ## let ruff format and fix
	$(BIN)/ruff check --fix -q . && $(BIN)/ruff format -q .

check: $(VENV)/.test  ## lint, and the tests that a change can affect (3 minutes; ARGS=--all for every one)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m course_lib.publishing lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -p course_lib.publishing.affected tests \
	  --ignore tests/site --ignore tests/course/claims/test_quick.py $(ARGS)

browser:
	@$(BIN)/python -m course_lib.publishing browser

NBVAL := $(BIN)/python -m pytest -n 2 --dist loadfile -p no:cacheprovider -p course_lib.publishing.kept_runs \
  --nbval-lax --nbval-sanitize-with tests/notebooks/nbval_sanitize.cfg
TIMES := .cache/times
# $(call part,name,command): run a part of `make test` and note how long it took
part = @echo '$(2)'; s=$$(date +%s); $(2) && printf '%6d s  %s\n' $$(($$(date +%s) - s)) '$(1)' >> $(TIMES)

test: $(VENV)/.test $(if $(ARGS),,browser)  ## every check of this project, what CI runs (ARGS=05: of one chapter)
	+@mkdir -p .cache && : > $(TIMES)
ifeq ($(ARGS),)
	$(call part,lint and fast tests,$(MAKE) check ARGS=--all)
	$(call part,quick claims,$(BIN)/python -m pytest -n 2 tests/course/claims/test_quick.py)
	$(call part,notebooks,$(NBVAL) notebooks)
	$(call part,site,$(BIN)/python -m course_lib.publishing site)
	$(call part,tests of the site,$(BIN)/python -m pytest -n 2 tests/site)
else
	$(call part,lint,$(BIN)/python -m course_lib.publishing lint $(ARGS))
	$(call part,tests and quick claims,$(BIN)/python -m pytest -n 2 -p course_lib.publishing.affected tests \
	  --ignore tests/site $(ARGS:%=--chapter %))
	$(call part,notebook,$(NBVAL) $(foreach number,$(ARGS),$(wildcard notebooks/*/$(number)_*.ipynb)))
	@echo "the site, made of all chapters, is left to: make test"
endif
	@cat $(TIMES)

lock:  ## write requirements.lock anew from pyproject.toml, for every platform and Python at once
	$(PIP) install uv
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-python-downloads --all-extras --no-header --no-annotate \
	  $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS)) --quiet pyproject.toml -o build.lock
	( echo '# Exact versions for every platform, written by `make lock`; used as constraints (pip install -c).'; \
	  echo '# torch chooses its own CUDA packages, so none is pinned here.'; \
	  grep -vE '^(nvidia-|cuda-|triton|torch==)' build.lock; echo 'torch==2.13.0' ) > requirements.lock
	rm build.lock

clean:  ## remove what was built (not the environment)
	rm -rf book/_build .cache build *.egg-info
