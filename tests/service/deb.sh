#!/usr/bin/env bash
# Inside the container: the Debian package from its installation to its purge.
# usage: deb.sh DIRECTORY, with fancyhwd.deb, newer.deb, README.md, checks.sh and probe.pl
set -euo pipefail

here=$1
# shellcheck source=tests/service/checks.sh
. "$here/checks.sh"

UNITS=(fancyhwd-publish fancyhwd-record fancyhwd-record@pump fancyhwd-replay@1 fancyhwd-serve)

installs() {
    dpkg -i "$here/fancyhwd.deb"
    getent passwd fancyhwd | grep -q ':/var/lib/fancyhwd:/usr/sbin/nologin$'
    equal 'the mode of the state directory' "$(stat -c '%U:%G %a' $STATE)" 'fancyhwd:fancyhwd 750'
    dpkg -s fancyhwd | grep '^Depends:' | grep libzmq5 | grep -q libc6
    equal 'the list of settings' "$(dpkg-query -W -f '${Conffiles}' fancyhwd | awk '{ print $1 }' | xargs)" \
        '/etc/fancyhwd/publish.env /etc/fancyhwd/record.env /etc/fancyhwd/replay.env /etc/fancyhwd/serve.env'
    for page in fancyhwd.1 fancyhwd-record.1 fancyhwd-session-list.1 fancyhwd.8; do
        [ -s /usr/share/man/man"${page##*.}"/"$page".gz ]
    done
    for file in bash-completion/completions/fancyhwd zsh/vendor-completions/_fancyhwd \
        fish/vendor_completions.d/fancyhwd.fish doc/fancyhwd/changelog.gz doc/fancyhwd/copyright \
        doc/fancyhwd/examples/network.conf; do
        [ -s "/usr/share/$file" ]
    done
}

starts_nothing() {
    equal 'what runs' "$(systemctl list-units --all --plain --no-legend 'fancyhwd*')" ''
    equal 'what is enabled' "$(systemctl list-unit-files --no-legend --state enabled 'fancyhwd*' || true)" ''
}

# What is not in the container, such as man itself, is not looked for.
verifies() {
    equal 'what systemd-analyze says' "$(systemd-analyze verify --man=no "${UNITS[@]/%/.service}" 2>&1)" ''
}

is_shut() {
    local unit said=
    for unit in "${UNITS[@]}"; do
        systemd-analyze security --offline=true --threshold=12 "$unit.service" >/run/security
        said+="${said:+, }$unit $(sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p' /run/security)"
    done
    note "$said"
}

starts() {
    settings publish.env RATE=1000
    systemctl start fancyhwd-publish fancyhwd-record
    state_is fancyhwd-publish active
    state_is fancyhwd-record active
    equal 'the type' "$(property fancyhwd-record Type)" notify
    equal 'the watchdog' "$(property fancyhwd-record WatchdogUSec)" 30s
    eventually 10 'packets are stored' has_packets $CAPTURES 1000
    eventually 5 'the status has packets' status_has_packets
    eventually 5 'the status has the subscriber' says_subscriber
    note "$(systemctl status fancyhwd-record | sed -n 's/^ *Status: //p')"
}

says_subscriber() { systemctl status fancyhwd-publish | grep -q '^ *Status: "publishing .* sent, 0 lost, subscribers: 1"'; }

status_has_packets() {
    systemctl status fancyhwd-record | grep -Eq '^ *Status: "session [0-9]+: [1-9][0-9]* messages, .* 0 lost'
}

readable_by_group() {
    useradd -m member
    useradd -m stranger
    usermod -aG fancyhwd member
    equal 'what others may' "$(find $STATE -perm /o=rwx)" ''
    equal 'what the group may not read' "$(find $STATE -type f ! -name '*-lock' ! -perm -g=r)" ''
    # Whoever could open them could hold them.
    equal 'locks that others may open' "$(find $STATE -name '*-lock' -perm /g=rwx,o=rwx)" ''
    equal 'what the group may write' "$(find $STATE -perm /g=w)" ''
    runuser -u member -- fancyhwd session list --database $CAPTURES | grep -Eq 'open|recording'
    runuser -u member -- sqlite3 -readonly $CAPTURES 'SELECT count(*) FROM decoded_packets LIMIT 1' | grep -q '^[1-9]'
    refused runuser -u stranger -- fancyhwd session list --database $CAPTURES
    refused runuser -u stranger -- cat $CAPTURES
    refused runuser -u member -- sqlite3 $CAPTURES 'DELETE FROM sessions'
}

