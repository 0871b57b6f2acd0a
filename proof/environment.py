"""An environment of ours as the proof takes it: what its configuration names on purpose."""

from pathlib import Path

from proof.model import Expectations, Proof
from proof.prove import prove
from proof.rights.role_policies import examine_rights
from proof.ways.audience import account_of
from stacks.config import Environment, load_environment

MICRO = 1_000_000
"""Prices are whole numbers of a millionth of a dollar in the configuration."""


def prove_environment(name: str, assembly: Path, environments: Path) -> Proof:
    """Prove an environment of ours.

    Parameters
    ----------
    name
        Its name.
    assembly
        Its cloud assembly.
    environments
        Folder of the environments.

    Raises
    ------
    FaultsError
        Where there is no such environment, or no assembly.
    """
    environment = load_environment(name, environments)
    return prove(
        assembly,
        name,
        expectations_of(environment),
        account=environment.account,
        region=environment.region,
        ours=True,
        rights=examine_rights,
    )


def expectations_of(environment: Environment) -> Expectations:
    """What an environment's configuration names on purpose.

    Principals and vaults that it names bring their accounts with them; endpoints and clients' VPCs
    that may reach the data are ways in as an attachment is.
    """
    network, perimeter = environment.network, environment.perimeter
    shared = network.shared_endpoints
    clients = environment.clients.values()
    copies = environment.data.backup.copy_to
    promoted_to = environment.release.promote_to if environment.release else {}
    principals = (
        *network.neighbours,
        *perimeter.roles,
        *environment.tracking.endpoint_service.allowed_principals,
        *(reader for readers in promoted_to.values() for reader in readers),
    )
    accounts = {
        *map(account_of, principals),
        *(client.account for client in clients if client.account),
        *([copies.split(":")[4]] if copies else []),
    }
    gateway = shared.transit_gateway if shared else None
    return Expectations(
        attachments=frozenset(
            {
                *perimeter.endpoints,
                *(client.vpc for client in clients),
                *([gateway] if gateway else []),
            }
        ),
        accounts=frozenset(accounts - {environment.account}),
        organization=network.organization or "",
        shared_endpoints=tuple(sorted(shared.services.items())) if shared else (),
        reasons=tuple(sorted(environment.opt_outs.items())),
        price=(network.endpoint_price or 0) / MICRO,
    )
