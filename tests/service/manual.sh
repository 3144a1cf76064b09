#!/usr/bin/env bash
# Inside the container: the examples of fancyhwd(8), and that of fancyhwd-serve(1) for two machines, as they stand there.
# usage: manual.sh DIRECTORY, with fancyhwd.deb and checks.sh
set -euo pipefail

here=$1
# shellcheck source=tests/service/checks.sh
. "$here/checks.sh"

# example PAGE TEXT: the example of a manual page that has this text in it.
example() {
    zcat "/usr/share/man/man${1##*.}/$1.gz" | sed 's/\\-/-/g; s/\\f[BIR]//g' |
        awk -v text="$2" '
            $0 == ".EX" { block = ""; next }
            $0 == ".EE" && index(block, text) && !found++ { printf "%s", block }
            { block = block $0 "\n" }'
}

# type_example PAGE TEXT: as somebody who types it.
type_example() { bash -euxc "$(example "$@")"; }

# edit UNIT TEXT: as `systemctl edit` keeps what is typed there.
edit() {
    mkdir -p "/etc/systemd/system/$1.d"
    example fancyhwd.8 "$2" | tee /dev/stderr >"/etc/systemd/system/$1.d/override.conf"
    systemctl daemon-reload
}

installs() {
    dpkg -i "$here/fancyhwd.deb"
    equal 'the number of examples' "$(zcat /usr/share/man/man8/fancyhwd.8.gz | grep -c '^\.EX$')" 12
}

begins() {
    settings publish.env RATE=1000
    systemctl start fancyhwd-publish
    type_example fancyhwd.8 'systemctl status' | grep -Eq 'open|recording'
    eventually 10 'packets are stored' has_packets $CAPTURES 100
    type_example fancyhwd.8 '-p warning'
}

has_members() {
    useradd -m anna
    bash -euxc "$(example fancyhwd.8 adduser | sed 's/USER/anna/')"
    runuser -u anna -- fancyhwd session list | grep -Eq 'open|recording'
    systemctl reload fancyhwd-record
    eventually 10 'the first session has ended' answers $CAPTURES 'SELECT end_reason FROM sessions WHERE id = 1' split
    type_example fancyhwd.8 runuser
    answers $CAPTURES 'SELECT label FROM sessions WHERE id = 1' warm-up
}

opens_network() {
    local session
    ip address add 192.168.1.20/32 dev lo
    systemd-run --quiet --unit device fancyhwd publish --bind tcp://192.168.1.20:5555 --rate 1000
    settings record.env CONNECT=tcp://192.168.1.20:5555
    edit fancyhwd-record.service IPAddressAllow
    session=$(($(newest) + 1))
    systemctl restart fancyhwd-record
    eventually 10 'packets are stored' holds $CAPTURES $session 100
    type_example fancyhwd.8 'ENDPOINT=' | grep -Eq 'EVENT=connected'
    systemctl stop device
}

has_keys() {
    local session
    fancyhwd keygen record --directory /etc/fancyhwd
    fancyhwd keygen device --directory /etc/fancyhwd
    mkdir /run/allowed
    cp /etc/fancyhwd/record.key /run/allowed
    systemd-run --quiet --unit secret-device fancyhwd publish --bind tcp://127.0.0.1:5606 --rate 1000 \
        --key /etc/fancyhwd/device.key_secret --allow /run/allowed
    settings record.env CONNECT=tcp://127.0.0.1:5606 SERVER_KEY=/etc/fancyhwd/device.key
    edit fancyhwd-record.service LoadCredential
    session=$(($(newest) + 1))
    systemctl restart fancyhwd-record
    eventually 10 'packets are stored' holds $CAPTURES $session 100
    answers $CAPTURES "SELECT security FROM endpoints WHERE session_id = $session" curve
    systemctl stop secret-device
}

records_elsewhere() {
    mkdir /srv/captures
    chown fancyhwd: /srv/captures
    settings record.env DATABASE=/srv/captures/captures.db
    edit fancyhwd-record.service ReadWritePaths
    systemctl restart fancyhwd-record
    eventually 10 'packets are stored' has_packets /srv/captures/captures.db 100
    systemctl stop fancyhwd-record fancyhwd-publish
}