logs() {
    local lines
    lines=$(journalctl -u fancyhwd-record -u fancyhwd-publish -o cat)
    if grep -P '\x1b|^<|^[0-9]{4}-[0-9]{2}-' <<<"$lines"; then
        fail 'a line has a colour, a priority or a time stamp of its own'
    fi
    equal 'the priority of a beginning' "$(priority_of fancyhwd-record 'recording session 1 ')" 6
    systemctl stop fancyhwd-publish
    eventually 10 'the link is down' journal_has fancyhwd-record 'disconnected from'
    equal 'the priority of a link that is down' "$(priority_of fancyhwd-record 'disconnected from')" 4
    systemctl stop fancyhwd-record
    equal 'how it ended' "$(result_of fancyhwd-record)" 'success 0'
}

# Read to its end, because a broken pipe counts as a failure.
journal_has() { journalctl -u "$1" -o cat | grep -F -- "$2" >/dev/null; }

# A disk of 3 MB, and a queue of 1 MiB.
full_disk() {
    mkdir -p $STATE/small
    mount -t tmpfs -o size=3m,uid=fancyhwd,gid=fancyhwd,mode=0750 tmpfs $STATE/small
    settings record-small.env CONNECT=tcp://127.0.0.1:5601 DATABASE=$STATE/small/small.db QUEUE=1MiB
    settings publish.env BIND=tcp://127.0.0.1:5601 RATE=30000 WAIT_SUBSCRIBERS=1
    systemctl start fancyhwd-record@small fancyhwd-publish
    eventually 20 'the disk is full' journal_has fancyhwd-record@small 'trying again each second'
    equal 'the priority of a full disk' "$(priority_of fancyhwd-record@small 'trying again each second')" 3
    eventually 5 'the status says so' degraded
    eventually 20 'packets are lost' loses fancyhwd-record@small
    systemctl stop fancyhwd-publish
    mount -o remount,size=100m $STATE/small
    eventually 20 'the loss is in the journal' journal_has fancyhwd-record@small 'overflow'
    equal 'the priority of lost packets' "$(priority_of fancyhwd-record@small 'overflow')" 4
    systemctl stop fancyhwd-record@small
    equal 'how it ended' "$(result_of fancyhwd-record@small)" 'success 3'
    umount $STATE/small
}

degraded() { systemctl status fancyhwd-record@small | grep -q 'Status: "degraded'; }
loses() { systemctl status "$1" | grep -Eq ' [1-9][0-9]* lost'; }

# Two recorders of one device, which begin with the same packet. One gets a new session and is stopped in the middle, the
# other one is the witness of what it could have had.
burst() {
    local witness=$STATE/witness.db first stop_ns
    settings publish.env RATE=20000 ON_FULL=block WAIT_SUBSCRIBERS=2
    settings record-witness.env CONNECT=tcp://127.0.0.1:5555
    first=$(($(newest) + 1))
    systemctl start fancyhwd-record fancyhwd-record@witness fancyhwd-publish
    eventually 10 'packets are stored' holds $CAPTURES $first 5000
    systemctl reload fancyhwd-record
    eventually 10 'the next session has packets' holds $CAPTURES $((first + 1)) 5000
    stop_ns=$(date +%s%N)
    systemctl stop fancyhwd-record
    eventually 10 'the witness has more' has_packets $witness "$(ask $CAPTURES "SELECT 2000 + sum(messages) FROM sessions WHERE id >= $first")"
    systemctl stop fancyhwd-publish fancyhwd-record@witness
    equal 'how it ended' "$(result_of fancyhwd-record)" 'success 0'
    answers $CAPTURES "SELECT group_concat(end_reason, ' '), sum(lost), min(boot_id <> '') FROM sessions WHERE id >= $first" 'split stopped|0|1'
    # Packet by packet the same, from the first one to one that came after the stop was asked for.
    compare $witness $first "$stop_ns"
    fancyhwd session verify --all --database $CAPTURES
}

