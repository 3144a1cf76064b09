"""What a user would write to get a session out of its database.

usage: export.py csv|parquet|npz|mcap DATABASE FILE [view]

It decodes the payloads itself; with `view`, it reads the view decoded_packets instead, which does.
"""

import json
import sqlite3
import sys

import numpy
import pandas

FORMAT, DATABASE, FILE, *VIEW = sys.argv[1:]
QUERY = "SELECT id, received_unix_ns, elapsed_ns, payload FROM messages ORDER BY id"
VIEW_QUERY = "SELECT message_id AS id, time, elapsed_s, samples FROM decoded_packets"


def pieces():
    connection = sqlite3.connect(DATABASE)
    if VIEW:
        for frame in pandas.read_sql(VIEW_QUERY, connection, chunksize=100_000):
            frame["time"] = pandas.to_datetime(frame["time"])
            frame["elapsed_ns"] = (frame.pop("elapsed_s") * 1e9).round().astype("int64")
            frame["ch0"] = [numpy.array(json.loads(samples), "<i2") for samples in frame.pop("samples")]
            yield frame
        return
    for frame in pandas.read_sql(QUERY, connection, chunksize=100_000):
        frame["time"] = pandas.to_datetime(frame.pop("received_unix_ns"), utc=True)
        frame["ch0"] = [numpy.frombuffer(payload, "<i2") for payload in frame.pop("payload")]
        yield frame


def to_csv():
    for number, frame in enumerate(pieces()):
        frame["ch0"] = [json.dumps(samples.tolist()) for samples in frame["ch0"]]
        frame.to_csv(FILE, mode="a", header=number == 0, index=False)


def to_parquet():
    import pyarrow
    import pyarrow.parquet

    writer = None
    for frame in pieces():
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pyarrow.parquet.ParquetWriter(FILE, table.schema, compression="zstd")
        writer.write_table(table)
    writer.close()


def to_npz():
    frame = pandas.concat(pieces())
    numpy.savez(FILE, time=frame["time"].astype("int64"), elapsed_ns=frame["elapsed_ns"], ch0=numpy.stack(frame["ch0"]))


def to_mcap():
    from mcap.writer import Writer

    with open(FILE, "wb") as file:
        writer = Writer(file)
        writer.start()
        schema = writer.register_schema("samples", "jsonschema", b'{"type": "object"}')
        channel = writer.register_channel("fancyhw_data", "json", schema)
        for frame in pieces():
            for number, time, samples in zip(frame["id"], frame["time"].astype("int64"), frame["ch0"]):
                data = json.dumps({"ch0": samples.tolist()}).encode()
                writer.add_message(channel, log_time=time, publish_time=time, sequence=number % 2**32, data=data)
        writer.finish()


{"csv": to_csv, "parquet": to_parquet, "npz": to_npz, "mcap": to_mcap}[FORMAT]()
