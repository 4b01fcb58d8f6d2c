# What you need: make, and a Python 3.11 or newer on PATH (or PYTHON=/path/to/python3). The first use of a target makes
# .venv and installs into it, which takes a minute; after that it is only done again when a lock or pyproject changes.
#
#   make serve   run the server            ARGS="--port 7421"     make lint    ruff, mypy, the import contract
#   make demo    try it with a sample                             make lock    pin and hash every dependency anew
#   make test    run every test            ARGS="-k inbox"        make vendor  fetch the browser assets anew
#   make bench   measure it                                       make clean   remove what make has made

.PHONY: serve demo test bench lint lock vendor service clean
.DEFAULT_GOAL := serve

BASE = .venv/.base
DEV = .venv/.dev

serve: $(BASE)
	@.venv/bin/assent serve $(ARGS)

demo: $(BASE)
	@.venv/bin/python -m server.demo $(ARGS)

test: $(DEV)
	@CHROMIUM="$$(sh scripts/chromium)" && export CHROMIUM && .venv/bin/python -m pytest $(ARGS)

bench: $(DEV)
	@.venv/bin/python -m tests.bench $(ARGS)

lint: $(DEV)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

lock:
	@sh scripts/lock $(ARGS)

vendor: $(BASE)
	@.venv/bin/python scripts/vendor.py $(ARGS)

# As root: a user of its own for the server, so that agents cannot reach its home. See docs/deploy.md.
service:
	@sh deploy/install.sh install

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Stamps: present and newer than what they depend on means that nothing has to be done.
$(BASE): requirements/build.lock requirements/base.lock pyproject.toml scripts/set-up
	@sh scripts/set-up base
	@touch $@

$(DEV): $(BASE) requirements/dev.lock
	@sh scripts/set-up dev
	@touch $@