compare() {
    local sql="ATTACH 'file:$1?mode=ro' AS witness;
        CREATE TEMP VIEW pairs AS SELECT mine.id, mine.payload AS mine, theirs.payload AS theirs, theirs.received_unix_ns AS ns
            FROM main.messages AS mine LEFT JOIN witness.messages AS theirs
            ON theirs.id = mine.id - (SELECT first_id FROM main.sessions WHERE id = $2) + 1
            WHERE mine.id >= (SELECT first_id FROM main.sessions WHERE id = $2);
        SELECT count(*) > 10000, sum(mine IS theirs) = count(*), max(ns) >= $3, count(*) FROM pairs"
    local answer
    answer=$(sqlite3 -readonly "file:$CAPTURES?mode=ro" "$sql")
    equal 'whether enough, the same, and up to the stop' "${answer%|*}" '1|1|1'
    note "${answer##*|} packets in two sessions are the witness's"
}

killed() {
    local session pid began
    settings publish.env RATE=1000
    systemctl start fancyhwd-publish fancyhwd-record
    session=$(newest)
    eventually 10 'packets are stored' holds $CAPTURES "$session" 500
    pid=$(property fancyhwd-record MainPID)
    began=$(date +%s%N)
    systemctl kill -s KILL fancyhwd-record
    eventually 5 'it is back' main_pid_is_not fancyhwd-record "$pid"
    note "back after $((($(date +%s%N) - began) / 1000000)) ms"
    eventually 10 'it records' holds $CAPTURES $((session + 1)) 100
    is_whole_after_interruption $CAPTURES "$session"
    equal 'the priority of the gap' "$(priority_of fancyhwd-record "session $session ended (interrupted)")" 4
}

# The session that was cut off, and the gap behind it in its ledger.
is_whole_after_interruption() {
    answers "$1" "SELECT end_reason, messages >= 100 FROM sessions WHERE id = $2" 'interrupted|1'
    answers "$1" "SELECT kind, lost IS NULL, until_elapsed_ns > elapsed_ns FROM events WHERE session_id = $2 AND kind = 'gap'" 'gap|1|1'
    fancyhwd session verify --all --database "$1"
}

# While everything else goes on, the whole recorder stands still, and the writer of another one waits for its disk. A
# third one has no device at all.
hangs() {
    local name strace # the process of strace
    for name in still slow; do
        eventually 10 "$name records" holds $STATE/$name.db 1 100
    done
    systemctl kill -s STOP --kill-who main fancyhwd-record@still
    strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:delay_enter=60s \
        -p "$(property fancyhwd-record@slow MainPID)" &
    strace=$!
    eventually 10 'the slow one is killed' journal_has fancyhwd-record@slow 'Watchdog timeout'
    # What is traced ends when its tracer lets it.
    kill -KILL $strace
    for name in still slow; do
        eventually 15 "$name is started again" restarts_are fancyhwd-record@$name 1
        eventually 10 "$name records again" holds $STATE/$name.db 2 100
        is_whole_after_interruption $STATE/$name.db 1
        journal_has fancyhwd-record@$name 'Watchdog timeout'
    done
    systemctl stop fancyhwd-record@still fancyhwd-record@slow
}

restarts_are() { state_is "$1" active && [ "$(property "$1" NRestarts)" = "$2" ]; }

idles() {
    eventually 20 'the watchdog could have bitten three times' is_older fancyhwd-record@idle 12
    restarts_are fancyhwd-record@idle 0
    systemctl stop fancyhwd-record@idle
}

is_older() {
    local since_us
    since_us=$(property "$1" ActiveEnterTimestampMonotonic)
    awk -v since_us="$since_us" -v seconds="$2" '{ exit !($1 - since_us / 1000000 > seconds) }' /proc/uptime
}

wrong_settings() {
    settings record-wrong.env QUEUE=banana
    refused systemctl start fancyhwd-record@wrong
    state_is fancyhwd-record@wrong failed
    equal 'the status' "$(property fancyhwd-record@wrong ExecMainStatus)" 2
    equal 'restarts' "$(property fancyhwd-record@wrong NRestarts)" 0
    equal 'the priority of the reason' "$(priority_of fancyhwd-record@wrong --queue)" 3
    refused systemctl start fancyhwd-record@missing
    state_is fancyhwd-record@missing inactive
}

