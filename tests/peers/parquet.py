"""What pyarrow, DuckDB and pandas read in a Parquet file.

usage: parquet.py layouts FILE DATABASE   compare the messages of layouts.py with numpy, and their times, bit for bit
       parquet.py device FILE SAMPLES     compare the int16 of the reference device with a file of them
       parquet.py rows FILE               print the rows without their times, as JSON
       parquet.py about FILE              print columns, types and metadata, as JSON
"""

import json
import sqlite3
import sys

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def numbers(array):
    """The values of an array of numbers as they lie in memory, NaN and all."""
    kind = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * kind.itemsize)


def cells(column):
    """The bytes of each cell, and None for null."""
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        offsets, values = array.offsets.to_numpy(), numbers(array.values)
        return [None if null else values[a:b].tobytes() for null, a, b in zip(nulls, offsets, offsets[1:])]
    return [None if null else value.tobytes() for null, value in zip(nulls, numbers(array))]


def expected(kind, value, is_array):
    if kind == "int24":
        return value + (b"\xff" if value[2] & 0x80 else b"\0")
    number = np.frombuffer(value, "<" + ("u" if kind[0] == "u" else kind[0]) + str(len(value)))
    return number.astype("<f8").tobytes() if is_array else value


def check_layouts(table, messages, streams, database):
    times = sqlite3.connect(database).execute("SELECT received_unix_ns, elapsed_ns FROM messages ORDER BY id").fetchall()
    assert numbers(table["time"].cast(pa.timestamp("ns", "UTC")).combine_chunks().cast("int64")).tolist() == [t for t, _ in times]
    assert table["elapsed_ns"].to_pylist() == [elapsed for _, elapsed in times]
    assert table["number"].to_pylist() == list(range(len(times)))
    of_topic = {stream["topic"]: {c["channel"]: c["column"] for c in stream["columns"] if c["channel"]} for stream in streams}
    texts = {stream["topic"]: [c["column"] for c in stream["columns"] if not c["channel"]] for stream in streams}
    read = {name: cells(table[name]) for columns in of_topic.values() for name in columns.values()}
    count = 0
    for row, (topic, frames) in enumerate(messages):
        assert table["topic"][row].as_py() == topic
        values = {channel: b"" for channel in of_topic[topic]}
        for frame in frames:
            for _, channel, kind, value in frame.numbers:
                channel = "ch0" if topic.startswith("array.") else f"ch{channel}"
                values[channel] += expected(kind, value, topic.startswith("array."))
                count += 1
        ours = {of_topic[topic][channel]: value for channel, value in values.items()}
        for name, column in read.items():
            assert column[row] == ours.get(name), (row, topic, name, column[row], ours.get(name))
        said = [table[name][row].as_py() for name in texts[topic]]
        assert said == [frame.bytes.decode() for frame in frames if not frame.numbers and len(frames) > 1], (row, topic, said)
    return count


def main(command, path, *rest):
    file = pq.ParquetFile(path)
    metadata = {key.decode(): json.loads(value) for key, value in file.metadata.metadata.items() if key[:8] == b"fancyhwd"}
    if command == "layouts":
        streams = metadata["fancyhwd.streams"]
        import layouts

        messages = layouts.messages()
        frame = pd.read_parquet(path)
        assert str(frame["time"].dtype) == "datetime64[ns, UTC]", frame["time"].dtype
        assert frame["time"].astype("int64").tolist() == file.read()["time"].cast("int64").to_pylist()
        for name, table in [
            ("pyarrow", file.read()),
            ("pandas", pa.Table.from_pandas(pd.read_parquet(path, dtype_backend="pyarrow"))),
            ("duckdb", duckdb.sql(f"SELECT * FROM '{path}'").to_arrow_table()),
        ]:
            print(name, check_layouts(table, messages, streams, rest[0]), "numbers are the same")
    elif command == "device":
        samples = np.fromfile(rest[0], "<i2")
        assert file.metadata.num_row_groups > 1
        assert np.array_equal(file.read(["ch0"])["ch0"].combine_chunks().flatten().to_numpy(), samples)
        total = duckdb.sql(f"SELECT count(*), sum(list_sum(ch0)), max(number) FROM '{path}'").fetchall()[0]
        assert total == (file.metadata.num_rows, int(samples.sum(dtype="i8")), file.metadata.num_rows - 1), total
        least = [file.metadata.row_group(i).column(0).statistics.min for i in range(file.metadata.num_row_groups)]
        assert least == sorted(least)
        print(file.metadata.num_rows)
    elif command == "rows":
        for row in file.read().drop_columns(["time", "elapsed_ns"]).to_pylist():
            print(json.dumps(list(row.values()), default=bytes.hex))
    else:
        types = {str(field.name): str(field.type) for field in file.schema_arrow}
        print(json.dumps({"types": types, "rows": duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0], **metadata}))


main(*sys.argv[1:])
