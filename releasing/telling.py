"""Telling the alarm topic what came of something."""

from botocore.exceptions import BotoCoreError, ClientError

from operations.errors import OperationError
from releasing.services import Services

SUBJECT = 100
"""The longest subject of a message.
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""


def tell(services: Services, subject: str, text: str) -> None:
    """Tell the topic.

    Parameters
    ----------
    services
        Whom to ask.
    subject
        What it is about; what is too long of it is cut off.
    text
        What is said.

    Raises
    ------
    OperationError
        Where it could not be told: what runs next tells it.
    """
    try:
        services.sns.publish(TopicArn=services.topic, Subject=subject[:SUBJECT], Message=text)
    except (BotoCoreError, ClientError) as error:
        raise OperationError(
            f"The topic {services.topic} could not be told: {error}",
            "Check the rights of the build's role on it; the next step tells it again.",
        ) from error