# Also by a label that a shell would take apart.
replays() {
    local unit label="half 50% of \$HOME"
    fancyhwd session label 1 "$label" --database $CAPTURES
    settings replay.env BIND=tcp://127.0.0.1:5602 WAIT_SUBSCRIBERS=1 SPEED=10
    settings record-again.env CONNECT=tcp://127.0.0.1:5602
    systemctl start fancyhwd-record@again
    for unit in fancyhwd-replay@1 "fancyhwd-replay@$(systemd-escape "$label")"; do
        systemctl start "$unit"
        eventually 20 'the replay is over' state_is "$unit" inactive
        equal 'how it ended' "$(result_of "$unit")" 'success 0'
        systemctl reload fancyhwd-record@again
    done
    eventually 5 'the replays are stored' holds $STATE/again.db 2 "$(ask $CAPTURES 'SELECT messages FROM sessions WHERE id = 1')"
    systemctl stop fancyhwd-record@again
    fancyhwd session diff 1 1 --database $CAPTURES --other $STATE/again.db
    fancyhwd session diff 1 2 --database $CAPTURES --other $STATE/again.db
}

# The device is there for the replay alone, and only as its group.
stays_awake() {
    make_device
    settings replay.env BIND=tcp://127.0.0.1:5602 TIMING_REPORT=$STATE/timing.json
    systemctl start fancyhwd-replay@1
    eventually 20 'the replay is over' state_is fancyhwd-replay@1 inactive
    equal 'how it ended' "$(result_of fancyhwd-replay@1)" 'success 0'
    grep -Eq '"processors_kept_awake": *true' $STATE/timing.json
    # Without the rule it may not, and goes on.
    chmod 600 /dev/cpu_dma_latency
    rm $STATE/timing.json
    systemctl start fancyhwd-replay@1
    eventually 20 'the replay is over' state_is fancyhwd-replay@1 inactive
    equal 'how it ended' "$(result_of fancyhwd-replay@1)" 'success 0'
    grep -Eq '"processors_kept_awake": *false' $STATE/timing.json
    rm /dev/cpu_dma_latency $STATE/timing.json
}

# Through a socket in the directory that the units share.
talks_by_path() {
    settings publish.env BIND=ipc:///run/fancyhwd/device RATE=1000
    settings record-path.env CONNECT=ipc:///run/fancyhwd/device
    systemctl restart fancyhwd-publish
    systemctl start fancyhwd-record@path
    eventually 10 'packets are stored' has_packets $STATE/path.db 100
    systemctl stop fancyhwd-record@path fancyhwd-publish
}

# A place that everybody may use, were it not for the sandbox.
prepare_probe() {
    local place
    mkdir -p /usr/lib/probe
    cp "$here/probe.pl" /usr/lib/probe
    cp "$(readlink -f /usr/bin/perl)" /usr/lib/probe/perl
    for place in /etc /home /opt /root /run /run/lock /srv /tmp /usr/share /var/cache /var/lib; do
        mkdir -p $place/probe
        touch $place/probe/file
        chmod 777 $place/probe
        chmod 666 $place/probe/file
    done
    chmod 711 /root
    touch /dev/probe
    chmod 666 /dev/probe
    ip address add 192.0.2.1/32 dev lo
}

prepare_and_probe_outside() {
    prepare_probe
    probe_outside
}

# Without the sandbox all of it can be done, or the probe would prove nothing.
probe_outside() {
    local said
    mkdir -p /run/probe
    said=$(cd / && (umask 022; /usr/lib/probe/perl /usr/lib/probe/probe.pl /run/probe))
    equal 'what is refused outside' "$(grep -v '^allowed' <<<"$said" || true)" ''
    note "$(grep -c . <<<"$said") things"
}

probe_inside() {
    local unit=$1 said
    systemctl stop "$unit"
    drop_in "${unit%1}" Type=oneshot Restart=no "StandardOutput=append:/run/probe.$unit" \
        ExecStart= "ExecStart=/usr/lib/probe/perl /usr/lib/probe/probe.pl $STATE"
    systemctl start "$unit"
    said=$(cat "/run/probe.$unit")
    rm "/run/systemd/system/${unit%1}.service.d/test.conf"
    systemctl daemon-reload
    equal 'what is allowed' "$(sed -n 's/^allowed //p' <<<"$said" | paste -sd ,)" 'reach this machine,write captures'
    note "$(grep -c '^refused' <<<"$said") things refused"
}

