"""When a model that failed is asked again.

While a canary of a new version bakes, a part of the requests goes to it, and a broken one fails
them: asked again, a request most likely meets the old version. Each failure counts in SageMaker's
metrics all the same, so the alarms that turn the deployment back see what callers do not.
"""

ATTEMPTS = 6
"""How often a request is sent. Of a canary with a quarter of the traffic, one in 4096 callers of a
broken version sees it fail."""

RETRY_SECONDS = 1.5
"""How long after its start a request may be sent again. With the read timeout, it stays within what
the function may take."""

FULL = 20.0


class RetryBudget:
    """Stops asking again where it does not help, so that a broken endpoint is not asked six times.

    What an endpoint fails takes from the budget, what it answers gives back: where fewer than half
    of the attempts fail, the budget stays full enough. The idea is that of gRPC's retry throttling.
    """

    def __init__(self) -> None:
        self._tokens = FULL

    def failed(self) -> bool:
        """Count an attempt that failed; whether another one is worth it."""
        self._tokens = max(0.0, self._tokens - 1)
        return self._tokens > FULL / 2

    def succeeded(self) -> None:
        """Count an attempt that was answered."""
        self._tokens = min(FULL, self._tokens + 1)
