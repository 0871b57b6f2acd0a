"""What the container's environment says, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BATCHING = ("auto", "on", "off")


class SettingsError(Exception):
    """Every setting that is wrong, together."""


@dataclass(frozen=True)
class Settings:
    """How to serve.

    Parameters
    ----------
    folder
        The model.
    digest
        Digest that the folder must have, if any.
    host, port
        Where to listen.
    user
        Number of the user that answers requests, where the container was started as root.
    workers
        Number of processes.
    batching
        Whether requests are predicted together: ``auto`` as the model says, ``on`` or ``off``.
    batch
        The most requests that are predicted together.
    largest
        The most bytes of a body.
    rows
        The most rows of a request, and of requests that are predicted together.
    waiting
        The most requests of each process that may wait for the model.
    timeout
        Seconds that a request may take: below SageMaker's 60.
    failures
        Failures in a row after which the model is taken for broken.
    drain
        Seconds to finish what is under way: below SageMaker's 30.
    metrics
        Seconds between two lines of metrics; 0: none.
    name
        Dimension of the metrics.
    """

    folder: Path
    digest: str
    host: str
    port: int
    user: int
    workers: int
    batching: str
    batch: int
    largest: int
    rows: int
    waiting: int
    timeout: int
    failures: int
    drain: int
    metrics: int
    name: str

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Parameters
        ----------
        environment
            Where from; the container's own environment.

        Raises
        ------
        SettingsError
            With every fault together.
        """
        faults: list[str] = []

        def number(name: str, default: int, least: int, most: int) -> int:
            text = environment.get(name) or str(default)
            if text.isdecimal() and least <= int(text) <= most:
                return int(text)
            faults.append(f"{name} is '{text}', which is no number from {least} to {most}")
            return default

        batching = environment.get("MODEL_SERVER_BATCHING") or BATCHING[0]
        if batching not in BATCHING:
            faults.append(f"MODEL_SERVER_BATCHING is '{batching}': {', '.join(BATCHING)}")
        settings = cls(
            folder=Path(environment.get("SAGEMAKER_BASE_DIR") or "/opt/ml") / "model",
            digest=environment.get("MODEL_DIGEST", ""),
            # A container's network is its own, and its image says so; anywhere else, loopback.
            host=environment.get("MODEL_SERVER_HOST") or "127.0.0.1",
            port=number("SAGEMAKER_BIND_TO_PORT", 8080, 1, 65535),
            user=number("MODEL_SERVER_UID", 0, 0, 2**31),
            workers=number("MODEL_SERVER_WORKERS", len(os.sched_getaffinity(0)), 1, 1024),
            batching=batching,
            batch=number("MODEL_SERVER_BATCH", 64, 1, 10_000),
            # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
            largest=number("MODEL_SERVER_LARGEST_BODY", 6 * 2**20, 1, 2**31),
            rows=number("MODEL_SERVER_ROWS", 100_000, 1, 2**31),
            waiting=number("MODEL_SERVER_WAITING", 256, 1, 100_000),
            # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
            timeout=number("MODEL_SERVER_TIMEOUT", 55, 1, 3600),
            failures=number("MODEL_SERVER_FAILURES", 5, 1, 1_000_000),
            drain=number("MODEL_SERVER_DRAIN", 25, 0, 3600),
            metrics=number("MODEL_SERVER_METRICS_SECONDS", 60, 0, 86_400),
            name=environment.get("MODEL_NAME") or "model",
        )
        if faults:
            raise SettingsError("; ".join(faults))
        return settings
