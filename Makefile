# make; sudo make install   on a machine
# make demo                 the web farm in a private systemd
# make test                 every test; `make lab` leaves a shell where they run
# make torture              power cuts, writes that fail, kills at any step, a thousand containers on one bridge
# make bench                ours and others' speed, in turn, as ratios
# make bench-images         copies of images and cp's, btrfs's, imports and podman's, in turn, as ratios
# make bench-network        links and published ports, and netavark's, a hand's, in turn, as ratios
# make bench-apply          one limit of a hundred containers, beside podman update, and diff of a thousand
# make compare              ours and others' isolation, as a probe finds it from inside
# make fuzz                 parsers against bytes that are nearly right, SECONDS=60 each
# make deps                 Debian's packages for these

PREFIX ?= /usr/local
DESTDIR ?=
PROFILE ?= release
CARGO ?= cargo
RUSTC ?= rustc

BINDIR = $(PREFIX)/bin
LIBEXECDIR = $(PREFIX)/libexec/soute
DATADIR = $(PREFIX)/share
ZSHDIR = $(DATADIR)/zsh/site-functions
# systemd looks for units and generators below /usr and /usr/local alike; pkg-config knows where, given the prefix.
systemd = $(shell pkg-config --define-variable=rootprefix=$(PREFIX) --define-variable=root_prefix=$(PREFIX) \
    --variable=$(1) systemd 2>/dev/null)
UNITDIR := $(or $(call systemd,systemdsystemunitdir),$(PREFIX)/lib/systemd/system)
GENERATORDIR := $(or $(call systemd,systemdsystemgeneratordir),$(PREFIX)/lib/systemd/system-generators)

# cargo's name for a profile and for its directory differ for dev only.
OUT = target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
STAGE = $(CURDIR)/target/lab/stage
# Man page, completions and schema that the code itself writes.
SHARE = target/share

.PHONY: all install uninstall deps stage test fuzz demo lab bench bench-images bench-network compare torture bench-apply

# generator and runner are on the start path: static, they come up in less than 0.3 ms. soute is not, because the names
# of the host's users need the dynamic C library. All three share one build of the dependencies.
all:
	$(CARGO) build --locked --profile $(PROFILE) --bin soute --example generate
	for bin in soute-runner soute-generator; do \
	    $(CARGO) rustc --locked --profile $(PROFILE) --bin $$bin -- -C target-feature=+crt-static || exit; \
	done
	$(RUSTC) --edition 2024 -C opt-level=s -C panic=abort -C relocation-model=static -C strip=symbols \
	    -C link-args='-static -nostdlib -nostartfiles -Wl,--build-id=none,-z,noseparate-code' \
	    -o $(OUT)/soute-reaper src/bin/soute-reaper.rs
	$(OUT)/examples/generate '$(SHARE)'

# Builds only where there is nothing yet, so that `make && sudo make install` needs no Rust for root.
$(OUT)/soute $(OUT)/soute-runner $(OUT)/soute-reaper $(OUT)/soute-generator $(SHARE)/man/man8/soute.8:
	$(MAKE) all

