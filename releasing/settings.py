"""What a build is told: the variables of its project and of its action."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_constructs.faults import Fault, raise_faults

BY_HAND = "by-hand"
"""The execution of whoever runs a step without a pipeline."""


@dataclass(frozen=True)
class Settings:
    """What a step is told.

    Parameters
    ----------
    environment
        Name of the environment.
    bucket
        The bucket of releases; the environment's own where empty.
    login
        The user of MLflow that reads and tags; what the environment says where empty.
    topic
        ARN of the topic that is told; what the Data stack says where empty.
    tracking_uri
        Address of MLflow; what the Tracking stack says where empty.
    invocation_url
        Address of the API, with ``{endpoint}`` in it; what the Api stack says where empty.
    invocation_key
        Id of the API's key; what the Api stack says where empty.
    step
        The step to do.
    endpoint
        Name of the endpoint; every followed one where empty, if the step is for several.
    promotion
        The version of the promotion; the latest where empty.
    proposal
        The version of the proposed app; the latest where empty.
    digest
        Digest of what the first step of a change handed on.
    execution
        Execution of the pipeline.
    """

    environment: str
    bucket: str = ""
    login: str = ""
    topic: str = ""
    tracking_uri: str = ""
    invocation_url: str = ""
    invocation_key: str = ""
    step: str = ""
    endpoint: str = ""
    promotion: str = ""
    proposal: str = ""
    digest: str = ""
    execution: str = BY_HAND

    @staticmethod
    def read(variables: Mapping[str, str], steps: Mapping[str, bool]) -> "Settings":
        """What the variables of a build say.

        Parameters
        ----------
        variables
            The process environment.
        steps
            The steps there are, and whether each is about one endpoint.

        Raises
        ------
        FaultsError
            With every variable that is missing or wrong.

        Examples
        --------
        >>> Settings.read({"RELEASE_ENV": "dev", "RELEASE_STEP": "drift"}, {"drift": False}).step
        'drift'
        """
        step = variables.get("RELEASE_STEP", "")
        faults = []
        if step not in steps:
            faults.append(
                Fault("RELEASE_STEP", f"'{step}'", " or ".join(steps), "Set it, or name a command.")
            )
        needed = ["RELEASE_ENV", *(["RELEASE_ENDPOINT"] if steps.get(step) else [])]
        faults += [
            Fault(name, "nothing", "a name", "Set it in the build project or its action.")
            for name in needed
            if not variables.get(name)
        ]
        raise_faults("the build's variables", faults)
        return Settings(
            environment=variables["RELEASE_ENV"],
            bucket=variables.get("RELEASE_BUCKET", ""),
            login=variables.get("RELEASE_LOGIN", ""),
            topic=variables.get("RELEASE_TOPIC", ""),
            tracking_uri=variables.get("TRACKING_URI", ""),
            invocation_url=variables.get("INVOCATION_URL", ""),
            invocation_key=variables.get("INVOCATION_KEY", ""),
            step=step,
            endpoint=variables.get("RELEASE_ENDPOINT", ""),
            promotion=variables.get("RELEASE_PROMOTION", ""),
            proposal=variables.get("RELEASE_PROPOSAL", ""),
            digest=variables.get("RELEASE_DIGEST", ""),
            execution=variables.get("RELEASE_EXECUTION", "") or BY_HAND,
        )
