"""Answers as a stream of events, which is how ``InvokeEndpointWithResponseStream`` gives them.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointWithResponseStream.html;
the form of an event is https://smithy.io/2.0/aws/amazon-eventstream.html.
"""

import struct
import zlib

CONTENT_TYPE = "application/vnd.amazon.eventstream"
PART_BYTES = 65536
"""How much of an answer is in an event."""

TEXT = 7
"""The type of a header whose value is text."""


def events(body: bytes) -> bytes:
    """An answer as events that each carry a part of it."""
    parts = [body[begin : begin + PART_BYTES] for begin in range(0, len(body), PART_BYTES)]
    return b"".join(_event(part) for part in parts)


def _event(payload: bytes) -> bytes:
    headers = b"".join(
        struct.pack("!B", len(name)) + name + struct.pack("!BH", TEXT, len(value)) + value
        for name, value in (
            (b":message-type", b"event"),
            (b":event-type", b"PayloadPart"),
            (b":content-type", b"application/octet-stream"),
        )
    )
    total = len(headers) + len(payload) + 16
    prelude = struct.pack("!II", total, len(headers))
    begun = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return begun + struct.pack("!I", zlib.crc32(begun))
