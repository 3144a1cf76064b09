# What the scripts that run inside the container share.
# shellcheck shell=bash

set -euo pipefail
export SYSTEMD_PAGER='' SYSTEMD_COLORS=0 LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

STATE=/var/lib/fancyhwd
CAPTURES=$STATE/captures.db
failures=0

# check NAME FUNCTION...: `ok NAME`, or `FAILED NAME: why` with what was said and the journal since.
check() {
    local name=$1 said since result=0
    shift
    said=$(mktemp)
    since=$(date '+%Y-%m-%d %H:%M:%S')
    # Not as a condition, so that the first command that fails ends it.
    (
        set -eE
        # Not on standard output, which a test may read.
        trap 'echo "line $LINENO: $BASH_COMMAND" >&3' ERR
        "$@"
    ) >"$said" 2>&1 3>&1 </dev/null &
    wait $! || result=$?
    if [ $result = 0 ]; then
        echo "ok $name$(sed -n 's/^note: \(.*\)/ (\1)/p' "$said")"
    else
        failures=$((failures + 1))
        echo "FAILED $name: $(grep -v '^line [0-9]*: ' "$said" | tail -n 1) ($(grep -m 1 '^line [0-9]*: ' "$said"))"
        sed 's/^/    /' "$said"
        journalctl --no-pager --since "$since" -o short-precise | tail -n 60 | sed 's/^/    /'
    fi
    rm -f "$said"
}

# What an `ok` says in brackets.
note() { echo "note: $*"; }

# fail WHY
fail() {
    echo "$*"
    return 1
}

# equal WHAT IS WANTED
equal() { [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"; }

# eventually SECONDS WHAT COMMAND...: until the command succeeds.
eventually() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -le $until ] || fail "waited in vain until $what: $("$@" 2>&1 || true)"
        sleep 0.05
    done
}

# refused COMMAND...: it must fail.
refused() {
    if "$@" >/dev/null 2>&1; then
        fail "it was not refused: $*"
    fi
}

property() { systemctl show --property "$2" --value "$1"; }
state_is() { [ "$(property "$1" ActiveState)" = "$2" ] || fail "$1 is $(property "$1" ActiveState)"; }
main_pid_is_not() { state_is "$1" active && [ "$(property "$1" MainPID)" != "$2" ]; }

# The manager forgets how a unit ended that nobody needs any more, so each of ours writes it down.
keep_results() {
    mkdir -p /run/results /run/systemd/system/fancyhwd-.service.d
    cat >/run/systemd/system/fancyhwd-.service.d/result.conf <<'END'
[Service]
ExecStopPost=+/bin/sh -c 'echo "$SERVICE_RESULT $EXIT_STATUS" >"/run/results/%n"'
END
}
result_of() { cat "/run/results/$1.service"; }

# ask DATABASE SQL: what a reader sees.
ask() { sqlite3 -readonly -cmd '.timeout 5000' "$1" "$2"; }
answers() { equal "$2" "$(ask "$1" "$2")" "$3"; }
has_packets() { [ "$(ask "$1" 'SELECT coalesce(sum(messages), 0) FROM sessions')" -ge "$2" ]; }
newest() { ask $CAPTURES 'SELECT max(id) FROM sessions'; }
# Packets of one session.
holds() { [ "$(ask "$1" "SELECT messages FROM sessions WHERE id = $2")" -ge "$3" ]; }

# settings FILE NAME=VALUE...: a file of /etc/fancyhwd.
settings() {
    local file=$1
    shift
    printf 'FANCYHWD_%s\n' "$@" >"/etc/fancyhwd/$file"
}

# drop_in UNIT LINE...: lines for its [Service].
drop_in() {
    local directory=/run/systemd/system/$1.service.d
    shift
    mkdir -p "$directory"
    printf '%s\n' '[Service]' "$@" >"$directory/test.conf"
    systemctl daemon-reload
}

# make_device: the device by which processors are kept awake, as the kernel makes it and udev hands it out by our rule.
make_device() {
    mknod -m 600 /dev/cpu_dma_latency c 10 "$(awk '$2 == "cpu_dma_latency" { print $1 }' /proc/misc)"
    udevadm test --action=add /sys/devices/virtual/misc/cpu_dma_latency >/run/udev-test 2>&1
    equal 'the group and the mode of the device' "$(stat -c '%U:%G %a' /dev/cpu_dma_latency)" 'root:fancyhwd 660'
}

# The journal's priority of the first line of a unit that holds this text, from this invocation on.
priority_of() {
    journalctl -u "$1" -o json --output-fields PRIORITY,MESSAGE | grep -F -m 1 -- "$2" | sed 's/.*"PRIORITY":"\([0-9]\)".*/\1/'
}
