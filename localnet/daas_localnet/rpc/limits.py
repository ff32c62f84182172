"""What a client may make the server do and hold.

Invariant: every length, count and time that a client chooses is compared with one of these before it costs anything.
"""

REQUEST_BYTES_MAX = 32_768
"""Of calls that name things: 50 objects with their versions are 4 KB."""
TRANSACTION_REQUEST_BYTES_MAX = 1_048_576
"""A transaction has at most 131,072 bytes; as messages, with the names of everything, several times that."""
REQUEST_FIELDS_MAX = 32_768
"""Fields of one request, those of its parts among them: each costs some microseconds to read. The largest transaction
that fits into 131,072 bytes has fewer."""
UNKNOWN_FIELDS_MAX = 64
"""Newer clients may send fields that this version does not know; the generated messages keep and copy them."""
NESTING_MAX = 24
"""A transaction has ten levels; JSON literals may have some more."""
MASK_PATHS_MAX = 256
MASK_PATH_CHARACTERS_MAX = 256
BATCH_MAX = 50
"""Objects or transactions of one batch; pysui asks for that many."""
PAGE_DEFAULT = 50
PAGE_MAX = 1_000
PAGE_BYTES_MAX = 524_288
"""A page ends with the item that reaches it."""
PAGE_TOKEN_BYTES_MAX = 512
PACKAGE_VERSIONS_PAGE = 1_000
TYPE_CHARACTERS_MAX = 16_384
TYPE_DEPTH_MAX = 16
JSON_DEPTH_MAX = 32
JSON_VALUES_MAX = 16_384
"""Of one object or event; what has more is rendered without JSON."""
TEXT_MAX = 1_000
"""Characters of an error's text: it goes into a header."""
CALL_SECONDS = 30.0
"""For one call, the client's reading and writing among it. Subscriptions have none."""
STALL_SECONDS = 10.0
"""How long a client may take no byte before its connection or subscription is ended."""
FIRST_BYTES_SECONDS = 10.0
"""A connection that has sent no request by then is closed."""
CONNECTIONS_MAX = 256
STREAMS_MAX = 100
"""Calls at a time on one connection."""
RESETS_MAX = 1_000
"""Calls that a connection may begin and cancel; a client that does it more often wants nothing else."""
WINDOW_BYTES = 1_048_576
"""What a connection may send before the server has read it."""
UNSENT_BYTES_MAX = 4_194_304
"""Answers that a connection has not taken, beyond which it is closed."""
SUBSCRIBERS_MAX = 64
LAG_MAX = 100
"""Checkpoints that a subscriber may be behind."""
HTTP_BODY_BYTES_MAX = 4_096
HTTP_CONNECTIONS_MAX = 64
HTTP_CONNECTION_SECONDS = 60.0
"""After which a connection is closed, whatever it does."""
FAUCET_PER_SECOND = 20.0
FAUCET_BURST = 100
"""Requests at once, beyond which the faucet gives so many a second."""
