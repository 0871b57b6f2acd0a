"""The rule packs of cdk-nag that an environment asks for."""

from collections.abc import Iterable, Mapping

from aws_cdk import App, Validations
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NagPack,
    NIST80053R5Checks,
    PCIDSS321Checks,
    ServerlessChecks,
)

from stacks.config import Pack

PACKS: Mapping[Pack, type[NagPack]] = {
    "AwsSolutions": AwsSolutionsChecks,
    "NIST80053R5": NIST80053R5Checks,
    "HIPAA": HIPAASecurityChecks,
    "PCIDSS321": PCIDSS321Checks,
    "Serverless": ServerlessChecks,
}
"""The pack of each name that the configuration knows."""


def attach_packs(app: App, packs: Iterable[Pack]) -> None:
    """Have every synth of `app` ask the rules of some packs.

    Parameters
    ----------
    app
        The app, with its stacks.
    packs
        Names of the packs.

    Examples
    --------
    >>> attach_packs(app, ["AwsSolutions", "HIPAA"])  # doctest: +SKIP
    """
    Validations.of(app).add_plugins(*(PACKS[pack](app) for pack in packs))
