"""What a build says: a file here, and a stream in CloudWatch Logs."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.host import Host

FLUSH_SECONDS = 1.0
MOST_EVENTS = 1000
"""Lines that are put at once; CloudWatch Logs takes ten times as many.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

log = logging.getLogger(__name__)


class Output:
    """The output of one build.

    Parameters
    ----------
    host
        Where the file is.
    region
        Where the stream is.
    logs
        Names of the log group and of the stream.
    name
        Name of the file.

    Attributes
    ----------
    file : pathlib.Path
        The file.
    """

    def __init__(self, host: Host, region: str, logs: Mapping[str, str], name: str) -> None:
        self.file = host.state.logs / name
        self._logs = host.client("logs", region)
        self._group, self._stream = logs["groupName"], logs["streamName"]
        self._put = 0
        self._next = 0.0
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._made = False

    def say(self, line: str) -> None:
        """Add a line of the service's own."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"[Container] {time.strftime('%Y/%m/%d %H:%M:%S')} {line}\n")

    def flush(self) -> None:
        """Give CloudWatch Logs what is new, where it was not given any for a while."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + FLUSH_SECONDS
            self._give(whole=False)

    def close(self) -> None:
        """Give CloudWatch Logs the rest."""
        self._give(whole=True)

    def _give(self, whole: bool) -> None:
        with self.file.open("rb") as file:
            file.seek(self._put)
            new = file.read()
        if not whole:
            new = new[: new.rfind(b"\n") + 1]
        now = int(time.time() * 1000)
        lines = [line for line in new.decode(errors="replace").splitlines() if line]
        events: list[dict[str, Any]] = [{"timestamp": now, "message": line} for line in lines]
        try:
            self._make()
            for first in range(0, len(events), MOST_EVENTS):
                self._logs.put_log_events(
                    logGroupName=self._group,
                    logStreamName=self._stream,
                    logEvents=events[first : first + MOST_EVENTS],
                )
        except (BotoCoreError, ClientError):
            # The file has it all; a build does not fail because its log cannot be read elsewhere.
            log.exception("%s: nothing is in CloudWatch Logs", self.file.name)
        self._put += len(new)

    def _make(self) -> None:
        if self._made:
            return
        exists = self._logs.exceptions.ResourceAlreadyExistsException
        for make, names in (
            (self._logs.create_log_group, {"logGroupName": self._group}),
            (
                self._logs.create_log_stream,
                {"logGroupName": self._group, "logStreamName": self._stream},
            ),
        ):
            try:
                make(**names)
            except exists:
                continue
        self._made = True
