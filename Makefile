# Everything that a user or a developer types. Each target installs what it needs (Debian packages) and does not have.

BUILD_PACKAGES = gcc libc6-dev libzmq3-dev
DEMO_PACKAGES = $(BUILD_PACKAGES) sqlite3
TEST_PACKAGES = $(DEMO_PACKAGES) alsa-utils bsdutils iproute2 libfaketime man-db mandoc mount python3 python3-zmq strace
BENCH_PACKAGES = $(BUILD_PACKAGES) python3 python3-zmq strace
CARGO = cargo

.PHONY: build demo test soak bench man

build:
	@packaging/install-missing $(BUILD_PACKAGES)
	@command -v $(CARGO) >/dev/null || { echo 'Rust is missing: install it with rustup (https://rustup.rs)' >&2; exit 1; }
	$(CARGO) build --release --locked

# A device is published, recorded and replayed.
demo: build
	@packaging/install-missing $(DEMO_PACKAGES)
	@tests/demo target/release

test: build
	@packaging/install-missing $(TEST_PACKAGES)
	$(CARGO) test --release --locked

# What takes too long for every run: about a quarter of an hour.
soak: build
	@packaging/install-missing $(TEST_PACKAGES)
	$(CARGO) test --release --locked --test soak -- --nocapture

# Measure this machine: some twenty-five minutes. The tables are printed and kept in benches/results/.
bench: build
	@packaging/install-missing $(BENCH_PACKAGES)
	$(CARGO) bench --locked --no-fail-fast --bench record --bench replay

# Write manual pages and completions anew from the command line's definition.
man: build
	FANCYHWD_WRITE_MAN=1 $(CARGO) test --release --locked --test it man::manual_pages_and_completions_match_the_binary
