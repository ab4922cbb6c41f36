PYTHON ?= python3
BIN := .venv/bin
DEMO := .venv/.demo
READY := .venv/.test

.PHONY: demo test kernels lint bench costs docs oracles peers evidence clean

demo: $(DEMO)  ## which loss is best on a real data set: a verdict and a report
	$(BIN)/lossary compare diabetes

test: $(READY)  ## all tests
	$(BIN)/python -m pytest -q -n 2

kernels: $(READY)  ## the catalogue's own tests with compiled kernels at every size, and without any
	WHOLE_CATALOGUE=1 LOSSARY_KERNELS_SMALLEST=1 $(BIN)/python -m pytest -q -n 2 tests/test_laws.py tests/test_claims.py tests/losses tests/checks/test_catalogue.py
	LOSSARY_KERNELS=0 $(BIN)/python -m pytest -q -n 2 tests/test_laws.py tests/losses

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

oracles: $(READY)  ## record anew what heavy or conflicting libraries compute (FAMILY=ranking for one family)
	$(BIN)/python tests/oracles/record.py $(FAMILY)
	git diff --stat tests/oracles/recorded

peers: $(READY)  ## what the checker finds in the losses of other libraries
	$(BIN)/python -m tests.checks.peers

evidence: $(DEMO)  ## does the advice of recommend pay on real data: docs/evidence.md, in half an hour of one core
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[compare,evidence]'
	$(BIN)/python -m benchmarks.evidence

costs: $(DEMO)  ## what each loss costs and how curved it is, anew: src/lossary/costs.json, on a machine with nothing else to do
	$(BIN)/python -m benchmarks costs

docs: $(READY)  ## the documentation, a page per loss, in site/
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[compare,docs]'
	$(BIN)/mkdocs build --strict

bench: $(DEMO)  ## speed, as ratios in one run
	$(BIN)/python -m benchmarks

$(DEMO): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[compare,fast]'
	$(BIN)/python -m compileall -q src  # as pip does for what it copies: the first start is then as fast as any
	touch $@

$(READY): $(DEMO)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[compare,fast,test]'
	touch $@

clean:  ## remove what was installed and written here
	rm -rf .venv lossary-report .pytest_cache .mypy_cache .ruff_cache
