"""Devices as they are met in the field, with what the usual libraries put on the wire.

usage: devices.py DEVICE COUNT ENDPOINT...

Binds its endpoints, waits until each has a subscriber, calls the device COUNT times, and prints every message as a JSON list:
the number of its endpoint, then its frames in hexadecimal.
"""

import hashlib
import json
import logging
import os
import pickle
import random
import struct
import sys

import zmq
from zmq.log.handlers import PUBHandler

random.seed(14)


class Socket(zmq.Socket):
    """A PUB socket that says what it sends."""

    number = 0

    def subscribed(self):
        # Each topic that is asked for is a subscription of its own.
        for _ in range(int(os.environ.get("SUBSCRIPTIONS", "1"))):
            assert self.recv()[0] == 1

    def send_multipart(self, frames, **options):
        print(json.dumps([self.number] + [bytes(frame).hex() for frame in frames]))
        return super().send_multipart(frames, **options)

    def frame(self, *frames):
        self.send_multipart(list(frames))


def array(kind, values):
    return struct.pack(f"<{len(values)}{kind}", *values)


def numpy_array(dtype, kind, values, *topic):
    """The recipe of pyzmq's documentation, `send_array`."""
    return *topic, json.dumps({"dtype": dtype, "shape": [len(values)]}).encode(), array(kind, values)


def open_ephys(sockets, i):
    """The ZMQ Interface plugin: topics with a final NUL, a JSON header, float32 samples of one channel."""
    content = {"stream": "acq_board-100.acquisition_board", "channel_num": i % 4, "num_samples": 64, "sample_rate": 30000.0}
    header = {"message_num": i, "type": "data", "content": content, "data_size": 256, "timestamp": 1790000000000 + i}
    sockets[0].frame(b"DATA\0", json.dumps(header).encode(), array("f", [i + k / 64 for k in range(64)]))
    if i % 5 == 0:
        event = {"message_num": i, "type": "event", "content": {"stream": "acq", "type": 3}, "data_size": 9}
        sockets[0].frame(b"EVENT\0", json.dumps(event).encode(), bytes(9))


def area_detector(sockets, i):
    """ADZMQ: a JSON header that describes the array which follows."""
    header = {"htype": "array-1.0", "type": "uint16", "shape": [8, 8], "frame": i, "encoding": "", "ndattr": {"ColorMode": 0}}
    sockets[0].frame(json.dumps(header).encode(), array("H", [i] * 64))


def bitcoind(sockets, i):
    """Topic, body, and a sequence number."""
    sockets[0].frame(b"hashtx", hashlib.sha256(b"%d" % i).digest(), struct.pack("<I", i))
    sockets[0].frame(b"rawtx", random.randbytes(250), struct.pack("<I", i))


def pupil(sockets, i):
    """Topic, MessagePack, and a picture for some topics."""
    fix = b"\x81\xa5topic\xaapupil.0.2d" + bytes([i])
    sockets[0].frame(b"pupil.0.2d", fix)
    sockets[0].frame(b"frame.eye.0", b"\x81\xa5index" + bytes([i]), random.randbytes(1024))


def cereal(sockets, i):
    """Cap'n Proto without a topic: one segment of four words."""
    sockets[0].frame(struct.pack("<IIQQQd", 0, 4, 0x0001000200000000, 10**9 * i, 1, i / 3))


def bonsai(sockets, i):
    """Address and a double in two frames, or as one text."""
    sockets[0].frame(b"Lick", struct.pack("<d", i * 0.1))


def bonsai_text(sockets, i):
    sockets[0].frame(b"Lick %d" % i)


def gnss_sdr(sockets, i):
    """int8 I and Q without a topic."""
    sockets[0].frame(random.randbytes(1920))


def weather_server(sockets, i):
    """wuserver of the ZeroMQ guide."""
    place = random.choice([10001, 59937, 90210])
    sockets[0].send_string("%i %i %i" % (place, random.randint(-80, 135), random.randint(10, 60)))


def envelope_publisher(sockets, i):
    """psenvpub of the ZeroMQ guide."""
    sockets[0].frame(b"A", b"We don't want to see this")
    sockets[0].frame(b"B", b"We would like to see this")


def keyed(sockets, i):
    """GNU Radio's key and data in two frames; one key begins with another."""
    for key in (b"rx0", b"rx01", b"rx1"):
        sockets[0].frame(key, struct.pack("<4h", i, -1, 2, 3))


