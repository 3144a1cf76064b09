#!/usr/bin/env bash
# Inside the container: the rpm package from its installation to its end.
# usage: rpm.sh DIRECTORY, with fancyhwd.rpm, newer.rpm and checks.sh
set -euo pipefail

here=$1
# shellcheck source=tests/service/checks.sh
. "$here/checks.sh"

# The database of rpm knows nothing of the libraries that are here as Debian packages.
installs() {
    rpm -qp --requires "$here/fancyhwd.rpm" | grep -q '^libzmq\.so\.5'
    rpm -i --nodeps "$here/fancyhwd.rpm"
    rpm -V --nodeps fancyhwd
    getent passwd fancyhwd
    equal 'the mode of the state directory' "$(stat -c '%U:%G %a' $STATE)" 'fancyhwd:fancyhwd 750'
    equal 'the settings' "$(rpm -q --configfiles fancyhwd | xargs)" \
        '/etc/fancyhwd/publish.env /etc/fancyhwd/record.env /etc/fancyhwd/replay.env /etc/fancyhwd/serve.env'
    equal 'what runs' "$(systemctl list-units --all --plain --no-legend 'fancyhwd*')" ''
    equal 'what systemd-analyze says' "$(systemd-analyze verify --man=no fancyhwd-{publish,record,record@a,replay@1,serve}.service 2>&1)" ''
}

records() {
    settings publish.env RATE=1000
    settings record-pump.env CONNECT=tcp://127.0.0.1:5555
    systemctl enable --now fancyhwd-publish fancyhwd-record fancyhwd-record@pump
    eventually 10 'packets are stored' has_packets $CAPTURES 100
    eventually 10 'packets are stored' has_packets $STATE/pump.db 100
}

restarts() {
    local pid
    pid=$(property fancyhwd-record MainPID)
    rpm -U --nodeps "$here/newer.rpm"
    equal 'the version' "$(rpm -q --qf '%{VERSION}' fancyhwd)" "$(rpm -qp --qf '%{VERSION}' "$here/newer.rpm")"
    eventually 10 'it is restarted' main_pid_is_not fancyhwd-record "$pid"
    equal 'the settings' "$(cat /etc/fancyhwd/publish.env)" FANCYHWD_RATE=1000
    eventually 10 'it records' holds $CAPTURES 2 100
    answers $CAPTURES "SELECT end_reason FROM sessions WHERE id = 1" stopped
}

erases() {
    rpm -e fancyhwd
    equal 'what runs' "$(grep -l fancyhwd /proc/[0-9]*/comm || true)" ''
    [ ! -e /usr/bin/fancyhwd ]
    [ ! -e /usr/lib/systemd/system/fancyhwd-record.service ]
    [ ! -e /etc/systemd/system/multi-user.target.wants/fancyhwd-record.service ]
    [ -e /etc/fancyhwd/publish.env.rpmsave ]
    [ -s $CAPTURES ]
}

check 'the rpm installs, and starts nothing' installs
check 'the units of the rpm record' records
check 'an upgrade of the rpm restarts the recorders and keeps settings' restarts
check 'erasing the rpm stops everything and keeps captures' erases
[ $failures = 0 ]
