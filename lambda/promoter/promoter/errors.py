"""Why the function cannot do what it was called for."""


class LookError(Exception):
    """What could not be found out or written down now, and what to do; asked again, it may be."""


class RefusedError(Exception):
    """Why a delivery is not listened to.

    Parameters
    ----------
    status
        HTTP status for who sent it.
    what
        What is wrong with it.
    """

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status
