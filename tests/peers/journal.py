"""Stands for the journal while a program runs: prints each entry that comes in its own protocol as a line of JSON."""
import json
import os
import socket
import subprocess
import sys

os.makedirs("/run/systemd/journal", exist_ok=True)
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
with open("stderr", "wb") as stderr:
    stream = os.fstat(stderr.fileno())
    named = dict(os.environ, JOURNAL_STREAM=f"{stream.st_dev}:{stream.st_ino}")
    program = subprocess.Popen(sys.argv[1:], stderr=stderr, env=named)


def entry(data):
    fields = {}
    while data:
        line, data = data.split(b"\n", 1)
        name, sign, value = line.partition(b"=")
        if not sign:
            length = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + length], data[8 + length + 1 :]
        fields[name.decode()] = value.decode()
    return fields


journal.settimeout(0.1)
has_ended = False
while True:
    try:
        data = journal.recv(1 << 20)
        if data:
            print(json.dumps(entry(data)), flush=True)
    except TimeoutError:
        if has_ended:
            break
        # What it sent before its end is taken first.
        has_ended = program.poll() is not None
sys.exit(program.returncode)
