"""The records of a checkout that is deployed: the bucket of releases knows better what serves."""

from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from operations.deployment import Say
from operations.errors import OperationError
from operations.records import write_release
from releasing.journal import Journal
from releasing.records import Records
from releasing.store import ConflictError, Store
from stacks.config import Environment
from stacks.releases import load_images, load_release


class CheckoutRecords:
    """The folder of releases that a checkout is deployed with, beside the bucket of releases.

    Parameters
    ----------
    environment
        The environment, whose Data stack is deployed before anything is asked here.
    folder
        Folder of the releases.
    s3
        A client of S3.
    say
        Told which records were others.
    """

    def __init__(self, environment: Environment, folder: Path, s3: Any, say: Say) -> None:
        self._environment = environment
        self._folder = folder
        self._say = say
        self._store = Store(s3, environment.naming.release_bucket(environment.account))
        self._records = Records(self._store, environment.name, folder)

    def take(self) -> list[str]:
        """Have the folder say what the followed endpoints serve.

        Returns
        -------
        list of str
            The endpoints that a release is changing now: their records say what served before.

        Raises
        ------
        OperationError
            Where the bucket cannot be read.
        FaultsError
            With every fault of a record.
        """
        changing = []
        for endpoint in self._environment.followed:
            try:
                # The journal first: what ends in between is left alone, and nothing older deployed.
                if self._is_changing(endpoint):
                    changing.append(endpoint)
                self._take(endpoint)
            except (BotoCoreError, ClientError) as error:
                raise OperationError(
                    f"What '{endpoint}' serves cannot be read from"
                    f" s3://{self._store.bucket}: {error}",
                    "Without it, an older version might be deployed over it. Check that these"
                    " credentials may list and read that bucket, and that they are named in"
                    " perimeter.roles.",
                ) from error
        return changing

    def put_images(self) -> None:
        """Have releases from now on take the images that are recorded in the folder.

        Raises
        ------
        OperationError
            Where somebody else recorded others meanwhile.
        """
        images = load_images(self._folder, self._environment.name)
        try:
            if images:
                self._records.write_images(images)
        except ConflictError as error:
            raise OperationError(f"{error}.", "Run it again.") from error

    def _is_changing(self, endpoint: str) -> bool:
        """Whether a release is at work on an endpoint, and changed something of it."""
        return any(it.half_way for it in Journal(self._store, endpoint).entries())

    def _take(self, endpoint: str) -> None:
        served = self._records.current(endpoint)
        known = load_release(self._folder, self._environment.name, endpoint)
        if served and served.release != known:
            path = write_release(self._folder, self._environment.name, endpoint, served.release)
            said = f"{served.release.summary} serves, and is recorded in {path}"
            self._say(f"{endpoint}: {said}{f' instead of {known.summary}' if known else ''}")
