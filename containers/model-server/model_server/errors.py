"""What goes wrong with a request, and how the client is told."""

from collections.abc import Mapping

import orjson


class InputError(Exception):
    """What is wrong with the input of a request, in words for the client: status 400.

    Parameters
    ----------
    message
        What was found, and what would be accepted.
    """


class CallError(Exception):
    """Why a request is not answered as it was meant.

    Parameters
    ----------
    status
        HTTP status.
    code
        A word for programs.
    message
        What was found, and what to do.
    headers
        What the answer has besides.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


def error_body(code: str, message: str) -> bytes:
    """The body of every answer that is no success.

    Examples
    --------
    >>> error_body("bad_input", "There is no row.")
    b'{"error":{"code":"bad_input","message":"There is no row."}}'
    """
    return orjson.dumps({"error": {"code": code, "message": message}})