UNITS = $(notdir $(wildcard units/*))
MAN5 = $(wildcard man/*.5)
MAN7 = $(wildcard man/*.7)
MAN8 = $(wildcard man/*.8)

install: $(OUT)/soute $(OUT)/soute-runner $(OUT)/soute-reaper $(OUT)/soute-generator $(SHARE)/man/man8/soute.8
	install -D -m 755 -t '$(DESTDIR)$(BINDIR)' $(OUT)/soute
	install -D -m 755 -t '$(DESTDIR)$(LIBEXECDIR)' $(OUT)/soute-runner $(OUT)/soute-reaper
	install -D -m 755 -t '$(DESTDIR)$(GENERATORDIR)' $(OUT)/soute-generator
	install -d '$(DESTDIR)$(UNITDIR)'
	for unit in $(UNITS); do \
	    sed 's,@BINDIR@,$(BINDIR),g; s,@LIBEXECDIR@,$(LIBEXECDIR),g' "units/$$unit" >'$(DESTDIR)$(UNITDIR)'/"$$unit" || exit; \
	done
	install -d '$(DESTDIR)$(DATADIR)/man/man5' '$(DESTDIR)$(DATADIR)/man/man7' '$(DESTDIR)$(DATADIR)/man/man8'
	for page in $(MAN5) $(MAN7) $(MAN8) $(SHARE)/man/man8/soute.8; do \
	    sed 's,/usr/share/soute,$(DATADIR)/soute,g; s,/usr/share/doc/soute,$(DATADIR)/doc/soute,g; s,/usr/lib/systemd/system-generators,$(GENERATORDIR),g' "$$page" \
	        >"$(DESTDIR)$(DATADIR)/man/man$${page##*.}/$${page##*/}" || exit; \
	done
	install -D -m 644 -t '$(DESTDIR)$(DATADIR)/soute' $(SHARE)/soute/container-1.schema.json
	install -D -m 644 -t '$(DESTDIR)$(DATADIR)/doc/soute' contrib/polkit/50-soute.rules
	install -D -m 644 -t '$(DESTDIR)$(DATADIR)/bash-completion/completions' $(SHARE)/bash-completion/completions/soute
	install -D -m 644 -t '$(DESTDIR)$(ZSHDIR)' $(SHARE)/zsh/site-functions/_soute
	install -D -m 644 -t '$(DESTDIR)$(DATADIR)/fish/vendor_completions.d' $(SHARE)/fish/vendor_completions.d/soute.fish

uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/soute' '$(DESTDIR)$(GENERATORDIR)/soute-generator'
	rm -rf '$(DESTDIR)$(LIBEXECDIR)' '$(DESTDIR)$(DATADIR)/soute' '$(DESTDIR)$(DATADIR)/doc/soute'
	rm -f $(UNITS:%='$(DESTDIR)$(UNITDIR)/%') $(MAN5:man/%='$(DESTDIR)$(DATADIR)/man/man5/%') \
	    $(MAN7:man/%='$(DESTDIR)$(DATADIR)/man/man7/%') \
	    $(MAN8:man/%='$(DESTDIR)$(DATADIR)/man/man8/%') '$(DESTDIR)$(DATADIR)/man/man8/soute.8' \
	    '$(DESTDIR)$(DATADIR)/bash-completion/completions/soute' '$(DESTDIR)$(ZSHDIR)/_soute' \
	    '$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/soute.fish'

# What the lab shows as /usr/local: the same installation that a package would make.
stage: all
	rm -rf '$(STAGE).new'
	$(MAKE) --no-print-directory install DESTDIR='$(STAGE).new' PREFIX=/usr/local >/dev/null
	mkdir -p '$(STAGE)'
	cp -a --remove-destination '$(STAGE).new/.' '$(STAGE)'
	rm -rf '$(STAGE).new'

deps:
	@tests/lab/deps

# What runs in the labs shares its dependencies with the tests: one build of them, not two. The last test compares what is
# on the machine with what was there before the first.
test: deps
	$(MAKE) --no-print-directory stage PROFILE=dev
	mkdir -p target/tmp
	tests/lab/leftovers >target/lab/before
	TMPDIR='$(CURDIR)/target/tmp' SOUTE_STAGE='$(STAGE)' SOUTE_BEFORE='$(CURDIR)/target/lab/before' \
	    $(CARGO) test --locked --no-fail-fast -- --include-ignored

# What reads other people's bytes, with bytes that are nearly right, a while for each of four. `make test` has a second.
SECONDS = 60
fuzz:
	SOUTE_FUZZ_SECONDS='$(SECONDS)' $(CARGO) test --locked --test image fuzz_ -- --nocapture

# Power cuts, 100 rounds instead of 5, and writes that fail at more places; a machine that is killed 10 times instead of
# once; kill -9 at any step of starts and stops, 200 instead of 12; 1000 containers on one bridge instead of 40, one lab
# after the other, as they share the kernel's table of neighbours.
torture: deps
	$(MAKE) --no-print-directory stage PROFILE=dev
	mkdir -p target/tmp
	TMPDIR='$(CURDIR)/target/tmp' SOUTE_STAGE='$(STAGE)' SOUTE_TORTURE=100 \
	    $(CARGO) test --locked --test disks -- --include-ignored attack_11 attack_12
	TMPDIR='$(CURDIR)/target/tmp' SOUTE_STAGE='$(STAGE)' SOUTE_TORTURE=10 \
	    $(CARGO) test --locked --test vm attack_11 -- --include-ignored
	TMPDIR='$(CURDIR)/target/tmp' SOUTE_STAGE='$(STAGE)' SOUTE_TORTURE=200 \
	    $(CARGO) test --locked --test networks soak -- --include-ignored
	TMPDIR='$(CURDIR)/target/tmp' SOUTE_STAGE='$(STAGE)' SOUTE_TORTURE=1000 \
	    $(CARGO) test --locked --test networks thousand -- --include-ignored --nocapture --test-threads=1

demo: deps stage
	@contrib/farm/demo

lab: deps stage
	@contrib/farm/demo --shell

bench: deps stage
	@tests/bench/bench

# Static, as the runner is, which makes the copies.
bench-images: deps
	$(CARGO) rustc --locked --profile $(PROFILE) --example clone -- -C target-feature=+crt-static
	$(CARGO) build --locked --profile $(PROFILE) --bin soute
	@tests/bench/images $(OUT)/examples/clone $(OUT)/soute

# The same of what makes links.
bench-network: deps stage
	$(CARGO) rustc --locked --profile $(PROFILE) --example attach -- -C target-feature=+crt-static
	@tests/bench/network $(OUT)/examples/attach

bench-apply: deps stage
	@tests/bench/applied

compare: deps stage
	@tests/probe/compare
