-- Schema 5. Times are integer nanoseconds: `_unix_ns` is the wall clock (UTC), `elapsed_ns` the monotonic clock since the
-- session began. Nothing but ids is indexed: a session is a range of ids.

-- One row is one capture.
CREATE TABLE sessions (
    id                INTEGER PRIMARY KEY,
    label             TEXT,
    note              TEXT,
    started_unix_ns   INTEGER NOT NULL,
    ended_unix_ns     INTEGER,           -- NULL while open
    end_reason        TEXT CHECK (end_reason IN ('stopped', 'limit', 'split', 'disk-full', 'failed', 'interrupted', 'imported', 'cut',
                          'recovered')),
    topics            TEXT NOT NULL,     -- JSON array of what was asked for; ["*"] is every topic
    framing           TEXT NOT NULL CHECK (framing IN ('auto', 'space', 'frames', 'whole')),  -- what was told
    host              TEXT NOT NULL,
    boot_id           TEXT NOT NULL,     -- monotonic times of two sessions compare only within one boot
    version           TEXT NOT NULL,     -- of fancyhwd
    durability        TEXT NOT NULL CHECK (durability IN ('full', 'normal')),
    continues         INTEGER,           -- the session that was split before this one; NULL: none
    continues_elapsed_ns  INTEGER,       -- when this one began, since that one did
    -- The totals are brought up to date in each commit, so that they hold whatever happens next.
    first_id          INTEGER NOT NULL,  -- the id that the first message got or would have got
    last_id           INTEGER NOT NULL,  -- first_id - 1 while there is no message
    first_elapsed_ns  INTEGER,           -- of the first message; NULL while there is none
    last_elapsed_ns   INTEGER,           -- of the last message
    messages          INTEGER NOT NULL DEFAULT 0,
    undecodable       INTEGER NOT NULL DEFAULT 0,  -- of them, those that their layout cannot read
    unwanted          INTEGER NOT NULL DEFAULT 0,  -- came, and nobody had asked for them: not stored, not lost
    lost              INTEGER NOT NULL DEFAULT 0,
    bytes             INTEGER NOT NULL DEFAULT 0,  -- of all frames
    -- BLAKE3 over the digest of the last commit (32 zero bytes without one) and the columns from started_unix_ns to continues_elapsed_ns,
    -- unwanted and lost: an 'i' and 8 bytes for an INTEGER, a 't', the length in 8 bytes and the bytes for a TEXT, a '?' for NULL. NULL while open.
    seal              BLOB CHECK (length(seal) = 32),
    CHECK ((ended_unix_ns IS NULL) = (end_reason IS NULL))
) STRICT;

