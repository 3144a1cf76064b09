"""Read what was exported of sessions in every format, and compare it with what was sent, without any code of ours.

usage: formats.py FOLDER...: each has sent.json and the exports. Prints how many messages there are, and how many numbers were compared.

sent.json has the streams (endpoint, framing, topic in hexadecimal, layout, channels: name, unit, scale, offset) and the messages
(stream, unix_ns, elapsed_ns, all frames in hexadecimal), and which stream each sound is of.
"""

import base64
import csv
import json
import math
import re
import struct
import sys
import wave
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from mcap.reader import NonSeekingReader

import npz

SIZES = {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int24": 3, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
         "float32": 4, "float64": 8}
compared = {"messages": 0, "numbers": 0}


class Number:
    """A number as it was sent: its type and its bytes, the least significant first."""

    def __init__(self, kind, data):
        self.kind, self.is_float = kind, kind.startswith("float")
        self.value = (struct.unpack("<f" if len(data) == 4 else "<d", data)[0] if self.is_float
                      else int.from_bytes(data, "little", signed=not kind.startswith("u")))

    def is_text(self, text):
        """Whether this text is it: exactly, but that there is one NaN only."""
        if not self.is_float:
            return text == str(self.value)
        if math.isnan(self.value):
            return text == "null"
        if math.isinf(self.value):
            return text == ("1e999" if self.value > 0 else "-1e999")
        found = np.float32(text) if self.kind == "float32" else float(text)
        return found == self.value and math.copysign(1, found) == math.copysign(1, self.value)

    def is_value(self, value):
        """Whether a library gave it."""
        return value is None or math.isnan(value) if self.is_float and math.isnan(self.value) else (
            value == self.value and math.copysign(1, value) == math.copysign(1, self.value))


class Scaled(Number):
    """The same in its unit."""

    def __init__(self, number, scale, offset):
        self.kind, self.is_float = "float64", True
        self.value = float(number.value) * scale + offset


def fields(text):
    """Types, one behind the other; None is a byte that is skipped."""
    for field in filter(None, text.split(",")):
        name, _, count = field.partition("x")
        for _ in range(int(count or 1)):
            yield None if name == "pad" else name


class Part:
    """How a frame is read."""

    def __init__(self, text):
        self.word = text if text in ("bytes", "text", "json", "ndarray") else "numbers"
        if self.word == "numbers":
            header, _, record = text.rpartition("/")
            self.header, self.record = list(fields(header)), list(fields(record))
        self.count = {"numbers": lambda: sum(kind is not None for kind in self.header + self.record), "ndarray": lambda: 1}.get(
            self.word, lambda: 0)()


def size(kinds):
    return sum(1 if kind is None else SIZES[kind.removesuffix("-be")] for kind in kinds)


def take(kinds, data):
    """The numbers of these types in `data`."""
    found = []
    for kind in kinds:
        length = size([kind])
        one, data = data[:length], data[length:]
        if kind is not None:
            found.append(Number(kind.removesuffix("-be"), one[::-1] if kind.endswith("-be") else one))
    return found


def array_of(text, data):
    """The numbers of an array as pyzmq sends it, or None."""
    try:
        about = json.loads(text)
        kind = about["dtype"]
        count = math.prod(about["shape"])
    except (ValueError, KeyError, TypeError):
        return None
    if len(data) != count * size([kind]):
        return None
    return take([kind] * count, data)


def decode(parts, frames):
    """What each frame holds: (part, word, content), or None where the layout cannot read them."""
    found, place, rest = [], 0, list(frames)
    while rest:
        frame, at = rest.pop(0), min(place, len(parts) - 1)
        part = parts[at]
        place += 1
        if part.word == "bytes":
            found.append((at, "bytes", frame))
        elif part.word in ("text", "json"):
            try:
                text = frame.decode()
                if part.word == "json":
                    json.loads(text)
            except ValueError:
                return None
            found.append((at, part.word, text))
        elif part.word == "ndarray":
            numbers = array_of(frame, rest.pop(0)) if rest else None
            if numbers is None:
                return None
            found.append((at, "ndarray", (frame.decode(), numbers)))
        else:
            header, record = size(part.header), size(part.record)
            if len(frame) < header or (len(frame) - header) % record:
                return None
            records = [take(part.record, frame[at:at + record]) for at in range(header, len(frame), record)]
            found.append((at, "numbers", (take(part.header, frame[:header]), records)))
    return None if any(part.word != "bytes" for part in parts[place:]) else found


