"""Looking: what the aliases mean now, and whether that was asked for already.

It matters neither who says that something moved, nor in which order, nor how often: a look writes
down what is, and only where it is something else than what was written last.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from promoter.errors import LookError
from promoter.registry import Promoted
from promoter.settings import Alias
from promoter.store import Store, Written

log = logging.getLogger(__name__)

UNCHANGED, PROMOTED, ABSENT, REPEATED = "unchanged", "promoted", "no alias", "promoted again"

TRIES = 10
"""How often a look begins anew because another one wrote meanwhile."""

UNATTEMPTED_SECONDS = 600
"""After how long a promotion that started nothing is written once more: its event was lost."""

REPEATS = 3
"""How often, before a look fails: no event is lost so often, and an alarm tells who can mend it."""


class Meanings(Protocol):
    """What a look asks of MLflow; `promoter.registry.Registry` does it."""

    def meaning(self, alias: Alias) -> Promoted | None:
        """What an alias means now."""
        ...


class Promoter:
    """Looks after the endpoints that follow aliases.

    Parameters
    ----------
    followed
        The alias of each container whose model follows one, by container, by endpoint.
    registry
        Says what aliases mean.
    store
        Where promotions are written.
    now
        A clock, in seconds since 1970.

    Examples
    --------
    >>> promoter = Promoter(settings.followed, registry, store)  # doctest: +SKIP
    >>> promoter.look(["iris"], "webhook")  # doctest: +SKIP
    {'iris': 'promoted'}
    """

    def __init__(
        self,
        followed: Mapping[str, Mapping[str, Alias]],
        registry: Meanings,
        store: Store,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._followed = followed
        self._registry = registry
        self._store = store
        self._now = now

    def concerned(self, alias: Alias) -> list[str]:
        """The endpoints that follow an alias."""
        return [name for name, aliases in self._followed.items() if alias in aliases.values()]

    def reconcile(self) -> dict[str, str]:
        """Look at every endpoint, and see that what was asked for was begun.

        Raises
        ------
        LookError
            With every endpoint that could not be looked at. The others were.
        """
        return self.look(self._followed, "schedule", repeat=True)

    def look(self, endpoints: Iterable[str], cause: str, *, repeat: bool = False) -> dict[str, str]:
        """Promote what the aliases of endpoints mean now, where that is something new.

        Parameters
        ----------
        endpoints
            Names of the endpoints.
        cause
            Why it is looked: ``webhook`` or ``schedule``.
        repeat
            Whether a promotion that started nothing is written once more.

        Returns
        -------
        dict of str to str
            What became of each endpoint.

        Raises
        ------
        LookError
            With every endpoint that could not be looked at. The others were.
        """
        found, failed = {}, []
        for endpoint in endpoints:
            try:
                found[endpoint] = self._look(endpoint, cause, repeat=repeat)
            except LookError as error:
                log.error("%s: %s", endpoint, error)
                failed.append(f"{endpoint}: {error}")
        if failed:
            raise LookError(" ".join(failed))
        return found

    def _look(self, endpoint: str, cause: str, *, repeat: bool) -> str:
        for _ in range(TRIES):
            # In this order: who writes after the same promotion has asked MLflow later than who
            # wrote that one, so that nothing older is ever written over something newer.
            last = self._store.promotion(endpoint)
            meanings = self._meanings(endpoint)
            if meanings is None:
                return ABSENT
            models = _models(self._followed[endpoint], meanings)
            if last.content.get("models") != models:
                content, said = _content(endpoint, models, meanings, last, cause), PROMOTED
            elif repeat and self._started_nothing(endpoint, last):
                content = {**last.content, "repeated": last.content.get("repeated", 0) + 1}
                said = REPEATED
            else:
                return UNCHANGED
            if self._store.promote(endpoint, content, last):
                log.info("%s: %s %s, because of the %s", endpoint, said, _names(models), cause)
                return said
        raise LookError(
            f"The promotion was written by others {TRIES} times while it was looked at. Look again."
        )

    def _meanings(self, endpoint: str) -> dict[str, Promoted] | None:
        """What each alias of an endpoint means; nothing where one is not there."""
        found = {}
        for container, alias in self._followed[endpoint].items():
            meaning = self._registry.meaning(alias)
            if meaning is None:
                log.warning(
                    "%s: there is no %s (any more), so that nothing is released: what was"
                    " promoted last stays. Set the alias, or take the endpoint out of"
                    " release.follow.",
                    *(endpoint, alias),
                )
                return None
            found[container] = meaning
        return found

    def _started_nothing(self, endpoint: str, last: Written) -> bool:
        if self._now() - last.at < UNATTEMPTED_SECONDS:
            return False
        if last.version in self._store.attempted(endpoint):
            return False
        if last.content.get("repeated", 0) >= REPEATS:
            raise LookError(
                f"Its promotion was written {REPEATS} times more, and no release began. See the"
                " latest builds of its pipeline: they may lack the app, the image, or a right. Once"
                " that is mended, ask again: make release-again."
            )
        log.warning(
            "%s: promotion %s started no release in %d s: it is written again. See whether the"
            " endpoint's pipeline is there, and its rule.",
            *(endpoint, last.version, UNATTEMPTED_SECONDS),
        )
        return True


def _models(
    aliases: Mapping[str, Alias], meanings: Mapping[str, Promoted]
) -> dict[str, dict[str, Any]]:
    return {
        container: {
            "name": alias.model,
            "alias": alias.name,
            "version": meanings[container].version,
        }
        for container, alias in aliases.items()
    }


def _content(
    endpoint: str,
    models: dict[str, dict[str, Any]],
    meanings: Mapping[str, Promoted],
    last: Written,
    cause: str,
) -> dict[str, Any]:
    """What a promotion says: who and why are those of the containers that changed."""
    before = last.content.get("models")
    known = before if isinstance(before, dict) else {}
    changed = [meanings[name] for name, model in models.items() if known.get(name) != model]
    return {
        "endpoint": endpoint,
        "models": models,
        "promoted_by": _joined(meaning.by for meaning in changed),
        "reason": _joined(meaning.reason for meaning in changed),
        "cause": cause,
    }


def _joined(words: Iterable[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(word for word in words if word)) or None


def _names(models: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{model['name']} version {model['version']}" for model in models.values())
