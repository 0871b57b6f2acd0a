"""The four steps of a rotation, each of which may be asked for again.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from rotator.accounts import Account
from rotator.errors import RefusedError, RotationError
from rotator.secrets import CURRENT, PENDING, Login, Secrets

log = logging.getLogger(__name__)

AGAIN = "Take the label AWSPENDING off that version, and rotate again."


class Accounts(Protocol):
    """What a rotation asks of the database; `rotator.accounts.Server` does it."""

    def check(self, login: Login) -> None:
        """Make sure that `login` opens its database."""
        ...

    def account(self, login: Login) -> Account:
        """What the user of `login` may do."""
        ...

    def make(self, login: Login, account: Account, master: Login) -> None:
        """Have the user of `login` there, like `account`."""
        ...

    def change(self, login: Login, password: str) -> None:
        """Let the user of `login` change its own password."""
        ...


@dataclass(frozen=True)
class Request:
    """What Secrets Manager asks for.

    Parameters
    ----------
    step
        ``createSecret``, ``setSecret``, ``testSecret`` or ``finishSecret``.
    arn
        The secret.
    token
        The version that is to become the current one.
    """

    step: str
    arn: str
    token: str

    @classmethod
    def read(cls, event: Mapping[str, object]) -> "Request":
        """Read what the function is given.

        Raises
        ------
        RotationError
            Where it lacks a part: something else than Secrets Manager called.
        """
        parts = [str(event.get(name) or "") for name in ("Step", "SecretId", "ClientRequestToken")]
        if not all(parts):
            raise RotationError("This is no request of Secrets Manager: have it call the function.")
        return cls(*parts)


class Rotator:
    """Carries out steps.

    A secret with a ``masterarn`` is for two users that take turns: while the one is given a new
    password, whoever logs in as the other goes on. Any other secret's user changes its own.

    Parameters
    ----------
    secrets
        The secrets.
    accounts
        The database's users.
    """

    def __init__(self, secrets: Secrets, accounts: Accounts) -> None:
        self._secrets = secrets
        self._accounts = accounts
        self._steps = {
            "createSecret": self._create,
            "setSecret": self._set,
            "testSecret": self._test,
            "finishSecret": self._finish,
        }

    def run(self, request: Request) -> None:
        """Carry out a step.

        Parameters
        ----------
        request
            The step.

        Raises
        ------
        RotationError
            Where it failed: names the step, the secret, and what to do.
        """
        where = f"{request.step} of {request.arn}"
        try:
            self._run(request)
        except RefusedError as error:
            raise RotationError(
                f"{where}: {error} Set what the secret says with the master user, or put into the"
                " secret what the database knows; then rotate again."
            ) from error
        except RotationError as error:
            raise RotationError(f"{where}: {error}") from error
        except (BotoCoreError, ClientError) as error:
            raise RotationError(
                f"{where}: {error}. Look at the function's role, the secret's policy, and the"
                " endpoint of Secrets Manager."
            ) from error
        log.info("%s: done", where)

    def _run(self, request: Request) -> None:
        step = self._steps.get(request.step)
        if step is None:
            raise RotationError(f"There is no such step. The steps are {', '.join(self._steps)}.")
        labels = self._secrets.labels(request.arn)
        of_version = labels.get(request.token, [])
        if CURRENT in of_version:
            return
        if PENDING not in of_version:
            raise RotationError(f"Version {request.token} is not pending. Rotate again.")
        step(request)

    def _create(self, request: Request) -> None:
        """Keep a new password, unless there is one."""
        current = self._secrets.current(request.arn)
        if self._secrets.pending(request.arn) is None:
            login = current.successor(self._secrets.password())
            self._secrets.put(request.arn, request.token, login)

    def _set(self, request: Request) -> None:
        """Let the database know it."""
        current, pending = self._secrets.current(request.arn), self._pending(request)
        if (pending.user, pending.host) != (current.next_user, current.host):
            raise RotationError(
                f"Version {request.token} is for '{pending.user}' at {pending.host}, and not for"
                f" '{current.next_user}' at {current.host}. {AGAIN}"
            )
        if current.master:
            # Whoever may write the secret, but does not know the password, gets no user by it.
            account = self._accounts.account(current)
            self._accounts.make(pending, account, self._master(current))
        elif not self._opens(pending):
            self._accounts.change(current, pending.password)

    def _test(self, request: Request) -> None:
        """Log in with it."""
        pending = self._secrets.pending(request.arn)
        current = self._secrets.current(request.arn)
        if pending is None or pending == current:
            # A schedule that is new is tried out so. There need be no user yet: the first
            # deployment makes it later.
            # https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
            if not self._opens(current):
                log.warning("%s: the database does not know '%s' yet", request.arn, current.user)
            return
        self._accounts.check(pending)

    def _finish(self, request: Request) -> None:
        """Give it to whoever reads the secret."""
        labels = self._secrets.labels(request.arn)
        current = [version for version, of_it in labels.items() if CURRENT in of_it]
        if not current:
            raise RotationError("No version is current. Label the one that is in use AWSCURRENT.")
        self._secrets.promote(request.arn, request.token, current[0])

    def _pending(self, request: Request) -> Login:
        pending = self._secrets.pending(request.arn)
        if pending is None:
            raise RotationError(f"Version {request.token} has no value. {AGAIN}")
        return pending

    def _master(self, current: Login) -> Login:
        """The master user, whose own rotation may be between two steps."""
        master = self._secrets.current(current.master)
        if (master.host, master.port) != (current.host, current.port):
            raise RotationError(
                f"{current.master} is of another database, at {master.host}:{master.port}."
                " Correct 'masterarn'."
            )
        if self._opens(master):
            return master
        return self._secrets.pending(current.master) or master

    def _opens(self, login: Login) -> bool:
        try:
            self._accounts.check(login)
        except RefusedError:
            return False
        return True
