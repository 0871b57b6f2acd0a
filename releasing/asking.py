"""What an operator asks for by hand: the former version, or the same once more."""

from collections.abc import Mapping

from operations.errors import OperationError
from releasing.promotion import PromotedModel, Promotion, ask, promotion_key, read_promotion
from releasing.records import Served
from releasing.services import Services
from releasing.store import ConflictError
from stacks.config import Environment
from stacks.container_config import model_name


def release_again(services: Services, endpoint: str, by: str, reason: str) -> str:
    """Ask for what was promoted last, once more.

    Parameters
    ----------
    services
        Whom to ask.
    endpoint
        Name of the endpoint.
    by, reason
        Who asks, and why.

    Returns
    -------
    str
        What was asked for, in words.

    Raises
    ------
    OperationError
        Where nothing was promoted yet, or something else just was.
    """
    asked = read_promotion(services.store, endpoint)
    again = asked.promotion.model_copy(
        update={"promoted_by": by, "reason": reason or "asked for again", "cause": "again"}
    )
    try:
        ask(services.store, again, after=asked.etag)
    except ConflictError as error:
        raise OperationError(
            f"Something else was promoted for '{endpoint}' meanwhile.", "See what becomes of it."
        ) from error
    return again.summary


def rollback(
    services: Services, endpoint: str, by: str, reason: str, version: int | None = None
) -> str:
    """Ask for what served before, to the digest. No image is built, and no model resolved anew.

    The alias moves first: whoever is killed after that has asked for it anyway, by the webhook.

    Parameters
    ----------
    services
        Whom to ask.
    endpoint
        Name of the endpoint.
    by, reason
        Who asks, and why.
    version
        A version of a model that served; the one before what serves if not given.

    Returns
    -------
    str
        What was asked for, in words.

    Raises
    ------
    OperationError
        Where nothing served before, or it is not an alias that decides.
    """
    asked = read_promotion(services.store, endpoint)
    former = _former(services, endpoint, asked.promotion, version)
    models = promoted_models(services.environment, endpoint, former)
    start = f"release.{services.environment.name}.{endpoint}"
    for part, model in models.items():
        # The tracking server itself notes who moves the alias, and lets nobody else say it.
        services.mlflow.set_model_version_tag(
            model.name, str(model.version), f"promoted.{model.alias}.reason", reason
        )
        left = asked.promotion.models.get(part)
        if left and left.version != model.version:
            said = f"to {model.version}, by {by}: {reason}"
            services.mlflow.set_model_version_tag(
                left.name, str(left.version), f"{start}.rollback", said
            )
    return move_aliases(
        services,
        Promotion(
            endpoint=endpoint,
            models=models,
            promoted_by=by,
            reason=reason,
            cause="rollback",
            record=dict(former.release.containers),
        ),
    )


def move_aliases(services: Services, promotion: Promotion) -> str:
    """Move the aliases of a promotion's models, and ask for its record.

    Parameters
    ----------
    services
        Whom to ask.
    promotion
        What is asked for, with its record.

    Returns
    -------
    str
        What was asked for, in words.
    """
    before = services.store.read(promotion_key(promotion.endpoint))
    for model in promotion.models.values():
        services.mlflow.set_registered_model_alias(model.name, model.alias, str(model.version))
    try:
        ask(services.store, promotion, after=before.etag if before else "")
    except ConflictError:
        latest = read_promotion(services.store, promotion.endpoint)
        if latest.promotion.versions != promotion.versions:
            raise OperationError(
                f"{latest.promotion.summary} was promoted for '{promotion.endpoint}' meanwhile.",
                "See what becomes of it, or run this again.",
            ) from None
        # The webhook was faster. It asks for the same versions in the images of today, and what is
        # asked for here is to the digest: the newer of two promotions counts.
        services.say("The webhook asked for these versions already: now for their images, too.")
        ask(services.store, promotion, after=latest.etag)
    return promotion.summary


def promoted_models(
    environment: Environment, endpoint: str, served: Served
) -> Mapping[str, PromotedModel]:
    """The versions of a state of production whose aliases decide what is released.

    Parameters
    ----------
    environment
        The environment.
    endpoint
        Name of the endpoint.
    served
        The state.

    Raises
    ------
    OperationError
        Where the endpoint has other containers by now, or none that an alias decides of.
    """
    containers, models = served.release.containers, {}
    parts = environment.endpoints[endpoint].parts
    fits = set(parts) == set(containers)
    for part, container in parts.items():
        if fits and container.model and "@" in container.model:
            name, version = containers[part].model, containers[part].version
            fits = name == model_name(container.model) and version is not None
            if fits and name and version:
                alias = container.model.partition("@")[2]
                models[part] = PromotedModel(name=name, alias=alias, version=version)
    if not fits or not models:
        raise OperationError(
            f"What served, {served.release.summary}, is not of the containers that"
            f" environments/{environment.name}.yaml has for '{endpoint}'.",
            "Bring the former containers back in that file, and deploy.",
        )
    return models


def _former(services: Services, endpoint: str, promotion: Promotion, version: int | None) -> Served:
    """What served before. Where what was promoted last does not serve, that is what serves."""
    history = list(services.records.history(endpoint))
    if not history:
        raise OperationError(f"'{endpoint}' serves nothing yet.", "Promote a version.")
    if version is not None:
        found = next((it for it in history if version in it.models.values()), None)
    else:
        promoted = {it.name: it.version for it in promotion.models.values()}
        serves = history[0].models
        left = promoted if any(serves.get(name) != it for name, it in promoted.items()) else serves
        found = next(
            (it for it in history if any(it.models.get(n) != v for n, v in left.items())), None
        )
    if found is None:
        wanted = f"version {version}" if version is not None else "another version"
        raise OperationError(
            f"'{endpoint}' never served {wanted}.",
            f"See what it served: make history"
            f" ENDPOINT={endpoint} ENV={services.environment.name}.",
        )
    return found
