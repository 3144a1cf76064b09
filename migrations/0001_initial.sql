-- Schema 1. Times are integer nanoseconds: `_unix_ns` is the wall clock (UTC), `elapsed_ns` the monotonic clock since the
-- session began. Nothing but ids is indexed: a session is a range of ids.

-- One row is one capture.
CREATE TABLE sessions (
    id                INTEGER PRIMARY KEY,
    label             TEXT,
    note              TEXT,
    started_unix_ns   INTEGER NOT NULL,
    ended_unix_ns     INTEGER,           -- NULL while open
    end_reason        TEXT CHECK (end_reason IN ('stopped', 'limit', 'split', 'disk-full', 'failed', 'interrupted')),
    endpoints         TEXT NOT NULL,     -- JSON array of what was connected to
    topics            TEXT NOT NULL,     -- JSON array of what was asked for; ["*"] is every topic
    host              TEXT NOT NULL,
    boot_id           TEXT NOT NULL,     -- monotonic times of two sessions compare only within one boot
    fancyhwd_version  TEXT NOT NULL,
    durability        TEXT NOT NULL CHECK (durability IN ('full', 'normal')),
    -- The totals are brought up to date in each commit, so that they hold whatever happens next.
    first_id          INTEGER NOT NULL,  -- the id that the first message got or would have got
    last_id           INTEGER NOT NULL,  -- first_id - 1 while there is no message
    first_elapsed_ns  INTEGER,           -- of the first message; NULL while there is none
    last_elapsed_ns   INTEGER,           -- of the last message
    packets           INTEGER NOT NULL DEFAULT 0,
    rejected          INTEGER NOT NULL DEFAULT 0,
    lost              INTEGER NOT NULL DEFAULT 0,
    bytes             INTEGER NOT NULL DEFAULT 0,  -- of samples
    CHECK ((ended_unix_ns IS NULL) = (end_reason IS NULL))
) STRICT;

-- One row is a topic's name, byte for byte.
CREATE TABLE topics (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE
) STRICT;

-- One row is one decoded envelope. The envelope itself is: topic || x'20' || payload.
CREATE TABLE packets (
    id                INTEGER PRIMARY KEY,  -- order of arrival over the whole file, shared with rejects
    session_id        INTEGER NOT NULL,
    topic_id          INTEGER NOT NULL,
    received_unix_ns  INTEGER NOT NULL,
    elapsed_ns        INTEGER NOT NULL,
    payload           BLOB NOT NULL         -- little-endian int16 samples
) STRICT;

-- One row is one message that is no envelope, or none of a topic that was asked for.
CREATE TABLE rejects (
    id                INTEGER PRIMARY KEY,
    session_id        INTEGER NOT NULL,
    received_unix_ns  INTEGER NOT NULL,
    elapsed_ns        INTEGER NOT NULL,
    reason            TEXT NOT NULL,
    frame_count       INTEGER NOT NULL,     -- frames that came; at most 1024 are kept
    frame_bytes       TEXT NOT NULL,        -- JSON array: the length of each frame kept
    frames            BLOB NOT NULL         -- the frames kept, one behind the other
) STRICT;

-- One row is one commit. The digest is BLAKE3 over the previous digest of the session (32 zero bytes before the first),
-- first_id (i64) and, for each message in order of id, received_unix_ns (i64), elapsed_ns (i64), the number of frames that
-- came and that are kept (u32 each), and each kept frame's length (u32) and bytes. All integers are little-endian.
CREATE TABLE batches (
    id                 INTEGER PRIMARY KEY,
    session_id         INTEGER NOT NULL,
    first_id           INTEGER NOT NULL,
    last_id            INTEGER NOT NULL,
    committed_unix_ns  INTEGER NOT NULL,
    digest             BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;

-- One row is something that happened to the capture.
CREATE TABLE events (
    id                INTEGER PRIMARY KEY,
    session_id        INTEGER NOT NULL,
    unix_ns           INTEGER NOT NULL,
    elapsed_ns        INTEGER NOT NULL,
    until_elapsed_ns  INTEGER,              -- NULL: a moment, not an interval
    kind              TEXT NOT NULL,
    endpoint          TEXT,
    lost              INTEGER,              -- packets lost; NULL = unknown
    detail            TEXT
) STRICT;

-- One row is one sample. Plain SQL reads the bytes: the position of a byte in 00..FF, less one, is its value.
CREATE VIEW samples (packet_id, sample_index, value) AS
SELECT packet_id, sample_index, low + 256 * high - CASE WHEN high < 128 THEN 0 ELSE 65536 END
FROM (
    SELECT packets.id AS packet_id,
           position.key AS sample_index,
           instr(every.byte, substr(packets.payload, 2 * position.key + 1, 1)) - 1 AS low,
           instr(every.byte, substr(packets.payload, 2 * position.key + 2, 1)) - 1 AS high
    FROM packets,
         -- an array of as many zeros as there are samples; its keys count them
         json_each(CASE WHEN length(packets.payload) < 2 THEN '[]'
                   ELSE '[0' || replace(hex(zeroblob(length(packets.payload) / 2 - 1)), '00', ',0') || ']' END) AS position,
         (SELECT x'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF' AS byte) AS every
);

-- One row is one packet as a person reads it. `number` counts the messages of a session from 0.
CREATE VIEW decoded_packets (session_id, packet_id, number, topic, time, elapsed_s, sample_count, samples) AS
SELECT packets.session_id,
       packets.id,
       packets.id - sessions.first_id,
       topics.name,
       strftime('%Y-%m-%dT%H:%M:%S', packets.received_unix_ns / 1000000000, 'unixepoch')
           || printf('.%09dZ', packets.received_unix_ns % 1000000000),
       packets.elapsed_ns / 1e9,
       length(packets.payload) / 2,
       (SELECT json_group_array(value) FROM samples WHERE samples.packet_id = packets.id)
FROM packets
JOIN sessions ON sessions.id = packets.session_id
JOIN topics ON topics.id = packets.topic_id;