# The drop-in of the documentation, for this device.
opens_network() {
    settings record-far.env CONNECT=tcp://192.0.2.1:5603
    systemd-run --quiet --unit far-device fancyhwd publish --bind tcp://192.0.2.1:5603 --rate 1000
    mkdir -p /etc/systemd/system/fancyhwd-record@far.service.d
    sed 's|^IPAddressAllow=.*|IPAddressAllow=192.0.2.1|' /usr/share/doc/fancyhwd/examples/network.conf \
        >/etc/systemd/system/fancyhwd-record@far.service.d/network.conf
    systemctl daemon-reload
    systemctl start fancyhwd-record@far
    eventually 10 'packets are stored' has_packets $STATE/far.db 100
    systemctl stop fancyhwd-record@far far-device
}

# Keys that systemd gives to the service alone.
secured() {
    local pid secret
    fancyhwd keygen station --directory /etc/fancyhwd
    fancyhwd keygen device --directory /etc/fancyhwd
    mkdir /run/allowed
    cp /etc/fancyhwd/station.key /run/allowed
    settings record-secret.env CONNECT=tcp://127.0.0.1:5606 SERVER_KEY=/etc/fancyhwd/device.key
    drop_in fancyhwd-record@secret LoadCredential=key:/etc/fancyhwd/station.key_secret Environment=FANCYHWD_KEY=%d/key
    systemd-run --quiet --unit secret-device fancyhwd publish --bind tcp://127.0.0.1:5606 --rate 1000 \
        --key /etc/fancyhwd/device.key_secret --allow /run/allowed
    systemctl start fancyhwd-record@secret
    eventually 10 'packets are stored' has_packets $STATE/secret.db 100
    answers $STATE/secret.db 'SELECT security FROM endpoints' curve
    answers $STATE/secret.db 'SELECT peer_key FROM endpoints' "$(fancyhwd keygen --show /etc/fancyhwd/device.key)"
    # Nothing secret is anywhere else.
    pid=$(property fancyhwd-record@secret MainPID)
    secret=$(sed -n 's/.*secret-key = "\(.*\)"/\1/p' /etc/fancyhwd/station.key_secret)
    equal 'the length of the key' ${#secret} 40
    refused grep -aqF -- "$secret" /proc/"$pid"/environ /proc/"$pid"/cmdline $STATE/secret.db* $STATE/secret*-status
    refused journal_says fancyhwd-record@secret "$secret"
    equal 'the size of core files' "$(sed -n 's/^Max core file size *\([^ ]*\).*/\1/p' /proc/"$pid"/limits)" 0
    # Who is taken off the list is cut off, and comes back by itself.
    rm /run/allowed/station.key
    eventually 5 'it is cut off' journal_says fancyhwd-record@secret 'disconnected from'
    cp /etc/fancyhwd/station.key /run/allowed
    eventually 5 'it is back' answers $STATE/secret.db "SELECT count(*) > 1 FROM events WHERE kind = 'connected'" 1
    systemctl stop fancyhwd-record@secret secret-device
    rm /etc/fancyhwd/station.* /etc/fancyhwd/device.*
}

journal_says() {
    journalctl -u "$1" | grep -qF -- "$2"
}

upgrades() {
    local session pump packets
    settings publish.env RATE=1000
    settings record.env LABEL=mine
    settings record-pump.env CONNECT=tcp://127.0.0.1:5555
    systemctl restart fancyhwd-publish fancyhwd-record fancyhwd-record@pump
    session=$(newest)
    eventually 10 'packets are stored' holds $CAPTURES "$session" 100
    eventually 10 'packets are stored' holds $STATE/pump.db 1 100
    packets=$(ask $CAPTURES "SELECT sum(messages) FROM sessions WHERE id < $session")
    dpkg -i "$here/newer.deb"
    state_is fancyhwd-publish active
    eventually 10 'the recorder is back' holds $CAPTURES $((session + 1)) 100
    eventually 10 'the one with a name, too' holds $STATE/pump.db 2 100
    answers $CAPTURES "SELECT sum(messages) FROM sessions WHERE id < $session" "$packets"
    for pump in $CAPTURES:$session $STATE/pump.db:1; do
        answers "${pump%:*}" "SELECT end_reason FROM sessions WHERE id = ${pump#*:}" stopped
        answers "${pump%:*}" "SELECT count(*) FROM events WHERE kind = 'gap' AND session_id = ${pump#*:}" 1
    done
    equal 'the settings' "$(cat /etc/fancyhwd/record.env)" FANCYHWD_LABEL=mine
    equal 'the label' "$(ask $CAPTURES "SELECT label FROM sessions WHERE id = $session + 1")" mine
    note "$(ask $CAPTURES "SELECT printf('%.0f ms', (until_elapsed_ns - elapsed_ns) / 1e6) FROM events WHERE kind = 'gap' AND session_id = $session") not recorded"
}

removes() {
    systemctl enable fancyhwd-record fancyhwd-record@pump
    dpkg -r fancyhwd
    equal 'what runs' "$(grep -l fancyhwd /proc/[0-9]*/comm || true)" ''
    [ ! -e /usr/bin/fancyhwd ]
    [ -e /etc/fancyhwd/record.env ]
    [ -s $CAPTURES ]
}

purges() {
    dpkg -P fancyhwd
    [ ! -e /etc/fancyhwd ]
    [ ! -e /run/fancyhwd ]
    equal 'what is left of units' "$(find /etc/systemd /lib/systemd /var/lib/systemd -name '*fancyhwd*' ! -path '*.d/*' ! -name '*.d')" ''
    [ -s $CAPTURES ]
    sqlite3 $CAPTURES 'PRAGMA integrity_check' | grep -qx ok
}

# What README.md tells to type, in a root without captures.
readme() {
    local script
    rm -rf $STATE
    # shellcheck disable=SC2016 # the backquotes of Markdown
    script=$(sed -n '/^```console$/,/^```$/s/^# //p' "$here/README.md")
    equal 'the number of commands' "$(grep -c . <<<"$script")" 4
    cd "$here"
    bash -euxc "$script" | tee /dev/stderr | tail -n 1 | grep -Eq 'open|recording'
    state_is fancyhwd-record active
    systemctl is-enabled fancyhwd-record
}

# Nothing left behind where nothing was recorded.
purges_all() {
    systemctl stop fancyhwd-record
    rm -f $CAPTURES*
    dpkg -P fancyhwd
    [ ! -e $STATE ]
}

keep_results
check 'the package installs with dpkg' installs
check 'nothing is started or enabled that was not asked for' starts_nothing
check 'systemd-analyze verify is silent' verifies
check 'systemd-analyze security is at most 1.2' is_shut

# For `hangs` and `idles`, which take their time beside the rest.
for name in still slow idle; do
    settings record-$name.env CONNECT=tcp://127.0.0.1:5604 COMMIT_EVERY=20ms
    drop_in fancyhwd-record@$name WatchdogSec=4
done
settings record-idle.env CONNECT=tcp://127.0.0.1:1
systemctl start fancyhwd-record@idle fancyhwd-record@still fancyhwd-record@slow
systemd-run --quiet --unit hang-device fancyhwd publish --bind tcp://127.0.0.1:5604 --rate 1000
(check 'a recorder that hangs is started again, its data intact' hangs; exit $failures) >/run/hangs 2>&1 &
hangs=$!

check 'publish and record are active, and packets flow' starts
check 'captures are for the group only' readable_by_group
check 'the journal has the right priorities' logs
check 'a full disk is an error, a lost packet a warning' full_disk
check 'reload and stop in a burst lose nothing' burst
check 'a recorder that is killed is back within 5 s' killed
check 'wrong settings fail at once and are not tried again' wrong_settings
check 'a session is replayed to a subscriber' replays
check 'a replay keeps the processors awake without root' stays_awake
check 'units talk through /run/fancyhwd' talks_by_path
check 'the probe can do everything outside' prepare_and_probe_outside
for unit in fancyhwd-record fancyhwd-publish fancyhwd-replay@1; do
    check "the sandbox of $unit holds" probe_inside $unit
done
check 'a drop-in opens the network' opens_network
check 'a service gets its key from systemd alone' secured

wait $hangs || failures=$((failures + 1))
cat /run/hangs
systemctl stop hang-device
check 'a recorder without a device is not killed' idles

check 'an upgrade restarts the recorders and keeps captures' upgrades
check 'removing stops everything and keeps captures' removes
check 'purging keeps captures only' purges
check 'what README.md says works' readme
check 'purging leaves nothing where nothing was recorded' purges_all
[ $failures = 0 ]
