"""Why a step failed."""


class RotationError(Exception):
    """Why a step failed, and what to do. No password is ever part of it."""


class RefusedError(RotationError):
    """The database knows no such user, or not by this password."""
