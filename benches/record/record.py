"""What one writes to record the device when there is no recorder: one loop, pyzmq and sqlite3.

usage: record.py ENDPOINT DATABASE COUNT
"""
import json
import sqlite3
import struct
import sys
import time

import zmq

endpoint, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

database = sqlite3.connect(path)
database.execute("PRAGMA journal_mode=WAL")
database.execute("CREATE TABLE packets (id INTEGER PRIMARY KEY, time INTEGER, topic TEXT, samples TEXT)")

socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.RCVHWM, 0)  # without limit: it must not lose what it is too slow for
socket.setsockopt(zmq.SUBSCRIBE, b"fancyhw_data")
socket.connect(endpoint)
print("READY", flush=True)

for number in range(1, count + 1):
    frames = socket.recv_multipart()
    now = time.time_ns()
    topic, payload = frames if len(frames) == 2 else frames[0].split(b" ", 1)
    samples = struct.unpack(f"<{len(payload) // 2}h", payload)
    database.execute("INSERT INTO packets VALUES (?, ?, ?, ?)", (number, now, topic.decode(), json.dumps(samples)))
    if number % 1_000 == 0:
        database.commit()
database.commit()
database.close()
