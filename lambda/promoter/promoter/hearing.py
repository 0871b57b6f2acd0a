"""Hearing a webhook: who sent it, when, whether it was heard before, and then a look."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from promoter.errors import LookError, RefusedError
from promoter.looking import Promoter
from promoter.messages import answer, moved_alias, read_delivery
from promoter.secrets import Secret
from promoter.signing import verify
from promoter.store import Store

log = logging.getLogger(__name__)


class Hearing:
    """Answers webhooks.

    Parameters
    ----------
    promoter
        Looks.
    store
        Where it is noted what was heard.
    secret
        What MLflow signs with.
    now
        A clock, in seconds since 1970.
    """

    def __init__(
        self,
        promoter: Promoter,
        store: Store,
        secret: Secret,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._promoter = promoter
        self._store = store
        self._secret = secret
        self._now = now

    def hear(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a webhook.

        MLflow tries again after 503, and after no answer; what was refused it forgets.

        Parameters
        ----------
        event
            A request as API Gateway's proxy integration gives it.
        """
        request_id = str((event.get("requestContext") or {}).get("requestId", ""))
        try:
            return answer(200, {**self._heard(event), "requestId": request_id})
        except RefusedError as error:
            log.warning("%s: refused with %d: %s", request_id, error.status, error)
            return answer(error.status, {"error": str(error), "requestId": request_id})
        except LookError as error:
            log.error("%s: MLflow is to tell it again: %s", request_id, error)
            what = "It cannot be looked now; the function's log says why. Try again."
            return answer(503, {"error": what, "requestId": request_id})

    def _heard(self, event: Mapping[str, Any]) -> dict[str, Any]:
        delivery = read_delivery(event)
        verify(delivery, self._secret, self._now)
        if self._store.heard(delivery.id):
            log.info("delivery %s was heard before", delivery.id)
            return {"heard": "before"}
        alias = moved_alias(delivery)
        endpoints = self._promoter.concerned(alias) if alias else []
        found = self._promoter.look(endpoints, "webhook")
        # Last: what fails before is not heard, and looking twice does no harm.
        self._store.claim(delivery.id)
        log.info("delivery %s of %s: %s", delivery.id, alias, found or "no endpoint follows it")
        return {"heard": "now", "endpoints": found}
