"""uvicorn's reader of HTTP, which keeps no head of a request that does not end.

Its parser has no limit for headers, and holds what came of them until they are all there.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
"""The largest head; it has to hold an address, which the parser takes up to as much."""

TOO_LARGE = b"431 Request Header Fields Too Large", b"The address and the headers are too large."
ELSEWHERE = b"400 Bad Request", b"The address of a call begins with a slash."


class Protocol(HttpToolsProtocol):
    """uvicorn's own, which answers 431 to a head that is too large.

    It also answers 400 to an address with a host in it, which would count for more than the Host
    header that is checked.
    https://www.rfc-editor.org/rfc/rfc6585#section-5
    https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    """

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._reading = True
        self._head = 0
        self._refused = False

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._refused:
            return
        reading = self._reading
        super().data_received(data)
        # What began within these bytes is counted when it is complete, or from the next ones on.
        if reading and self._reading:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._refuse(*TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._reading, self._head = True, 0

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head is too large."""
        self._reading = False
        self._head = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if self._refused:
            return
        if self._head > HEAD_BYTES:
            self._refuse(*TOO_LARGE)
        elif not self.url.startswith(b"/"):
            self._refuse(*ELSEWHERE)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if not self._refused:
            super().on_message_complete()

    def _refuse(self, status: bytes, text: bytes) -> None:
        """Answer, and take no more of this connection."""
        self._refused = True
        self.transport.write(
            b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-type: text/plain\r\n"
            b"content-length: %d\r\n\r\n%b" % (status, len(text), text)
        )
        self.transport.close()
