"""What access control asks the database again and again, remembered for a while.

MLflow asks for each call whether the user is an administrator, which experiment the run is of, for
which it reads the whole run, and what the user was granted. The experiment of a run never changes.
The others are remembered for as long as a login is; but what would refuse a call is asked anew, so
that who has just been granted something is not refused, whichever process heard of it.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

MOST = 10_000
"""How much each memory holds."""

MODEL_LINK = b'"model_id"'
"""What the text of an answer holds where it names a model of a run."""

_Answer = TypeVar("_Answer")


class Remembered(Generic[_Answer]):
    """The answers of a function, for some seconds.

    Parameters
    ----------
    ask
        The function. What it raises is not remembered, nor is the answer None.
    seconds
        For how long.
    clock
        Says what time it is, in seconds.

    Examples
    --------
    >>> double = Remembered(lambda number: 2 * number, 60)
    >>> double(2), double(2)
    (4, 4)
    """

    def __init__(
        self,
        ask: Callable[..., _Answer],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._answers: dict[tuple[Hashable, ...], tuple[float, _Answer]] = {}
        self._lock = threading.Lock()

    def __call__(self, *words: Hashable) -> _Answer:
        """The answer, asked for or remembered."""
        try:
            hash(words)
        except TypeError:
            # A call may say anything, such as a list for the run that it means.
            return self._ask(*words)
        now = self._clock()
        until, answer = self._answers.get(words, (now, None))
        if until > now:
            return answer  # type: ignore[return-value]
        asked = self._ask(*words)
        if asked is not None:
            with self._lock:
                if len(self._answers) >= MOST:
                    self._answers.clear()
                self._answers[words] = (now + self._seconds, asked)
        return asked

    def forget(self, first: Hashable) -> bool:
        """Forget what was asked with this first word; whether there was something."""
        with self._lock:
            found = [words for words in self._answers if words[0] == first]
            for words in found:
                del self._answers[words]
        return bool(found)


def remember(auth: Any, seconds: float = 60, clock: Callable[[], float] = time.monotonic) -> None:
    """Have MLflow's access control remember what it asks.

    Parameters
    ----------
    auth
        The module ``mlflow.server.auth``, whose functions of these names are replaced.
    seconds
        For how long a user who was an administrator, or had a permission, has it still.
    clock
        Says what time it is, in seconds.

    Raises
    ------
    AttributeError
        Where this version of MLflow has no function of such a name.
    """
    authorize, resolve, find = auth.authorize, auth.resolve_permissions, auth._run_requirement
    readable, redact = auth.filter_experiment_ids, auth._redact_run_response
    administrators = Remembered(lambda name: auth.store.get_user(name).is_admin, seconds, clock)
    permissions = Remembered(
        lambda username, workspace, keys: tuple(resolve(username, workspace, list(keys))),
        seconds,
        clock,
    )

    runs = Remembered(find, float("inf"), clock)

    def may_read_all(_: str, experiments: tuple[str, ...]) -> bool | None:
        # Of who may read some of them alone, nothing is remembered: that may change at once.
        return len(readable(list(experiments))) == len(experiments) or None

    readable_by = Remembered(may_read_all, seconds, clock)

    def sender_is_admin() -> bool:
        return bool(administrators(auth.authenticate_request().username))

    def resolve_permissions(username: str, workspace: str, keys: Sequence[Any]) -> list[Any]:
        return list(permissions(username, workspace, tuple(keys)))

    def authorize_or_ask(username: str, anchor: Any, requirements: Sequence[Any]) -> bool:
        if authorize(username, anchor, requirements):
            return True
        return permissions.forget(username) and bool(authorize(username, anchor, requirements))

    def run_requirement(run_id: str, action: str) -> tuple[Any, list[Any]] | None:
        found = runs(run_id, action)
        if found is None:
            return None
        # Who asks may add requirements of their own.
        anchor, requirements = found
        return anchor, list(requirements)

    def filter_experiment_ids(experiments: Sequence[str]) -> list[str]:
        if readable_by(auth.authenticate_request().username, tuple(experiments)):
            return list(experiments)
        return list(readable(list(experiments)))

    def redact_run_response(answer: Any, message: Any, runs_of: Callable[[Any], Any]) -> None:
        # MLflow makes messages of the whole text to see whether there is anything to withhold.
        if MODEL_LINK in answer.data:
            redact(answer, message, runs_of)

    auth.sender_is_admin = sender_is_admin
    auth.resolve_permissions = resolve_permissions
    auth.authorize = authorize_or_ask
    auth._run_requirement = run_requirement
    auth.filter_experiment_ids = filter_experiment_ids
    auth._redact_run_response = redact_run_response
