"""Resources of which nothing runs here: they are recorded, and what refers to them finds an id."""

import hashlib

from local.extensions.hooks import Created, Properties


class Recorded:
    """A type that only a real account gives something to do, such as what backs up a database.

    Parameters
    ----------
    attribute
        What ``Fn::GetAtt`` gives the id by, where it is not ``Id``.
    """

    def __init__(self, attribute: str = "Id") -> None:
        self._attribute = attribute

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Give it an id."""
        number = hashlib.sha256(f"{stack}/{logical_id}".encode()).hexdigest()[:16]
        return Created(f"{logical_id}-{number}", {self._attribute: f"{logical_id}-{number}"})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Keep the id."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Nothing is kept of it."""
