"""Which user answers requests."""

import os


def drop(user: int) -> None:
    """Go on as the image's own user, where the container was started as root.

    SageMaker starts containers as root and places the model for root to read, so the image cannot
    name another user; what answers requests need not be root.

    Parameters
    ----------
    user
        Its number; 0 changes nothing.
    """
    if user and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
