# `make` lists the targets. `make demo` and `make test` work from a fresh clone: they set up .venv themselves.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORPORA ?= work/corpora
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help demo page live doctor test check fix bench peers pagebench livebench soak sequences corpora train evaluate harmony listen index story size clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps basic-pitch==0.4.0 tinysoundfont==0.3.7 || true
	@touch $@

demo: $(VENV)/.run ## a shipped tune is played as though live; demo.mid, demo.wav and demo.png are saved here
	$(BIN)/daw-assist demo

page: $(VENV)/.run ## play in the browser, without a DAW
	$(BIN)/daw-assist demo --web

live: $(VENV)/.run ## virtual MIDI ports, following the DAW's clock
	$(BIN)/daw-assist live

doctor: $(VENV)/.run ## what works on this machine, and what to do about the rest
	$(BIN)/daw-assist doctor

test: $(VENV)/.dev ## the tests
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## format, lint, types, layers, tests: what CI runs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

fix: $(VENV)/.dev ## format and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/.dev ## speed on this machine (ten minutes): lines in benchmarks/results, the table in the README (rivals need the train extra)
	for what in 'engine --large' path scale jitter; do \
	  $(BIN)/daw-assist bench $$what --out benchmarks/results/$${what%% *}.jsonl || exit; done
	$(BIN)/daw-assist bench report

peers: $(VENV)/.dev ## the same jobs by other programs (half an hour, 4 GB; needs the train extra): a line in benchmarks/results/peers.jsonl
	$(BIN)/python scripts/bench/peers/run.py --setup --rounds 15 --out benchmarks/results/peers.jsonl
	$(BIN)/daw-assist bench report

pagebench: $(VENV)/.dev ## the companion page open for half an hour in Chromium: a line in benchmarks/results/page.jsonl
	$(BIN)/python scripts/bench/page.py --minutes 30 --out benchmarks/results/page.jsonl

livebench: $(VENV)/.dev ## the live process over JACK, ten minutes a mode (an hour): a line in benchmarks/results/live.jsonl, benchmarks/live.md
	$(BIN)/daw-assist bench live --minutes 10 --bpm 120 --load 1 --out benchmarks/results/live.jsonl --markdown benchmarks/live.md

soak: $(VENV)/.dev ## two hours of the live process through all modes: a line in benchmarks/results/soak.jsonl
	$(BIN)/daw-assist bench live --soak 120 --minutes 5 --period 256 --out benchmarks/results/soak.jsonl

sequences: $(VENV)/.dev ## 10,000 random evenings (five minutes): no note may hang
	SEQUENCES=10000 $(BIN)/python -m pytest tests/path/test_sequences.py

corpora: $(VENV)/.dev ## pack the training corpora found in DATA into CORPORA
	$(BIN)/python scripts/prepare_corpora.py $(DATA) -o $(CORPORA)

train: $(VENV)/.dev ## train the small model on CORPORA (hours; goes on where it stopped; needs the train extra)
	$(BIN)/python scripts/train.py $(CORPORA) -o work/small --compile

evaluate: $(VENV)/.dev ## judge the model on held-out music (about an hour): a line in benchmarks/results/heldout.jsonl, benchmarks/evaluation.md
	$(BIN)/python scripts/evaluate.py $(CORPORA) --model small-int8 --candidates 3 --work work/evaluate \
	  --out benchmarks/results/heldout.jsonl --markdown benchmarks/evaluation.md

harmony: $(VENV)/.dev ## judge harmonization on the benchmarks in DATA (ten minutes; needs the train extra): benchmarks/harmony.md
	$(BIN)/python scripts/export_chords.py benchmarks/checkpoints/nottingham.npz -o work/harmony --name nottingham
	$(BIN)/python scripts/evaluate_harmony.py --data $(DATA) --chords work/harmony/nottingham --work work/harmony \
	  --checkpoints benchmarks/checkpoints/jsb.npz benchmarks/checkpoints/jsb_only.npz \
	  --out benchmarks/results/harmony.jsonl --markdown benchmarks/harmony.md

listen: $(VENV)/.dev ## write what the model makes of held-out pieces as bars into docs/listening.md
	$(BIN)/python scripts/listen.py $(CORPORA) -o docs/listening.md

index: $(VENV)/.dev ## the index that suggestions are compared with (resemblance to the corpus), from CORPORA
	$(BIN)/python scripts/index_corpus.py $(CORPORA)

story: $(VENV)/.dev ## compose, prepare, train, export, evaluate, continue: everything small (minutes; needs the train extra)
	$(BIN)/python scripts/whole_story.py

size: ## lines by part, and the weights
	@for part in daw_assist plugin_host models_onnx scripts tests; do \
	  printf '%-12s %6d lines\n' $$part $$(git ls-files "$$part/*.py" | xargs cat | wc -l); done
	@du -sh models_onnx/files

clean: ## remove what make made (not the virtual environment)
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache demo.mid demo.wav demo.png
