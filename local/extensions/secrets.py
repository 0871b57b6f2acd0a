"""``AWS::SecretsManager::ResourcePolicy``: kept by the emulator's own service, and not enforced."""

import json
from typing import Any

from local.extensions.hooks import Created, Properties, account_and_region
from local.host import Host


class SecretPolicy:
    """The policy of a secret.

    Parameters
    ----------
    host
        Whose emulator keeps it.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Give the secret its policy."""
        self._client().put_resource_policy(
            SecretId=properties["SecretId"], ResourcePolicy=json.dumps(properties["ResourcePolicy"])
        )
        return Created(properties["SecretId"], {"Id": properties["SecretId"]})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Replace it."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Take it away."""
        self._client().delete_resource_policy(SecretId=properties["SecretId"])

    def _client(self) -> Any:
        return self._host.client("secretsmanager", account_and_region()[1])
