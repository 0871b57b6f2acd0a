"""What the platform calls things in SageMaker and in the bucket: the stacks' own rules, in code.

Nothing tells the function of an endpoint: the name in the address is all that it has.
"""

from dataclasses import dataclass


def endpoint_name(prefix: str, endpoint: str) -> str:
    """The SageMaker endpoint that the configuration calls so.

    Parameters
    ----------
    prefix
        What the names of endpoints start with.
    endpoint
        Its name in the configuration.
    """
    return f"{prefix}{endpoint}"


def component_name(prefix: str, endpoint: str, model: str) -> str:
    """The inference component of a model that shares an endpoint.

    Parameters
    ----------
    prefix
        What the names of endpoints start with.
    endpoint, model
        Their names in the configuration.

    Examples
    --------
    >>> component_name("mlops-blue-", "small", "iris")
    'mlops-blue-small-iris'
    """
    return f"{endpoint_name(prefix, endpoint)}-{model}"


@dataclass(frozen=True)
class Places:
    """Where an asynchronous endpoint's requests, answers and failures stand in the bucket.

    Parameters
    ----------
    endpoint
        Its name in the configuration.

    Examples
    --------
    >>> Places("reports").answers
    'async/reports/out/'
    """

    endpoint: str

    @property
    def requests(self) -> str:
        """What is asked."""
        return f"async/{self.endpoint}/in/"

    @property
    def answers(self) -> str:
        """What the model says."""
        return f"async/{self.endpoint}/out/"

    @property
    def failures(self) -> str:
        """What was wrong."""
        return f"async/{self.endpoint}/failed/"
