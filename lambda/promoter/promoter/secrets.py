"""Secrets, kept for as long as they are right."""

import threading
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from promoter.errors import LookError

AGAIN_SECONDS = 5
"""How long a secret is not read again, however often it turns out to be wrong."""


class Secret:
    """A secret that is read when it is needed, and again when it turns out to be wrong.

    Parameters
    ----------
    client
        A client of Secrets Manager.
    arn
        The secret.
    now
        A clock, in seconds.
    """

    def __init__(self, client: Any, arn: str, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._arn = arn
        self._now = now
        self._lock = threading.Lock()
        self._value = ""
        self._read_at = float("-inf")

    def value(self) -> str:
        """The secret.

        Raises
        ------
        LookError
            Where it cannot be read.
        """
        with self._lock:
            if not self._value:
                self._read()
            return self._value

    def changed(self, wrong: str) -> bool:
        """Whether the secret is another one than the one that turned out to be wrong.

        Parameters
        ----------
        wrong
            What `value` gave.

        Raises
        ------
        LookError
            Where it cannot be read.
        """
        with self._lock:
            if self._value == wrong and self._now() - self._read_at >= AGAIN_SECONDS:
                self._read()
            return self._value != wrong

    def _read(self) -> None:
        try:
            read = self._client.get_secret_value(SecretId=self._arn)
        except (BotoCoreError, ClientError) as error:
            raise LookError(
                f"{self._arn} cannot be read: {error}. Look at the function's role, and the"
                " endpoint of Secrets Manager."
            ) from error
        self._value = str(read["SecretString"])
        self._read_at = self._now()
