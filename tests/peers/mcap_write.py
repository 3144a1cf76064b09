"""Write an MCAP file as other programs do: mcap_write.py FILE none|lz4|zstd CHUNK_BYTES, then TOPIC ENCODING SCHEMA LOG_TIME HEX for each message on standard input."""
import sys

from mcap.writer import CompressionType, Writer

compression = getattr(CompressionType, sys.argv[2].upper())
with open(sys.argv[1], "wb") as file:
    writer = Writer(file, chunk_size=int(sys.argv[3]) or 1, compression=compression, enable_data_crcs=True, use_chunking=sys.argv[3] != "0")
    writer.start(profile="ros2", library="another")
    channels = {}
    for line in sys.stdin:
        topic, encoding, schema, log_time, data = line.split(" ")
        topic, encoding, schema = (word.replace("-", "") for word in (topic, encoding, schema))
        if (topic, encoding) not in channels:
            id = writer.register_schema("pkg.Type", schema, b"\x0a\x00anything") if schema else 0
            channels[topic, encoding] = writer.register_channel(topic, encoding, id)
        writer.add_message(channels[topic, encoding], int(log_time), bytes.fromhex(data.strip()), int(log_time))
    writer.add_attachment(1, 1, "a.txt", "text/plain", b"attached")
    writer.add_metadata("theirs", {"a": "b"})
    writer.finish()
