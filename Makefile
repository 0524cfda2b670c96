# What there is to do: make help
#
# PYTHON=…  the Python to make .venv with (default: the first that is new enough)
# ARGS=…    passed on to the command, as in: make test ARGS="-k http11 -x"

export PYTHON
# What is set for another project would be found before what is in .venv.
unexport PYTHONPATH PYTHONHOME
ARGS =
run = .venv/bin/python -m
# Two processes share the tests, which wait more than they work. A file's tests stay in
# one of them, so what a file makes once is made once; the files come in random order,
# too. (One process: ARGS="-n 0".)
tests = $(run) pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: book
book: ## measure this machine (the first time) and serve the book; plain `make` does too
	@# Where a package is not made for this Python, it goes on with the exercises.
	@tools/bootstrap book || { \
	    [ $$? = 3 ] && exec $(MAKE) --no-print-directory exercises ARGS=; \
	    exit 1; \
	}; \
	$(run) book serve --check $(ARGS) && \
	$(run) lab tour && \
	exec $(run) book serve $(ARGS)

.PHONY: tour
tour: ## measure this machine again
	@tools/bootstrap book
	@$(run) lab tour --again $(ARGS)

.PHONY: test
test: ## run the tests
	@tools/bootstrap test
	@$(run) tools.optional test
	@$(tests) -m "not thorough" $(ARGS)

.PHONY: thorough
thorough: ## run the other tests, which take long and seldom fail where those pass
	@tools/bootstrap test
	@$(run) tools.optional test
	@$(tests) -m thorough $(ARGS)

.PHONY: exercises
exercises: ## install pytest, and show how far you are with the exercises
	@tools/bootstrap exercises
	@$(run) pytest chapters $(ARGS) || true
	@echo "The next one, and what there is: docs/exercises.md. First: source .venv/bin/activate"

.PHONY: check
check: ## run the linters, the formatter's check and the type checker
	@tools/bootstrap dev
	$(run) ruff check
	$(run) ruff format --check
	.venv/bin/lint-imports --no-logo --no-cache
	$(run) mypy
	@# Chapters use the same file names, so each is checked on its own.
	@for folder in chapters/[0-9]*/; do \
	    $(run) mypy "$$folder" || exit 1; \
	done

.PHONY: format
format: ## format the code, and mend what the linter can mend
	@tools/bootstrap dev
	@$(run) ruff check --fix
	@$(run) ruff format

.PHONY: site
site: ## build the book into site/
	@tools/bootstrap book
	@$(run) book site --strict $(ARGS)

.PHONY: pdf
pdf: ## print the book into one PDF file, with Chromium
	@tools/bootstrap book
	@$(run) tools.pdf

.PHONY: measure
measure: ## record the book's own figures anew (long; on a quiet machine)
	@tools/bootstrap book
	@$(run) tools.optional measure
	@$(run) lab measure --output docs/measurements/book.json $(ARGS)

.PHONY: fill
fill: ## write the recorded figures into the chapters and the README
	@tools/bootstrap book
	@$(run) book fill $(ARGS)

.PHONY: lock
lock: ## pin the dependencies in pyproject.toml (newer ones: ARGS=--upgrade)
	@tools/bootstrap dev
	@tools/lock $(ARGS)

.PHONY: mutants
mutants: ## do the exercises' checks notice small mistakes? (ARGS="04 07": of these)
	@tools/bootstrap dev
	$(run) tools.mutants $(ARGS)

.PHONY: seal
seal: ## note how the exercises come: after a change to a starter or a check
	@tools/bootstrap dev
	$(run) workshop.seals

.PHONY: archive
archive: ## one file for a room without network: the book, the exercises, the packages
	@tools/bootstrap book
	@$(run) tools.archive $(ARGS)

.PHONY: clean
clean: ## remove what make has made, except your measurements
	rm -rf .venv .venv-peers .venv.log* site dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find lab book steps tests tools chapters -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## list what there is to do
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s%s\n", $$1, $$2}' Makefile

# A folder is no target, though make would say that nothing is to be done for it.
chapters docs lab steps tests tools workshop: FORCE
	@echo "There is no make $@: make help lists what there is." >&2; exit 1
FORCE:
