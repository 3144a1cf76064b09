#!/usr/bin/env bash
# Inside the container: from the Debian package of 0.1.0, with its captures and settings, to this one.
# usage: upgrade.sh DIRECTORY, with older.deb, fancyhwd.deb, captures.tar.gz and checks.sh
set -euo pipefail

here=$1
# shellcheck source=tests/service/checks.sh
. "$here/checks.sh"

RUNNING=(fancyhwd-publish fancyhwd-record fancyhwd-record@pump fancyhwd-serve)

# A station that has run 0.1.0 for a while.
runs_the_old_version() {
    dpkg -i "$here/older.deb"
    equal 'the version' "$(dpkg-query -W -f '${Version}' fancyhwd)" 0.1.0
    tar -C $STATE -xf "$here/captures.tar.gz"
    mv $STATE/c.db $CAPTURES
    mv $STATE/c.db-wal $CAPTURES-wal
    chown fancyhwd:fancyhwd $CAPTURES*
    printf 'FANCYHWD_LABEL=mine\n' >>/etc/fancyhwd/record.env
    settings publish.env RATE=1000
    settings record-pump.env CONNECT=tcp://127.0.0.1:5555
    systemctl enable --now fancyhwd-publish fancyhwd-record fancyhwd-record@pump fancyhwd-serve.socket
    systemctl start fancyhwd-serve
    eventually 10 'packets are stored behind the captures that were there' holds $CAPTURES 5 100
    eventually 10 'packets are stored' holds $STATE/pump.db 1 100
    all_run
}

all_run() {
    local unit
    for unit in "${RUNNING[@]}"; do
        state_is "$unit" active
    done
}

digests() { ask "$1" "SELECT id, hex(digest) FROM batches WHERE session_id <= $2 ORDER BY id"; }

upgrades() {
    local before settings unit pids=()
    before=$(digests $CAPTURES 4)
    settings=$(sha256sum /etc/fancyhwd/record.env /etc/fancyhwd/publish.env /etc/fancyhwd/record-pump.env)
    for unit in "${RUNNING[@]}"; do
        pids+=("$(property "$unit" MainPID)")
    done
    # As an upgrade without questions does.
    dpkg --force-confdef --force-confold -i "$here/fancyhwd.deb"
    equal 'the version' "$(dpkg-query -W -f '${Version}' fancyhwd)" "$(dpkg-deb -f "$here/fancyhwd.deb" Version)"
    sha256sum --check --quiet <<<"$settings"
    for unit in "${!RUNNING[@]}"; do
        eventually 10 "${RUNNING[unit]} runs the new program" main_pid_is_not "${RUNNING[unit]}" "${pids[unit]}"
    done
    eventually 10 'the recorder is back' holds $CAPTURES 6 100
    eventually 10 'the one with a name, too' holds $STATE/pump.db 2 100
    equal 'the digests of what was captured' "$(digests $CAPTURES 4)" "$before"
    note "$(ask $CAPTURES "SELECT printf('%.0f ms', (until_elapsed_ns - elapsed_ns) / 1e6) FROM events WHERE kind = 'gap' AND session_id = 5") not recorded"
}

# Sessions of each version, and those that were cut in two by the upgrade.
keeps_captures() {
    local version
    version=$(fancyhwd --version | cut -d ' ' -f 2)
    answers $CAPTURES "SELECT label, version, end_reason FROM sessions WHERE id <= 4" \
        $'reference|0.1.0|limit\ndevices|0.1.0|limit\ntexts|0.1.0|imported\ncrash|0.1.0|interrupted'
    answers $CAPTURES 'SELECT label, end_reason FROM sessions WHERE id = 5' 'mine|stopped'
    answers $CAPTURES 'SELECT label, version, end_reason FROM sessions WHERE id = 6' "mine|$version|"
    answers $CAPTURES "SELECT count(*) FROM events WHERE kind = 'gap' AND session_id = 5" 1
    equal 'what of them cannot be read' "$(fancyhwd session verify 1 2 3 4 5 --database $CAPTURES | grep -vc ': ok,' || true)" 0
    equal 'the schema' "$(ask $CAPTURES 'PRAGMA user_version')" "$(ask $STATE/fresh.db 'PRAGMA user_version')"
}

# What has the tables of this version.
records_afresh() {
    runuser -u fancyhwd -- fancyhwd record --duration 1s --database $STATE/fresh.db
}

shows_pages() {
    local said
    # shellcheck disable=SC2034 # it is read by the line behind it
    said=$(exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /captures/devices HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3 && cat <&3)
    grep -q 'valve open\|devices' <<<"$said"
    grep -q '^HTTP/1.[01] 200' <<<"$said"
}

replays_what_was_captured() {
    settings replay.env BIND=tcp://127.0.0.1:5602
    systemctl start fancyhwd-replay@reference
    eventually 20 'the replay is over' state_is fancyhwd-replay@reference inactive
    equal 'how it ended' "$(result_of fancyhwd-replay@reference)" 'success 0'
}

keep_results
check 'the package of 0.1.0 records into its captures' runs_the_old_version
check 'an upgrade from 0.1.0 restarts what runs and keeps settings' upgrades
check 'this version records afresh' records_afresh
check 'captures of 0.1.0 are as they were' keeps_captures
check 'captures of 0.1.0 are shown' shows_pages
check 'captures of 0.1.0 are replayed' replays_what_was_captured
[ $failures = 0 ]
