"""Names that fit where a service has no room for long ones."""

import hashlib

from mlops_constructs.content_name import HASH_LENGTH


def fitted(name: str, letters: int) -> str:
    """The name, or its start and a hash of the whole where it is too long.

    Parameters
    ----------
    name
        The name.
    letters
        Letters that there is room for.

    Examples
    --------
    >>> fitted("mlops-blue-iris", 30), fitted("mlops-blue-a-very-long-name", 20)
    ('mlops-blue-iris', 'mlops-blue-9fea74ff')
    """
    if len(name) <= letters:
        return name
    # Two names that start alike become two.
    whole = hashlib.sha256(name.encode()).hexdigest()[:HASH_LENGTH]
    return f"{name[: letters - HASH_LENGTH - 1].rstrip('-')}-{whole}"
