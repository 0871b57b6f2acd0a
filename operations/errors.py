"""A command that cannot go on, in one paragraph."""

EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
"""What AWS services answer to a session that has come to its end."""


class OperationError(Exception):
    """What happened, and what to do about it.

    Parameters
    ----------
    what
        What happened, with what input.
    fix
        What to do.

    Examples
    --------
    >>> str(OperationError("Port 80 is in use.", "Choose another."))
    'Port 80 is in use. Choose another.'
    """

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what} {fix}")
        self.what = what
        self.fix = fix