# From another network, whose only way to the station is SSH.
reaches_by_ssh() {
    install -d -m 700 ~/.ssh
    ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
    cp ~/.ssh/id_ed25519.pub ~/.ssh/authorized_keys
    cat >~/.ssh/config <<'END'
Host station
    StrictHostKeyChecking no
    ProxyCommand nsenter --net=/proc/1/ns/net /usr/sbin/sshd -i
END
    # shellcheck disable=SC2016 # for the other shell
    unshare --net bash -euxc 'ip link set lo up
        script -qec "$1" /dev/null &
        trap "kill $!" EXIT
        curl -fsS --retry 20 --retry-delay 1 --retry-all-errors http://127.0.0.1:8080/ | grep -q warm-up' bash "$(example fancyhwd-serve.1 'ssh ')"
    # What was started over there ends with the connection.
    eventually 10 'nothing is left at the station' nothing_runs
}

nothing_runs() { equal 'what runs' "$(grep -lx fancyhwd /proc/[0-9]*/comm || true)" ''; }

# Whoever edits writes where the device is.
records_two() {
    local name
    cat >/usr/bin/editor <<'END'
#!/bin/sh
for file; do echo FANCYHWD_CONNECT=tcp://127.0.0.1:5555 >"$file"; done
END
    chmod +x /usr/bin/editor
    settings publish.env RATE=1000
    systemctl start fancyhwd-publish
    type_example fancyhwd.8 record-left
    for name in left right; do
        eventually 10 "packets of $name are stored" has_packets $STATE/$name.db 100
    done
    systemctl stop fancyhwd-record@left fancyhwd-record@right fancyhwd-publish
}

replays() {
    settings replay.env SPEED=10
    type_example fancyhwd.8 'fancyhwd-replay@latest'
    eventually 20 'the replay is over' state_is fancyhwd-replay@latest inactive
    equal 'how it ended' "$(result_of fancyhwd-replay@latest)" 'success 0'
}

shows() {
    edit fancyhwd-serve.socket ListenStream
    systemctl start fancyhwd-serve.socket
    curl -fsS http://127.0.0.1:9000/ | grep -q warm-up
    systemctl stop fancyhwd-serve.socket fancyhwd-serve.service
    rm /etc/systemd/system/fancyhwd-serve.socket.d/override.conf
    systemctl daemon-reload
}

# A person of this name, with a password.
is_behind_proxy() {
    local page=https://station.example/
    openssl req -x509 -newkey ed25519 -nodes -days 1 -subj /CN=station.example -addext subjectAltName=DNS:station.example \
        -out /etc/ssl/station.pem -keyout /etc/ssl/private/station.key
    printf 'anna:%s\n' "$(openssl passwd -apr1 secret)" >/etc/nginx/captures.htpasswd
    example fancyhwd.8 'proxy_pass' >/etc/nginx/conf.d/station.conf
    systemctl start fancyhwd-serve.socket
    systemctl restart nginx
    ask_proxy -u anna:secret $page | grep -q warm-up
    ask_proxy -u anna:secret ${page}metrics | grep -q '^fancyhwd_'
    refused ask_proxy $page
    refused ask_proxy -u anna:wrong $page
    systemctl stop nginx fancyhwd-serve.socket fancyhwd-serve.service
}

ask_proxy() { curl -fsS --cacert /etc/ssl/station.pem --resolve station.example:443:127.0.0.1 "$@"; }

keep_results
check 'the package has a manual' installs
check 'the first example of fancyhwd(8) records' begins
check 'its example lets somebody read captures' has_members
check 'its drop-in opens the network' opens_network
check 'its drop-in gives a key to a service' has_keys
check 'its drop-in lets captures be elsewhere' records_elsewhere
check 'the pages are reached over SSH' reaches_by_ssh
check 'its example records two devices' records_two
check 'its example replays' replays
check 'its drop-in moves the pages' shows
check 'its proxy has a password and encryption' is_behind_proxy
[ $failures = 0 ]
