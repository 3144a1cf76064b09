"""Print an MCAP file as JSON lines, with the reader of Foxglove, which checks all sums: the summary, then the messages as they stand."""
import json
import sys

from mcap.reader import NonSeekingReader, make_reader

with open(sys.argv[1], "rb") as file:
    reader = make_reader(file, validate_crcs=True)
    summary = reader.get_summary()
    print(json.dumps({
        "messages": summary.statistics.message_count,
        "start": summary.statistics.message_start_time,
        "end": summary.statistics.message_end_time,
        "chunks": len(summary.chunk_indexes),
        "indexed": sum(len(chunk.message_index_offsets) for chunk in summary.chunk_indexes),
        "compressions": sorted({chunk.compression for chunk in summary.chunk_indexes}),
        "metadata": {each.name: each.metadata for each in reader.iter_metadata()},
        "by_index": sum(1 for _ in reader.iter_messages()),
    }))
with open(sys.argv[1], "rb") as file:
    for schema, channel, message in NonSeekingReader(file, validate_crcs=True).iter_messages(log_time_order=False):
        print(json.dumps({
            "topic": channel.topic,
            "encoding": channel.message_encoding,
            "metadata": channel.metadata,
            "schema": schema and {"encoding": schema.encoding, "data": json.loads(schema.data)},
            "sequence": message.sequence,
            "log_time": message.log_time,
            "publish_time": message.publish_time,
            "data": json.loads(message.data) if channel.message_encoding == "json" else message.data.hex(),
        }))
