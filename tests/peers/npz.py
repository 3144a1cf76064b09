"""Read an export for numpy and compare it with what was sent, bit for bit. usage: npz.py FILE SENT.json: a list of messages, each
its endpoint, framing, topic and frames behind it in hexadecimal, elapsed_ns, unix_ns, and whether its layout cannot read it. What differs is an error."""
import json
import sys

import numpy as np

TYPES = {"int8": "|i1", "uint8": "|u1", "float32": "<f4", "float64": "<f8", "int16": "<i2", "uint16": "<u2", "int32": "<i4",
         "uint32": "<u4", "int64": "<i8", "uint64": "<u8"}


def fields(text):
    """The types of `int16x2,pad`, one after the other; `None` is a byte that is skipped."""
    for field in filter(None, text.split(",")):
        name, _, count = field.partition("x")
        big = name.endswith("-be")
        of = name.removesuffix("-be")
        for _ in range(int(count or 1)):
            yield None if of == "pad" else "int24-be" if of == "int24" and big else "int24" if of == "int24" else (
                TYPES[of].replace("<", ">") if big else TYPES[of])


def numbers(types, data):
    """The numbers at the beginning of `data` in these types, as bytes of their own type, and what is behind them."""
    found = []
    for of in types:
        if of is None:
            data = data[1:]
        elif of.startswith("int24"):
            value = int.from_bytes(data[:3], "big" if of.endswith("be") else "little", signed=True)
            found.append(np.array(value, "<i4").tobytes())
            data = data[3:]
        else:
            size = np.dtype(of).itemsize
            found.append(np.frombuffer(data[:size], of)[0].tobytes() if of[0] != ">" else data[:size])
            data = data[size:]
    return found, data


def flat(value):
    """The numbers of a row of an array, as bytes of their own type."""
    if value.dtype.names is None:
        return [value.ravel()[at:at + 1].tobytes() for at in range(value.size)]
    return [number for row in value.ravel() for name in value.dtype.names for number in flat(np.asarray(row[name], value.dtype[name].base))]


def compare(path, sent):
    """Compare an export with the messages that were sent. Gives how many these are."""
    arrays = np.load(path)
    about = json.loads(arrays["fancyhwd"].tobytes())
    # A file reads an array each time when it is asked for it.
    arrays = {name: arrays[name] for name in arrays}
    compared = 0
    for stream in about["streams"]:
        mine = [(number, message) for number, message in enumerate(sent)
                if all(message[key] == stream[key] for key in ("endpoint", "framing", "topic_hex"))]
        header, _, record = stream["layout"].rpartition("/")
        name = stream["array"]
        is_numbers = all(word not in stream["layout"] for word in ("text", "json", "bytes", "ndarray", "+"))
        rows = {int(row["number"]): row for row in (arrays[name] if name in arrays else [])}
        others = {int(row["number"]): row for row in (arrays[f"{name}.messages"] if f"{name}.messages" in arrays else [])}
        assert not rows.keys() & others.keys() and rows.keys() | others.keys() == {number for number, _ in mine}, name
        for number, message in mine:
            row = rows.get(number, others.get(number))
            assert (row["time"].astype("i8"), row["elapsed_ns"]) == (message["unix_ns"], message["elapsed_ns"]), (name, row)
            frames = [bytes.fromhex(frame) for frame in message["frames"]]
            if number in others:
                lengths = arrays[f"{name}.frames"]
                first = row["first_frame"]
                at = int(lengths[:first].sum())
                for frame, length in zip(frames, lengths[first:first + row["frames"]], strict=True):
                    assert arrays[f"{name}.bytes"][at:at + int(length)].tobytes() == frame, (name, number)
                    at += int(length)
                assert not is_numbers or message["undecodable"] or len(frames) != 1, (name, number)
            else:
                expected, rest = numbers(fields(header), frames[0])
                while rest:
                    more, rest = numbers(fields(record), rest)
                    expected += more
                names = [field for field in row.dtype.names if field not in ("time", "elapsed_ns", "number", "first_record", "records")
                         or (field == "records" and f"{name}.records" not in arrays)]
                found = [value for field in names for value in flat(np.asarray(row[field], row.dtype[field].base))]
                if f"{name}.records" in arrays:
                    first = row["first_record"]
                    found += flat(arrays[f"{name}.records"][first:first + row["records"]])
                assert found == expected, (name, number, found, expected)
            compared += 1
    assert compared == len(sent), compared
    return compared


if __name__ == "__main__":
    print(compare(sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))))
