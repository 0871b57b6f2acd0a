"""How long calls of the API take, said in the log once a minute: a load balancer of TCP cannot."""

import json
import time
from collections.abc import Callable

from tracking_server.asgi import Application, Receive, Scope, Send

API = ("/api/", "/ajax-api/")
"""What the paths of calls begin with."""

FILES = "artifact"
"""What the paths of files hold: their time is that of their size."""

SECONDS = 60


class Latency:
    """An application whose calls are timed.

    Each process says what it saw itself: a line of JSON with the number of calls, and the
    milliseconds that half of them and 99 percent took at most. A minute without calls has none.

    Parameters
    ----------
    application
        What answers.
    say
        Writes a line of the log.
    now
        Seconds that only grow.

    Examples
    --------
    >>> Latency(application)  # doctest: +SKIP
    """

    def __init__(
        self,
        application: Application,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._application = application
        self._say = say
        self._now = now
        self._since = now()
        self._taken: list[float] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(API) or FILES in path:
            await self._application(scope, receive, send)
            return
        started = self._now()
        try:
            await self._application(scope, receive, send)
        finally:
            ended = self._now()
            self._taken.append(ended - started)
            if ended - self._since >= SECONDS:
                self._tell()
                self._since = ended

    def _tell(self) -> None:
        taken = sorted(self._taken)
        self._taken = []
        said = {
            f"p{percent}_ms": round(1000 * taken[(len(taken) * percent - 1) // 100], 1)
            for percent in (50, 99)
        }
        self._say(json.dumps({"calls": len(taken), **said}))
