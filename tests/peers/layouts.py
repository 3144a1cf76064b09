"""Numbers of every type and byte order, with the values at their edges, and what numpy reads in them.

usage: layouts.py options               what `record` is told of them
       layouts.py publish ENDPOINT      send them to the first subscriber
       layouts.py check DATABASE        compare the view `samples` of a stock SQLite with numpy, bit for bit
"""

import json
import random
import sqlite3
import struct
import sys

import numpy as np

BYTES = {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int24": 3, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
         "float32": 4, "float64": 8}
MESSAGES = 25
random.seed(14)


def edges(kind):
    """The little-endian bytes of values at the edges of a type, and of some others."""
    size = BYTES[kind]
    if kind.startswith("float"):
        info = np.finfo(kind)
        tiny, least = info.tiny, info.smallest_subnormal
        values = [0.0, -0.0, 1.5, -1.5, info.max, -info.max, tiny, -tiny, least, -least, tiny - least, np.inf, -np.inf, np.nan, 0.1]
        fixed = [np.array(value, "<" + kind[0] + str(size)).tobytes() for value in values]
    else:
        fixed = [bytes(size), b"\xff" * size, b"\xff" * (size - 1) + b"\x7f", bytes(size - 1) + b"\x80", b"\1" + bytes(size - 1)]
    return fixed + [random.randbytes(size) for _ in range(10)]


EDGES = {kind: edges(kind) for kind in BYTES}


class Frame:
    """The bytes of a frame and the numbers in it: (record, channel, type, little-endian bytes)."""

    def __init__(self):
        self.bytes, self.numbers = b"", []

    def add(self, fields, record, channel):
        for field in fields:
            if field == "pad":
                self.bytes += b"P"
                continue
            kind, is_big = field.removesuffix("-be"), field.endswith("-be")
            value = next(VALUES[kind])
            self.bytes += value[::-1] if is_big else value
            self.numbers.append((record, channel, kind, value))
            channel += 1
        return channel


def endless(values):
    while True:
        yield from values


VALUES = {kind: endless(EDGES[kind]) for kind in BYTES}


def numbers(header, record, records, channel):
    frame = Frame()
    channel = frame.add(header, None, channel)
    for number in range(records):
        after = frame.add(record, number, channel)
    return frame, (after if records else channel + sum(field != "pad" for field in record))


def text(words):
    frame = Frame()
    frame.bytes = words
    return frame


def topics():
    """Topic, layout, and a maker of frames."""
    for kind in BYTES:
        for order in ("", "-be"):
            of = kind + order
            yield of, f"{of}x2/{of},pad,{of}", lambda i, of=of: [numbers([of, of], [of, "pad", of], 4, 0)[0]]
    mixed = ["uint32", "uint64-be"], ["int24", "float32-be", "pad", "pad", "float64"]
    yield "mixed", "uint32,uint64-be/int24,float32-be,padx2,float64", lambda i: [numbers(*mixed, i % 4, 0)[0]]

    def parts(i):
        first, channel = numbers([], ["int16", "int16"], 1 + i % 3, 0)
        # The last part serves all further frames.
        return [text(b'{"n": %d}' % i), first] + [numbers([], ["float64-be"], 2, channel)[0] for _ in range(1 + i % 3)]

    yield "parts", "json+int16x2+float64-be", parts
    for kind in BYTES:
        if kind != "int24":
            for order in "<>":
                def array(i, kind=kind, order=order):
                    name = order + kind[0] + str(BYTES[kind])
                    frame = numbers([], [kind + ("-be" if order == ">" else "")], 1 + i % 5, 0)[0]
                    described = {"dtype": name, "shape": [1, len(frame.numbers)]}
                    return [text(json.dumps(described).encode()), frame]

                yield f"array.{kind}.{'big' if order == '>' else 'little'}", "ndarray", array


def messages():
    made = list(topics())
    return [(topic, make(i)) for i in range(MESSAGES) for topic, _, make in made]


def expected(kind, value):
    if kind == "int24":
        return int.from_bytes(value, "little", signed=True)
    number = np.frombuffer(value, ("u" if kind[0] == "u" else kind[0]).join(["<", str(BYTES[kind])]))[0]
    if kind.startswith("float"):
        return None if np.isnan(number) else float(number)
    return str(number) if int(number) > 2**63 - 1 else int(number)


def is_same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other)
    return type(one) is type(other) and one == other


def check(database):
    rows = sqlite3.connect(database).execute("SELECT message_id, part, record, channel, raw FROM samples")
    found = {tuple(row[:4]): row[4] for row in rows}
    count = 0
    for number, (topic, frames) in enumerate(messages(), 1):
        for part, frame in enumerate(frames):
            for record, channel, kind, value in frame.numbers:
                raw = found.pop((number, part, record, f"ch{channel}"))
                assert is_same(raw, expected(kind, value)), (topic, part, record, channel, value.hex(), raw)
                count += 1
    assert not found, found
    print(count, "numbers are the same")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "options":
        for topic, layout, _ in topics():
            print(f"--layout={topic}={layout}")
    elif command == "publish":
        import zmq

        context = zmq.Context()
        socket = context.socket(zmq.XPUB)
        socket.sndhwm = 0
        socket.bind(arguments[0])
        socket.recv()
        for topic, frames in messages():
            socket.send_multipart([topic.encode()] + [frame.bytes for frame in frames])
        print(len(messages()))
        # Python does not wait until all is sent.
        socket.close()
        context.term()
    else:
        check(arguments[0])
