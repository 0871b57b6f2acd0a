"""Serverless variants: instances that are started by the requests, one for each at work.

https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from local.extensions.json_service import RefusedError
from local.extensions.sagemaker.fleet import Fleet

IDLE_SECONDS = 300.0
"""How long an instance is kept that nobody asks, in declared seconds; AWS does not say."""


class Gate:
    """Lets as many requests in as may be at work at once, and has an instance for each.

    Parameters
    ----------
    config
        The variant's ``ServerlessConfig``.
    fleet
        Its instances.
    now
        A clock, in seconds.

    Attributes
    ----------
    at_work : int
        How many requests are inside.
    most : int
        How many may be.
    """

    def __init__(
        self, config: Mapping[str, Any], fleet: Fleet, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.most = int(config["MaxConcurrency"])
        self.at_work = 0
        self._kept = int(config.get("ProvisionedConcurrency", 0))
        self._fleet = fleet
        self._now = now
        self._used = now()

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[float]:
        """Be at work; how many seconds it took until there was an instance.

        Raises
        ------
        RefusedError
            Where too many are.
        StartError
            Where the instance does not start.
        """
        if self.at_work >= self.most:
            raise RefusedError(
                "ThrottlingException", f"{self.most} requests are at work, and no more may be.", 429
            )
        self.at_work += 1
        try:
            begun = self._now()
            if self._fleet.count < self.at_work:
                await asyncio.to_thread(self._fleet.grow)
            yield self._now() - begun
        finally:
            self.at_work -= 1
            self._used = self._now()

    def idle(self, seconds: float) -> bool:
        """Whether instances have been idle for so long that they can go."""
        rested = self._now() - self._used >= seconds
        return not self.at_work and rested and self._fleet.count > self._kept

    def rest(self) -> None:
        """Keep no more instances than are paid for."""
        self._fleet.resize(self._kept)