-- One row is one endpoint of a session; its number is where a message came from.
CREATE TABLE endpoints (
    session_id  INTEGER NOT NULL,
    number      INTEGER NOT NULL,  -- from 1
    endpoint    TEXT NOT NULL,
    socket      TEXT NOT NULL CHECK (socket IN ('sub', 'pull')),
    side        TEXT NOT NULL CHECK (side IN ('connect', 'bind')),
    security    TEXT NOT NULL CHECK (security IN ('none', 'curve')),
    peer_key    TEXT,              -- that the peer proved to have, in Z85; of those who connected, the ledger has it
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

-- One row is one stream: the messages of one endpoint that have the same topic in the same place.
CREATE TABLE streams (
    id              INTEGER PRIMARY KEY,
    session_id      INTEGER NOT NULL,
    endpoint        INTEGER NOT NULL,  -- its number
    framing         TEXT NOT NULL CHECK (framing IN ('space', 'frames', 'whole')),
    topic           BLOB NOT NULL,     -- as it is sent
    name            TEXT NOT NULL,     -- the topic as people read it
    layout          TEXT NOT NULL,     -- how the frames behind the topic are read
    assumed         INTEGER NOT NULL CHECK (assumed IN (0, 1)),  -- 1: nobody said so
    sample_rate_hz  REAL,
    counter         TEXT               -- where the device's own sequence number is; NULL: nobody said so
) STRICT;

-- One row is one number of a stream's header or record, or a whole frame: the layout, taken apart for SQL.
CREATE TABLE fields (
    stream_id     INTEGER NOT NULL,
    part          INTEGER NOT NULL,  -- the first frame behind the topic that it is in, from 0 ...
    every         INTEGER NOT NULL,  -- ... and again after so many frames; 0 is never
    place         TEXT NOT NULL CHECK (place IN ('header', 'record', 'frame')),
    position      INTEGER NOT NULL,  -- in the header or record, from 0
    byte_offset   INTEGER NOT NULL,  -- in the header or record
    type          TEXT NOT NULL,     -- of the number, or 'text', 'json', 'ndarray' of a frame
    channel       TEXT,
    unit          TEXT,
    scale         REAL,              -- the physical value is raw * scale + "offset"; NULL: raw
    "offset"      REAL,
    header_bytes  INTEGER NOT NULL,  -- of the whole header ...
    record_bytes  INTEGER,           -- ... and the whole record; NULL: one number of an array that it belongs to
    PRIMARY KEY (stream_id, part, place, position)
) STRICT, WITHOUT ROWID;

-- One row is one message. Its frames are, for the framing of its stream:
-- space: topic || x'20' || payload; frames: topic, and those of payload; whole: those of payload.
CREATE TABLE messages (
    id                INTEGER PRIMARY KEY,  -- order of arrival over the whole file
    stream_id         INTEGER NOT NULL,
    received_unix_ns  INTEGER NOT NULL,
    elapsed_ns        INTEGER NOT NULL,
    payload           BLOB NOT NULL,        -- all frames behind the topic, one after the other
    parts             TEXT                  -- JSON array of their lengths; NULL: exactly one
) STRICT;

-- One row is one message that the layout of its stream cannot read.
CREATE TABLE faults (
    message_id  INTEGER PRIMARY KEY,
    reason      TEXT NOT NULL
) STRICT;

-- One row is one commit. The digest is BLAKE3 over the previous digest of the session (32 zero bytes before the first), the
-- number of the first message in its session (i64, from 0) and, for each message, the number of its endpoint (u32), how many
-- frames it has (u32), received_unix_ns (i64), elapsed_ns (i64), and each frame's length (u32) and bytes. All integers are
-- little-endian. No row id and no interpretation is in it.
CREATE TABLE batches (
    id                 INTEGER PRIMARY KEY,
    session_id         INTEGER NOT NULL,
    first_id           INTEGER NOT NULL,
    last_id            INTEGER NOT NULL,
    committed_unix_ns  INTEGER NOT NULL,
    digest             BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;

-- One row is what at most 256 messages of one stream have in common, one behind the other: pictures and searches read these
-- before messages. Fewer are in the last row of a stream, in those that took more than a minute, and where many streams were
-- summed up at once. The newest messages of a session that is being recorded, or was interrupted, are in none. No digest covers
-- it.
CREATE TABLE overviews (
    last_id           INTEGER PRIMARY KEY,  -- of the messages of the stream from first_id on
    stream_id         INTEGER NOT NULL,
    first_id          INTEGER NOT NULL,
    messages          INTEGER NOT NULL,
    first_elapsed_ns  INTEGER NOT NULL,
    last_elapsed_ns   INTEGER NOT NULL,
    bytes             INTEGER NOT NULL,     -- of payload
    longest_gap_ns    INTEGER NOT NULL,     -- between one of them and the message of the stream before it
    -- Of each channel, in the order of the layout, a byte: 0 where there is no number, else 1 to 11 for int8, uint8, int16,
    -- uint16, int24, int32, uint32, int64, uint64, float32 and float64, followed by the least and the greatest number,
    -- little-endian. Zeros at the end are left out.
    ranges            BLOB NOT NULL
) STRICT;

-- One row is one session that was deleted while rows of it may be left: its row in sessions is the first to go.
CREATE TABLE deleted (
    session_id  INTEGER PRIMARY KEY,
    first_id    INTEGER NOT NULL,
    last_id     INTEGER NOT NULL
) STRICT;

-- Who this database is in an archive: one row, made when a session is first to be there. A copy made with `session export` is
-- another one.
CREATE TABLE archive (
    id  TEXT NOT NULL CHECK (length(id) = 32)  -- random, in hexadecimal
) STRICT;

-- One row is one session that is to be in an archive.
CREATE TABLE archived (
    session_id    INTEGER PRIMARY KEY,
    recorder      TEXT NOT NULL,     -- under which name
    last_id       INTEGER NOT NULL,  -- a quorum has acknowledged all messages up to this one; first_id - 1 while there is none
    is_described  INTEGER NOT NULL CHECK (is_described IN (0, 1))  -- 1: it has ended, and all that is known of it is there too
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
    peer              TEXT,                 -- whose connection, where several peers have one endpoint
    lost              INTEGER,              -- messages lost; NULL = unknown
    detail            TEXT
) STRICT;

-- Columns of views are named in the SELECT, because some readers ask that for their names.

-- What the views need to read numbers: the names of their types, here and in numpy, ...
CREATE TABLE types (
    name        TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,     -- without the byte order
    big_endian  INTEGER NOT NULL,
    bytes       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO types VALUES
    ('int8', 'int8', 0, 1), ('int8-be', 'int8', 1, 1), ('<i1', 'int8', 0, 1), ('>i1', 'int8', 1, 1), ('|i1', 'int8', 0, 1), ('=i1', 'int8', 0, 1),
    ('uint8', 'uint8', 0, 1), ('uint8-be', 'uint8', 1, 1), ('<u1', 'uint8', 0, 1), ('>u1', 'uint8', 1, 1), ('|u1', 'uint8', 0, 1), ('=u1', 'uint8', 0, 1),
    ('int16', 'int16', 0, 2), ('int16-be', 'int16', 1, 2), ('<i2', 'int16', 0, 2), ('>i2', 'int16', 1, 2), ('|i2', 'int16', 0, 2), ('=i2', 'int16', 0, 2),
    ('uint16', 'uint16', 0, 2), ('uint16-be', 'uint16', 1, 2), ('<u2', 'uint16', 0, 2), ('>u2', 'uint16', 1, 2), ('|u2', 'uint16', 0, 2), ('=u2', 'uint16', 0, 2),
    ('int24', 'int24', 0, 3), ('int24-be', 'int24', 1, 3),
    ('int32', 'int32', 0, 4), ('int32-be', 'int32', 1, 4), ('<i4', 'int32', 0, 4), ('>i4', 'int32', 1, 4), ('|i4', 'int32', 0, 4), ('=i4', 'int32', 0, 4),
    ('uint32', 'uint32', 0, 4), ('uint32-be', 'uint32', 1, 4), ('<u4', 'uint32', 0, 4), ('>u4', 'uint32', 1, 4), ('|u4', 'uint32', 0, 4), ('=u4', 'uint32', 0, 4),
    ('int64', 'int64', 0, 8), ('int64-be', 'int64', 1, 8), ('<i8', 'int64', 0, 8), ('>i8', 'int64', 1, 8), ('|i8', 'int64', 0, 8), ('=i8', 'int64', 0, 8),
    ('uint64', 'uint64', 0, 8), ('uint64-be', 'uint64', 1, 8), ('<u8', 'uint64', 0, 8), ('>u8', 'uint64', 1, 8), ('|u8', 'uint64', 0, 8), ('=u8', 'uint64', 0, 8),
    ('float32', 'float32', 0, 4), ('float32-be', 'float32', 1, 4), ('<f4', 'float32', 0, 4), ('>f4', 'float32', 1, 4), ('|f4', 'float32', 0, 4), ('=f4', 'float32', 0, 4),
    ('float64', 'float64', 0, 8), ('float64-be', 'float64', 1, 8), ('<f8', 'float64', 0, 8), ('>f8', 'float64', 1, 8), ('|f8', 'float64', 0, 8), ('=f8', 'float64', 0, 8);

-- ... and the powers of two, exactly, by doubling and halving.
CREATE TABLE powers_of_two (
    exponent  INTEGER PRIMARY KEY,
    value     REAL NOT NULL
) STRICT;
INSERT INTO powers_of_two
WITH RECURSIVE
    up (exponent, value) AS (VALUES (0, 1.0) UNION ALL SELECT exponent + 1, value * 2 FROM up WHERE exponent < 1023),
    down (exponent, value) AS (VALUES (-1, 0.5) UNION ALL SELECT exponent - 1, value / 2 FROM down WHERE exponent > -1074)
SELECT * FROM up UNION ALL SELECT * FROM down;

-- One row is one number as it was sent. Plain SQL reads the bytes: the position of a byte in 00..FF, less one, is its value;
-- `low` is the place of the least significant one and `step` leads to the next. Floats are put together from sign, fraction
-- and exponent; what is not a number is NULL. Messages that cannot be read are among them: the views below leave those out.
CREATE VIEW numbers (message_id, part, record, position, channel, scale, "offset", raw) AS
SELECT message_id, part, record, position, channel, scale, "offset",
    CASE kind
        WHEN 'int16' THEN ((instr(every, substr(payload, low, 1)) - 1
                + ((instr(every, substr(payload, low + step, 1)) - 1) << 8) + 32768) & 65535) - 32768
        WHEN 'float32' THEN (SELECT CASE
            WHEN (bits >> 23 & 255) < 255 THEN (1.0 - (bits >> 31 & 1) * 2) * ((bits & 8388607) + iif((bits >> 23 & 255), 8388608, 0))
                * (SELECT value FROM powers_of_two WHERE exponent = max((bits >> 23 & 255), 1) - 150)
            WHEN (bits & 8388607) THEN NULL
            ELSE (1.0 - (bits >> 31 & 1) * 2) * 9e999
        END FROM (SELECT value AS bits FROM json_each('[' || (instr(every, substr(payload, low, 1)) - 1
            + ((instr(every, substr(payload, low + step, 1)) - 1) << 8)
            + ((instr(every, substr(payload, low + 2 * step, 1)) - 1) << 16)
            + ((instr(every, substr(payload, low + 3 * step, 1)) - 1) << 24)) || ']')))
        WHEN 'uint8' THEN instr(every, substr(payload, low, 1)) - 1
        WHEN 'int8' THEN ((instr(every, substr(payload, low, 1)) - 1 + 128) & 255) - 128
        WHEN 'uint16' THEN instr(every, substr(payload, low, 1)) - 1
                + ((instr(every, substr(payload, low + step, 1)) - 1) << 8)
        WHEN 'int24' THEN ((instr(every, substr(payload, low, 1)) - 1
                + ((instr(every, substr(payload, low + step, 1)) - 1) << 8)
                + ((instr(every, substr(payload, low + 2 * step, 1)) - 1) << 16) + 8388608) & 16777215) - 8388608
        WHEN 'int32' THEN ((instr(every, substr(payload, low, 1)) - 1
                + ((instr(every, substr(payload, low + step, 1)) - 1) << 8)
                + ((instr(every, substr(payload, low + 2 * step, 1)) - 1) << 16)
                + ((instr(every, substr(payload, low + 3 * step, 1)) - 1) << 24) + 2147483648) & 4294967295) - 2147483648
        WHEN 'uint32' THEN instr(every, substr(payload, low, 1)) - 1
                + ((instr(every, substr(payload, low + step, 1)) - 1) << 8)
                + ((instr(every, substr(payload, low + 2 * step, 1)) - 1) << 16)
                + ((instr(every, substr(payload, low + 3 * step, 1)) - 1) << 24)
        WHEN 'float64' THEN (SELECT CASE
            WHEN (bits >> 52 & 2047) < 2047 THEN (1.0 - (bits >> 63 & 1) * 2) * ((bits & 4503599627370495) + iif((bits >> 52 & 2047), 4503599627370496, 0))
                * (SELECT value FROM powers_of_two WHERE exponent = max((bits >> 52 & 2047), 1) - 1075)
            WHEN (bits & 4503599627370495) THEN NULL
            ELSE (1.0 - (bits >> 63 & 1) * 2) * 9e999
        END FROM (SELECT value AS bits FROM json_each('[' || (instr(every, substr(payload, low, 1)) - 1
            + ((instr(every, substr(payload, low + step, 1)) - 1) << 8)
            + ((instr(every, substr(payload, low + 2 * step, 1)) - 1) << 16)
            + ((instr(every, substr(payload, low + 3 * step, 1)) - 1) << 24)
            + ((instr(every, substr(payload, low + 4 * step, 1)) - 1) << 32)
            + ((instr(every, substr(payload, low + 5 * step, 1)) - 1) << 40)
            + ((instr(every, substr(payload, low + 6 * step, 1)) - 1) << 48)
            + ((instr(every, substr(payload, low + 7 * step, 1)) - 1) << 56)) || ']')))
        WHEN 'int64' THEN instr(every, substr(payload, low, 1)) - 1
                + ((instr(every, substr(payload, low + step, 1)) - 1) << 8)
                + ((instr(every, substr(payload, low + 2 * step, 1)) - 1) << 16)
                + ((instr(every, substr(payload, low + 3 * step, 1)) - 1) << 24)
                + ((instr(every, substr(payload, low + 4 * step, 1)) - 1) << 32)
                + ((instr(every, substr(payload, low + 5 * step, 1)) - 1) << 40)
                + ((instr(every, substr(payload, low + 6 * step, 1)) - 1) << 48)
                + ((instr(every, substr(payload, low + 7 * step, 1)) - 1) << 56)
        -- The digits of what is too large for an INTEGER.
        WHEN 'uint64' THEN (SELECT iif(bits < 0, printf('%u', bits), bits) FROM (
            SELECT value AS bits FROM json_each('[' || (instr(every, substr(payload, low, 1)) - 1
            + ((instr(every, substr(payload, low + step, 1)) - 1) << 8)
            + ((instr(every, substr(payload, low + 2 * step, 1)) - 1) << 16)
            + ((instr(every, substr(payload, low + 3 * step, 1)) - 1) << 24)
            + ((instr(every, substr(payload, low + 4 * step, 1)) - 1) << 32)
            + ((instr(every, substr(payload, low + 5 * step, 1)) - 1) << 40)
            + ((instr(every, substr(payload, low + 6 * step, 1)) - 1) << 48)
            + ((instr(every, substr(payload, low + 7 * step, 1)) - 1) << 56)) || ']')))
    END
FROM (
    SELECT m.id AS message_id, p.key AS part, iif(f.place = 'record', r.key, NULL) AS record, f.position, f.channel, f.scale,
           f."offset", m.payload, t.kind, 1 - 2 * t.big_endian AS step,
           1 + iif(m.parts IS NULL, 0, (SELECT coalesce(sum(q.value), 0) FROM json_each(m.parts) AS q WHERE q.key < p.key))
             + iif(f.place = 'record', f.header_bytes + r.key * coalesce(f.record_bytes, t.bytes), 0)
             + f.byte_offset + t.big_endian * (t.bytes - 1) AS low,
           x'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF' AS every
      FROM messages AS m
      CROSS JOIN json_each(coalesce(m.parts, '[' || length(m.payload) || ']')) AS p
      CROSS JOIN fields AS f
      CROSS JOIN types AS t
      CROSS JOIN json_each(
          -- an array of as many zeros as there are records; its keys count them
          CASE WHEN iif(f.place = 'record', (p.value - f.header_bytes) / coalesce(f.record_bytes, t.bytes), 1) < 1 THEN '[]'
          ELSE '[0' || replace(hex(zeroblob(iif(f.place = 'record', (p.value - f.header_bytes) / coalesce(f.record_bytes, t.bytes), 1) - 1)), '00', ',0') || ']' END) AS r
      WHERE f.stream_id = m.stream_id
        AND (f.part = p.key OR (f.every > 0 AND p.key > f.part AND (p.key - f.part) % f.every = 0))
        AND f.place <> 'frame'
        AND t.name = iif(f.type = 'ndarray', (
            -- What the frame before an array says of it.
            SELECT lower(coalesce(json_extract(described.text, '$.dtype'), json_extract(described.text, '$.type')))
            FROM (SELECT CAST(substr(m.payload, 1 + iif(m.parts IS NULL, 0, (SELECT coalesce(sum(q.value), 0) FROM json_each(m.parts) AS q WHERE q.key < p.key - 1)),
                                     json_extract(m.parts, '$[' || (p.key - 1) || ']')) AS TEXT) AS text) AS described
            WHERE json_valid(described.text)), f.type)
);

-- One row is one number of a message that its layout can read. Parts and records count from 0; a number of a header has no
-- record.
CREATE VIEW samples AS
SELECT message_id, part, record, channel, raw, iif(scale IS NULL, raw, raw * scale + "offset") AS value
FROM numbers
WHERE NOT EXISTS (SELECT 1 FROM faults WHERE faults.message_id = numbers.message_id);

-- One row is one message as a person reads it. `number` counts the messages of a session from 0; `samples` are the values of
-- its records.
CREATE VIEW decoded_packets AS
SELECT sessions.id AS session_id,
       m.id AS message_id,
       m.id - sessions.first_id AS number,
       streams.endpoint AS endpoint,
       streams.name AS topic,
       strftime('%Y-%m-%dT%H:%M:%S', m.received_unix_ns / 1000000000, 'unixepoch')
           || printf('.%09dZ', m.received_unix_ns % 1000000000) AS time,
       m.elapsed_ns / 1e9 AS elapsed_s,
       (SELECT coalesce(sum((p.value - f.header_bytes) / coalesce(f.record_bytes, t.bytes)), 0)
        FROM json_each(coalesce(m.parts, '[' || length(m.payload) || ']')) AS p CROSS JOIN fields AS f CROSS JOIN types AS t
        WHERE f.stream_id = m.stream_id
        AND (f.part = p.key OR (f.every > 0 AND p.key > f.part AND (p.key - f.part) % f.every = 0))
          AND f.place = 'record'
          AND t.name = iif(f.type = 'ndarray', (
            -- What the frame before an array says of it.
            SELECT lower(coalesce(json_extract(described.text, '$.dtype'), json_extract(described.text, '$.type')))
            FROM (SELECT CAST(substr(m.payload, 1 + iif(m.parts IS NULL, 0, (SELECT coalesce(sum(q.value), 0) FROM json_each(m.parts) AS q WHERE q.key < p.key - 1)),
                                     json_extract(m.parts, '$[' || (p.key - 1) || ']')) AS TEXT) AS text) AS described
            WHERE json_valid(described.text)), f.type)) AS sample_count,
       -- The joins of `numbers` give the numbers of each field in their order: only several fields have to be sorted, which
       -- takes a fifth of the time.
       CASE WHEN EXISTS (SELECT 1 FROM fields WHERE stream_id = m.stream_id AND place = 'record' AND position > 0) THEN
       (SELECT json_group_array(value) FROM (
            SELECT iif(scale IS NULL, raw, raw * scale + "offset") AS value
            FROM numbers
            WHERE numbers.message_id = m.id AND record IS NOT NULL
            ORDER BY part, record, position))
       ELSE
       (SELECT json_group_array(iif(scale IS NULL, raw, raw * scale + "offset")) FROM numbers
            WHERE numbers.message_id = m.id AND record IS NOT NULL)
       END AS samples
FROM messages AS m
JOIN streams ON streams.id = m.stream_id
JOIN sessions ON sessions.id = streams.session_id
WHERE NOT EXISTS (SELECT 1 FROM faults WHERE faults.message_id = m.id);

-- One row is one frame that is text or JSON.
CREATE VIEW texts AS
SELECT m.id AS message_id, p.key AS part, CAST(substr(m.payload, 1 + iif(m.parts IS NULL, 0, (SELECT coalesce(sum(q.value), 0) FROM json_each(m.parts) AS q WHERE q.key < p.key)), p.value) AS TEXT) AS text
FROM messages AS m
      CROSS JOIN json_each(coalesce(m.parts, '[' || length(m.payload) || ']')) AS p
      CROSS JOIN fields AS f
WHERE f.stream_id = m.stream_id
        AND (f.part = p.key OR (f.every > 0 AND p.key > f.part AND (p.key - f.part) % f.every = 0))
  AND f.place = 'frame'
  AND f.type IN ('text', 'json')
  AND NOT EXISTS (SELECT 1 FROM faults WHERE faults.message_id = m.id);

-- One row is one message that the layout of its stream cannot read, and why.
CREATE VIEW undecodable AS
SELECT faults.message_id AS message_id, messages.stream_id AS stream_id, faults.reason AS reason
FROM faults
JOIN messages ON messages.id = faults.message_id;
