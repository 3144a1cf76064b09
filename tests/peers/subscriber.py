"""A program that reads the device, as its user would write it: plain pyzmq.

usage: subscriber.py ENDPOINT COUNT

Prints the samples of COUNT packets, each as a JSON array, and then the seconds between the first and the last arrival.
"""

import json
import struct
import sys
import time

import zmq

endpoint, count = sys.argv[1], int(sys.argv[2])
socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b"fancyhw_data ")
socket.setsockopt(zmq.RCVTIMEO, 60_000)
socket.setsockopt(zmq.RCVHWM, 0)
socket.connect(endpoint)
packets, arrivals_ns = [], []
while len(packets) < count:
    packets.append(socket.recv())
    arrivals_ns.append(time.monotonic_ns())
for packet in packets:
    topic, payload = packet.split(b" ", 1)
    assert topic == b"fancyhw_data"
    print(json.dumps(struct.unpack(f"<{len(payload) // 2}h", payload), separators=(",", ":")))
print((arrivals_ns[-1] - arrivals_ns[0]) / 1e9)