def only(taken, name):
    """A name that is not taken yet."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


class Stream:
    """What is known of a stream, and the columns of a table of it: name, unit, and whether it is scaled."""

    def __init__(self, about):
        self.about = about
        self.topic = bytes.fromhex(about["topic_hex"])
        self.name = self.topic.removesuffix(b"\0")
        self.parts = [Part(part) for part in about["layout"].split("+")]
        count = sum(part.count for part in self.parts)
        channels = about["channels"] or [[f"ch{place}", None, 1.0, 0.0] for place in range(count)]
        assert len(channels) == count, about
        taken, left = {"time", "elapsed_s", "endpoint", "topic", "number"}, iter(channels)
        self.channels, self.columns = [], []
        for place, part in enumerate(self.parts):
            mine = [next(left) for _ in range(part.count)]
            self.channels.append(mine)
            names = []
            if part.word in ("bytes", "text", "json"):
                names.append((only(taken, part.word + (str(place) if len(self.parts) > 1 else "")), None))
            elif part.word == "ndarray":
                names.append((only(taken, f"{mine[0][0]}_array"), None))
            for name, unit, _, _ in mine:
                names.append((only(taken, name), unit))
            self.columns.append(names)

    def frames(self, frames):
        """The frames behind the topic."""
        if self.about["framing"] == "space":
            return [frames[0][len(self.topic) + 1:]]
        return frames[1:] if self.about["framing"] == "frames" else frames

    def scaled(self, part, place, number, is_raw):
        _, _, scale, offset = self.channels[part][place]
        return number if is_raw or (scale, offset) == (1.0, 0.0) else Scaled(number, scale, offset)

    def cells(self, content, is_raw=False):
        """The values of each column, by its name."""
        found = {column: [] for columns in self.columns for column, _ in columns}
        for part, word, what in content:
            names = [name for name, _ in self.columns[part]]
            if word == "numbers":
                header, records = what
                for row, before in [(header, 0)] + [(record, len(header)) for record in records]:
                    for place, number in enumerate(row, before):
                        found[names[place]].append(self.scaled(part, place, number, is_raw))
            elif word == "ndarray":
                found[names[0]].append(("json", what[0]))
                found[names[1]] += [self.scaled(part, 0, number, is_raw) for number in what[1]]
            else:
                found[names[0]].append((word, what))
        compared["numbers"] += sum(isinstance(value, Number) for values in found.values() for value in values)
        return found


class Message:
    def __init__(self, about, streams, number):
        self.number, self.stream = number, streams[about["stream"]]
        self.unix_ns, self.elapsed_ns = about["unix_ns"], about["elapsed_ns"]
        self.all = [bytes.fromhex(frame) for frame in about["frames"]]
        self.frames = self.stream.frames(self.all)
        self.content = decode(self.stream.parts, self.frames)


def plain(text):
    """The bytes of a cell of a table."""
    known = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t", "0": "\0"}

    def one(found):
        word = found[1]
        if word in known:
            return known[word].encode()
        return bytes([int(word[1:], 16)]) if word[0] == "x" else chr(int(word[2:-1], 16)).encode()

    pieces = re.split(r"(\\(?:[\\nrt0]|x[0-9a-f]{2}|u\{[0-9a-f]+\}))", text)
    return b"".join(one(re.match(r"\\(.*)", piece, re.S)) if place % 2 else piece.encode() for place, piece in enumerate(pieces))


def same_json(found, expected):
    """Whether two values of JSON are the same, numbers with all their digits."""
    exact = {"parse_float": str, "parse_int": str}
    return json.loads(found, **exact) == json.loads(expected, **exact)


def is_text(text, values):
    """Whether the text of a cell is these values."""
    if not values or isinstance(values[0], Number):
        words = text.removeprefix("[").removesuffix("]").split(",") if text not in ("", "[]") else []
        return len(words) == len(values) and all(value.is_text(word) for word, value in zip(words, values))
    (word, only), is_one = values[0], len(values) == 1
    if word == "json":
        return (is_one and same_json(text, only)) or same_json(text, "[" + ",".join(value for _, value in values) + "]")
    if is_one and plain(text) == (base64.b64encode(only) if word == "bytes" else only.encode()):
        return True
    return json.loads(text) == [base64.b64encode(value).decode() if word == "bytes" else value for _, value in values]


def ns(text):
    return int(np.datetime64(text.removesuffix("Z"), "ns").astype("i8"))


def check_csv(path, messages, is_raw):
    csv.field_size_limit(1 << 30)
    rows = csv.reader(path.open(encoding="utf-8", newline=""))
    titles = [plain(title).decode() for title in next(rows)]
    assert len(set(titles)) == len(titles)
    for message, row in zip(messages, rows, strict=True):
        row = dict(zip(titles, row, strict=True))
        head = [row.pop(name) for name in ("time", "elapsed_s", "endpoint", "topic", "number")]
        whole, _, rest = head[1].partition(".")
        assert (ns(head[0]), int(whole) * 10**9 + int(rest)) == (message.unix_ns, message.elapsed_ns), head
        assert (int(head[2]), plain(head[3]), int(head[4])) == (message.stream.about["endpoint"], message.stream.name, message.number), head
        expected = message.stream.cells(message.content, is_raw) if message.content is not None else {}
        units = {name: name + (f" ({unit})" if unit else "") for columns in message.stream.columns for name, unit in columns}
        for name, values in expected.items():
            text = row.pop(units[name])
            assert is_text(text, values) or not values and text in ("", "[]"), (message.number, name, text, values)
        assert not any(row.values()), row


def is_cell(cell, values):
    """Whether a cell of a typed table is these values."""
    if not isinstance(cell, list):
        cell = [cell]
    if len(cell) != len(values):
        return False
    # An array has another type in each message: in a typed column its numbers are float64.
    typed = lambda value, one: Scaled(value, 1.0, 0.0) if isinstance(one, float) and not value.is_float else value
    return all(typed(value, one).is_value(one) if isinstance(value, Number) else
               same_json(one, value[1]) if value[0] == "json" else one == value[1] for one, value in zip(cell, values))


def check_parquet(path, streams, messages):
    file = pq.ParquetFile(path)
    said = json.loads(file.metadata.metadata[b"fancyhwd.streams"])
    table = {name: column.to_pylist() for name, column in zip(file.schema_arrow.names, file.read().columns) if name != "time"}
    times = file.read(["time"])["time"].cast("int64").to_pylist()
    columns_of = {}
    for stream, one in zip(streams, said, strict=True):
        assert (one["endpoint"], one["layout"]) == (stream.about["endpoint"], stream.about["layout"])
        columns_of[stream] = [column["column"] for column in one["columns"]]
    assert len(times) == len(messages)
    fixed = {"elapsed_ns", "endpoint", "topic", "number"}
    for row, message in enumerate(messages):
        about = message.stream.about
        assert (times[row], table["elapsed_ns"][row]) == (message.unix_ns, message.elapsed_ns)
        assert (table["endpoint"][row], table["number"][row]) == (about["endpoint"], message.number)
        columns = columns_of[message.stream]
        expected = {}
        if message.content is not None:
            cells = message.stream.cells(message.content)
            assert len(cells) == len(columns), (about, columns)
            expected = dict(zip(columns, cells.values()))
        for name, column in table.items():
            if name in fixed:
                continue
            cell, values = column[row], expected.get(name)
            assert cell is None if values is None else is_cell([] if cell is None else cell, values), (message.number, name, cell, values)


def check_jsonl(path, messages):
    lines = path.read_text(encoding="utf-8").splitlines()
    exact = {"parse_float": str, "parse_int": str}
    for message, line in zip(messages, lines, strict=True):
        found = json.loads(line)
        about = message.stream.about
        assert (ns(found["time"]), found["endpoint"], found["number"], found["framing"]) == (
            message.unix_ns, about["endpoint"], message.number, about["framing"])
        assert [base64.b64decode(frame) for frame in found["frames"]] == message.all
        if about["framing"] != "whole":
            topic = bytes.fromhex(found["topic_hex"]) if "topic_hex" in found else found["topic"].encode()
            assert topic == message.stream.name
        if message.content is None:
            assert "undecodable" in found and "samples" not in found and "parts" not in found
            continue
        # `1e999` and all digits stay as they are.
        found = json.loads(line, parse_constant=None, **exact)
        parts = [found["samples"]] if "samples" in found else found["parts"]
        only_numbers = "samples" in found and message.stream.parts[0].word == "numbers"
        if only_numbers:
            # All frames in one list.
            expected = [number for part, _, (_, records) in message.content for record in records
                        for number in [message.stream.scaled(part, place, one, False) for place, one in enumerate(record)]]
            assert same_numbers(parts[0], expected), (message.number, parts, expected)
            continue
        assert len(parts) == len(message.content), (message.number, line[:300])
        for got, (part, word, what) in zip(parts, message.content):
            if word == "numbers":
                header, records = what
                row = lambda numbers, first: [message.stream.scaled(part, place, one, False) for place, one in enumerate(numbers, first)]
                if isinstance(got, dict):
                    assert same_numbers(got["header"], row(header, 0)), (message.number, got)
                    got = got["records"]
                else:
                    assert not header
                assert same_numbers(got, [one for record in records for one in row(record, len(header))]), (message.number, got)
            elif word == "ndarray":
                assert same_numbers(got, [message.stream.scaled(part, 0, one, False) for one in what[1]]), (message.number, got)
            elif word == "json":
                assert got == json.loads(what, **exact)
            else:
                assert got == (base64.b64encode(what).decode() if word == "bytes" else what)


def same_numbers(found, expected):
    return len(found) == len(expected) and all(
        value.is_text("null" if text is None else text) for text, value in zip(found, expected))


def is_member(found, values):
    """Whether a member of JSON is these values."""
    def is_one(found, value):
        if isinstance(value, Number):
            return value.is_text("null" if found is None else found)
        word, what = value
        return found == (json.loads(what, parse_float=str, parse_int=str) if word == "json" else
                         base64.b64encode(what).decode() if word == "bytes" else what)

    if len(values) == 1 and not (isinstance(values[0], Number) and isinstance(found, list)) and is_one(found, values[0]):
        return True
    return isinstance(found, list) and len(found) == len(values) and all(map(is_one, found, values))


def check_mcap(path, messages, is_untouched):
    found = NonSeekingReader(path.open("rb"), validate_crcs=True).iter_messages(log_time_order=False)
    for message, (_, channel, one) in zip(messages, found, strict=True):
        about, said = message.stream.about, channel.metadata
        assert (said["endpoint_number"], said["framing"], said["topic_hex"], said["layout"]) == (
            str(about["endpoint"]), about["framing"], about["topic_hex"], about["layout"])
        assert (one.log_time, one.sequence) == (message.unix_ns, message.number)
        if channel.message_encoding == "json":
            assert not is_untouched and message.content is not None
            cells = message.stream.cells(message.content)
            members = json.loads(one.data, parse_float=str, parse_int=str)
            for name, values in cells.items():
                got = members.pop(name, [])
                assert is_member(got, values), (message.number, name, got, values)
            assert not members, (message.number, members)
            continue
        assert is_untouched or message.content is None or all(word == "bytes" for _, word, _ in message.content) or not message.content
        frames, data = (message.all if is_untouched else message.frames), one.data
        if said["data"] in ("frame", "payload"):
            assert [data] == frames
        else:
            assert data == b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)


def check(folder):
    sent = json.loads((folder / "sent.json").read_text())
    streams = [Stream(about) for about in sent["streams"]]
    messages = [Message(about, streams, number) for number, about in enumerate(sent["messages"])]
    check_csv(folder / "x.csv", messages, False)
    check_csv(folder / "raw.csv", messages, True)
    check_parquet(folder / "x.parquet", streams, messages)
    check_jsonl(folder / "x.jsonl", messages)
    check_mcap(folder / "x.mcap", messages, False)
    check_mcap(folder / "untouched.mcap", messages, True)
    assert npz.compare(folder / "x.npz", [
        {**message.stream.about, "unix_ns": message.unix_ns, "elapsed_ns": message.elapsed_ns,
         "frames": [frame.hex() for frame in message.frames], "undecodable": message.content is None}
        for message in messages]) == len(messages)
    assert (folder / "x.raw").read_bytes() == b"".join(frame for message in messages for frame in message.frames)
    for name, place in sent["sounds"].items():
        mine = [message for message in messages if message.stream is streams[place] and message.content is not None]
        numbers = [number for message in mine for _, _, (_, records) in message.content for record in records for number in record]
        part = streams[place].parts[0]
        kind = part.record[0].removesuffix("-be")
        data = (folder / name).read_bytes()
        codec, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", data[20:36])
        assert (codec, channels, rate_hz, bits) == (3 if kind == "float32" else 1, len(part.record), 8000, 8 * SIZES[kind])
        length, = struct.unpack("<I", data[40:44])
        found = take([kind] * (length // SIZES[kind]), data[44:44 + length])
        assert len(found) == len(numbers) and all(one.is_value(other.value) for one, other in zip(found, numbers)), name
        if codec == 1:
            assert wave.open(str(folder / name)).getnframes() * len(part.record) == len(numbers)
    compared["messages"] += len(messages)


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        try:
            check(Path(folder))
        except BaseException:
            print(f"in {folder}", file=sys.stderr)
            raise
    print(json.dumps(compared))