def keyed_in_one_frame(sockets, i):
    for key in (b"rx0", b"rx01", b"rx1"):
        sockets[0].frame(key + b" " + struct.pack("<4h", i, -1, 2, 3))


def pickled(sockets, i):
    """The topic is inside the pickle."""
    sockets[0].send_pyobj(["event", {"a": i}])


def services(sockets, i):
    """A port for each service, without topics."""
    sockets[0].frame(b"\0carState" + bytes([i]))
    sockets[1].frame(b"\0can" + bytes([i]))


def twins(sockets, i):
    """Two devices of the same kind."""
    for number, socket in enumerate(sockets):
        socket.frame(b"imu", array("f", [i, number, -2.25]))


ONE_LINERS = {
    "string": lambda s, i: s.send_string(f"hello{i}"),
    "string_with_topic": lambda s, i: s.send_string(f"temp {20 + i / 10:.1f}"),
    "json": lambda s, i: s.send_json({"t": i, "v": i * 0.5}),
    "json_with_topic": lambda s, i: s.send_string("sensor/1 " + json.dumps({"t": i, "v": i * 0.5})),
    "json_in_two_frames": lambda s, i: s.frame(b"sensor/1", json.dumps({"t": i}).encode()),
    "pyobj": lambda s, i: s.send_pyobj({"t": i, "v": [i] * 3}),
    "numpy": lambda s, i: s.frame(*numpy_array("int16", "h", range(i, i + 16))),
    "numpy_with_topic": lambda s, i: s.frame(*numpy_array("float32", "f", range(i, i + 16), b"cam0")),
    "float32": lambda s, i: s.frame(b"imu " + array("f", [i, 1.5, -2.25])),
    "big_endian": lambda s, i: s.frame(b"adc " + struct.pack(">3h", i, 256, -2)),
    "int24": lambda s, i: s.frame(b"eeg " + b"".join(v.to_bytes(3, "little", signed=True) for v in (i, -i, 100000))),
    "struct_without_topic": lambda s, i: s.frame(struct.pack("<Qhhhh", i, 1, 2, 3, 32)),
    "empty_frame": lambda s, i: s.frame(b""),
    "topic_and_empty_body": lambda s, i: s.frame(b"tick", b""),
    "tab_separated": lambda s, i: s.frame(b"adc\t" + struct.pack("<4h", i, 1, 2, 3)),
    "colon": lambda s, i: s.frame(b"dev:" + struct.pack("<4h", i, 1, 2, 3)),
}

# What the one-liners of pyzmq send goes through `send`.
for name in ("send_string", "send_json", "send_pyobj"):
    serialize = {
        "send_string": lambda text: text.encode(),
        "send_json": lambda value: json.dumps(value, separators=(",", ":")).encode(),
        "send_pyobj": lambda value: pickle.dumps(value, -1),
    }[name]
    setattr(Socket, name, lambda self, value, serialize=serialize: self.frame(serialize(value)))


def log_handler(count, endpoint):
    """Python's logging by way of pyzmq: topic.level, then the line."""
    context = zmq.Context()
    socket = bound(context, endpoint, 1)
    handler = PUBHandler(socket)
    handler.root_topic = "app"
    logger = logging.getLogger("device")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    for i in range(count):
        logger.debug("take_reading %d", i)
        logger.error("starting cycle %d...done.", i)
    end(context, [socket])


def bound(context, endpoint, number):
    # An XPUB sends what a PUB does, and tells of its subscribers.
    socket = Socket(context, zmq.XPUB)
    socket.number = number
    socket.sndhwm = 0
    socket.bind(endpoint)
    socket.subscribed()
    return socket


def end(context, sockets):
    """Let all be sent before the process ends: Python does not wait for it."""
    for socket in sockets:
        socket.close()
    context.term()


device, count, endpoints = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
if device == "log_handler":
    log_handler(count, endpoints[0])
else:
    context = zmq.Context()
    sockets = [bound(context, endpoint, number) for number, endpoint in enumerate(endpoints, 1)]
    for i in range(count):
        if device in ONE_LINERS:
            ONE_LINERS[device](sockets[0], i)
        else:
            globals()[device](sockets, i)
    end(context, sockets)
