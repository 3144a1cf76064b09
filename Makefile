# Everything that a user or a developer types. Each target installs what it needs (Debian packages) and does not have.

BUILD_PACKAGES = gcc libc6-dev libzmq3-dev pkgconf
DEMO_PACKAGES = $(BUILD_PACKAGES) sqlite3
TEST_PACKAGES = $(DEMO_PACKAGES) alsa-utils bsdutils chromium curl e2fsprogs fish gdb iproute2 jq libfaketime man-db mandoc mount prometheus python3 python3-numpy python3-venv python3-zmq sox strace tmux zsh
BENCH_PACKAGES = $(BUILD_PACKAGES) alsa-utils python3 python3-venv python3-zmq sox strace
FUZZ_PACKAGES = $(BUILD_PACKAGES) g++
DEB_PACKAGES = $(BUILD_PACKAGES) debhelper dpkg-dev
RPM_PACKAGES = $(BUILD_PACKAGES) rpm
SERVICE_PACKAGES = $(DEB_PACKAGES) $(RPM_PACKAGES) lintian mmdebstrap rpmlint strace systemd-container
CARGO = cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)
BINARY = $(TARGET)/release/fancyhwd

# Where `make install` puts things, under $(DESTDIR).
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
DATADIR = $(PREFIX)/share
MANDIR = $(DATADIR)/man
DOCDIR = $(DATADIR)/doc/fancyhwd
BASHDIR = $(DATADIR)/bash-completion/completions
ZSHDIR = $(DATADIR)/zsh/site-functions
FISHDIR = $(DATADIR)/fish/vendor_completions.d
UNITDIR = $(PREFIX)/lib/systemd/system
SYSUSERSDIR = $(PREFIX)/lib/sysusers.d
TMPFILESDIR = $(PREFIX)/lib/tmpfiles.d
UDEVDIR = $(PREFIX)/lib/udev/rules.d
SYSCONFDIR = /etc

.PHONY: build tools demo test soak fuzz bench man install deb rpm test-service

build: tools
	$(CARGO) build --release --locked

tools:
	@packaging/install-missing $(BUILD_PACKAGES)
	@command -v $(CARGO) >/dev/null || { echo 'Rust is missing: install it with rustup (https://rustup.rs)' >&2; exit 1; }

# A device is published, recorded and replayed, by a binary that is not optimised: half as long to build.
demo: tools
	$(CARGO) build --profile demo --locked
	@packaging/install-missing $(DEMO_PACKAGES)
	@tests/demo "$(TARGET)/demo"

# Tests wait for most of their time: for clocks, disks and peers.
test: build
	@packaging/install-missing $(TEST_PACKAGES)
	-@tests/python-env "$(TARGET)/python-env"
	@RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((3 * $$(nproc)))} tests/run $(CARGO) test --release --locked

# What takes too long for every run: about twenty minutes.
soak: build
	@packaging/install-missing $(TEST_PACKAGES)
	@tests/run $(CARGO) test --release --locked --test soak -- --nocapture

# Each target of fuzz/ for so many seconds: with cargo-fuzz and a nightly compiler where they are, else without.
FUZZ_SECONDS = 60
fuzz: build
	@packaging/install-missing $(FUZZ_PACKAGES)
	@CARGO="$(CARGO)" fuzz/run $(FUZZ_SECONDS)

# Measure this machine: an hour. The tables are printed and kept in benches/results/.
bench: build
	@packaging/install-missing $(BENCH_PACKAGES)
	-@tests/python-env "$(TARGET)/python-env"
	$(CARGO) bench --locked --no-fail-fast --bench record --bench replay --bench handover --bench look --bench archive

# Write manual pages and completions anew from the command line's definition, and what is said beside them as it is said now.
man: build
	FANCYHWD_WRITE_MAN=1 INSTA_UPDATE=always $(CARGO) test --release --locked --test it -- \
	    man::manual_pages_and_completions_match_the_binary snapshots::

# For distributors: nothing is downloaded, and built only what is not built. The units name the binary's place.
install:
	test -e "$(BINARY)" || $(CARGO) build --release --locked
	install -D -m 755 "$(BINARY)" "$(DESTDIR)$(BINDIR)/fancyhwd"
	install -d "$(DESTDIR)$(MANDIR)/man1" "$(DESTDIR)$(MANDIR)/man7" "$(DESTDIR)$(MANDIR)/man8" "$(DESTDIR)$(UNITDIR)"
	install -m 644 man/*.1 "$(DESTDIR)$(MANDIR)/man1"
	install -m 644 man/*.7 "$(DESTDIR)$(MANDIR)/man7"
	install -m 644 man/*.8 "$(DESTDIR)$(MANDIR)/man8"
	install -D -m 644 man/completions/fancyhwd.bash "$(DESTDIR)$(BASHDIR)/fancyhwd"
	install -D -m 644 man/completions/_fancyhwd "$(DESTDIR)$(ZSHDIR)/_fancyhwd"
	install -D -m 644 man/completions/fancyhwd.fish "$(DESTDIR)$(FISHDIR)/fancyhwd.fish"
	install -D -m 644 -t "$(DESTDIR)$(DOCDIR)" README.md CHANGELOG.md
	install -D -m 644 -t "$(DESTDIR)$(DOCDIR)/docs" docs/*.md
	install -D -m 644 packaging/network.conf "$(DESTDIR)$(DOCDIR)/examples/network.conf"
	install -D -m 644 -t "$(DESTDIR)$(DOCDIR)/examples/archive" packaging/archive/*
	install -D -m 644 -t "$(DESTDIR)$(SYSCONFDIR)/fancyhwd" packaging/publish.env packaging/record.env packaging/replay.env packaging/serve.env
	install -D -m 644 systemd/fancyhwd.sysusers "$(DESTDIR)$(SYSUSERSDIR)/fancyhwd.conf"
	install -D -m 644 systemd/fancyhwd.tmpfiles "$(DESTDIR)$(TMPFILESDIR)/fancyhwd.conf"
	install -D -m 644 systemd/fancyhwd.udev "$(DESTDIR)$(UDEVDIR)/60-fancyhwd.rules"
	install -m 644 systemd/*.socket "$(DESTDIR)$(UNITDIR)"
	for unit in systemd/*.service; do \
	    sed 's|/usr/bin/fancyhwd|$(BINDIR)/fancyhwd|' "$$unit" >"$(DESTDIR)$(UNITDIR)/$${unit#*/}" || exit 1; \
	    chmod 644 "$(DESTDIR)$(UNITDIR)/$${unit#*/}" || exit 1; \
	done

# The Debian package, in target/deb.
deb: build
	@packaging/install-missing $(DEB_PACKAGES)
	packaging/build-deb "$(BINARY)" target/deb

# The package for distributions with rpm, in target/rpm.
rpm: build
	@packaging/install-missing $(RPM_PACKAGES)
	packaging/build-rpm "$(BINARY)" target/rpm

# The packages in a container with a booted systemd. It needs root and network namespaces.
test-service:
	@tests/service/run $(SERVICE_PACKAGES)
