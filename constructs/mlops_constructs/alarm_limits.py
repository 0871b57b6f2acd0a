"""What is too much of an endpoint."""

from dataclasses import dataclass

ASYNC_LATENCY = 15 * 60 * 1000
"""Milliseconds that SageMaker waits for an answer to a request that waits in a queue, unless the
request says otherwise:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
"""


@dataclass(frozen=True)
class Limits:
    """The first values that are too much.

    Parameters
    ----------
    errors
        Requests in a minute that the model fails at (5xx).
    refused
        Percent of the requests that it refuses (4xx).
    latency
        Milliseconds that the model takes for 99 percent of requests.
    overhead
        Milliseconds that SageMaker adds to 99 percent of requests.
    memory, disk
        Percent of an instance's memory and disk that are in use.
    """

    errors: int = 5
    refused: int = 50
    latency: int = 5000
    overhead: int = 1000
    memory: int = 90
    disk: int = 90


LIMITS = Limits()
"""What is too much, unless somebody knows better."""
