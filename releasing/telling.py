"""Telling the alarm topic what came of something."""

from botocore.exceptions import BotoCoreError, ClientError

from operations.errors import OperationError
from releasing.services import Services

SUBJECT = 100
"""The longest subject of a message, in which SNS takes no line break and no control character.
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""
LARGEST = 256_000
"""Bytes of a message: SNS takes a few more, and refuses what is larger."""


def tell(services: Services, subject: str, text: str) -> None:
    """Tell the topic.

    Parameters
    ----------
    services
        Whom to ask.
    subject
        What it is about, in words of others too: what is too long of it is cut off, and what no
        line holds is left blank.
    text
        What is said; what is too long of it is cut off.

    Raises
    ------
    OperationError
        Where it could not be told: what runs next tells it.
    """
    line = "".join(it if it.isprintable() else " " for it in subject)[:SUBJECT]
    fits = text.encode()[:LARGEST].decode(errors="ignore")
    try:
        services.sns.publish(TopicArn=services.topic, Subject=line, Message=fits)
    except (BotoCoreError, ClientError) as error:
        raise OperationError(
            f"The topic {services.topic} could not be told: {error}",
            "Check the rights of the build's role on it; the next step tells it again.",
        ) from error
