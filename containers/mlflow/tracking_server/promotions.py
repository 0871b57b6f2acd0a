"""Who set an alias stands at the version that it means.

MLflow keeps an alias and forgets who set it. Here the tag ``promoted.<alias>.by`` of the version
says it, which is written with the alias or not at all, and which nobody writes otherwise. Why is
for whoever sets the alias to say, in the tag ``promoted.<alias>.reason``.
"""

from collections.abc import Callable
from typing import Any

START, END = "promoted", "by"

LONGEST = 200
"""The longest alias, so that the tag's name is one that MLflow takes: it has 250 characters."""

USED = (
    *("_validate_model_name", "_validate_model_version"),
    *("_validate_model_alias_name", "_validate_model_alias_name_reserved"),
    *("SqlRegisteredModelAlias", "SqlModelVersionTag"),
)
"""What MLflow sets an alias with."""


class PromotionsError(Exception):
    """What this version of MLflow lacks."""


def note_promoters(registry: Any, who: Callable[[], str | None]) -> None:
    """Have MLflow's registry note who sets an alias.

    Parameters
    ----------
    registry
        The module ``mlflow.store.model_registry.sqlalchemy_store``.
    who
        Says who calls; nothing where nobody does, as within the server itself.

    Raises
    ------
    PromotionsError
        Where this version of MLflow lacks what is changed here.
    """
    store = registry.SqlAlchemyStore
    asked = ("create_model_version", "set_model_version_tag", "delete_model_version_tag")
    used = ("set_registered_model_alias", "_get_sql_model_version")
    for owner, names in ((store, (*asked, *used)), (registry, USED)):
        for name in names:
            if not callable(getattr(owner, name, None)):
                what = f"{owner.__name__}.{name}"
                raise PromotionsError(f"this MLflow has no {what}: see promotions.py")
    create, set_other, delete_other = (getattr(store, name) for name in asked)

    def set_alias(self: Any, name: str, alias: str, version: str) -> None:
        _set_alias(registry, self, name, alias, version, who())

    def create_version(self: Any, *words: Any, tags: Any = None, **more: Any) -> Any:
        # Clients that copy a version send its tags along.
        kept = [each for each in tags or () if not is_promoter(each.key)]
        return create(self, *words, tags=kept, **more)

    def set_tag(self: Any, name: str, version: str, tag: Any) -> None:
        _refuse(tag.key)
        set_other(self, name, version, tag)

    def delete_tag(self: Any, name: str, version: str, key: str) -> None:
        _refuse(key)
        delete_other(self, name, version, key)

    store.set_registered_model_alias = set_alias
    store.create_model_version = create_version
    store.set_model_version_tag = set_tag
    store.delete_model_version_tag = delete_tag


def is_promoter(key: str) -> bool:
    """Whether a tag says who set an alias, or the database takes its name for one that does.

    MySQL finds letters equal that differ in case or accent alone.
    https://dev.mysql.com/doc/refman/8.4/en/charset-collation-names.html

    Parameters
    ----------
    key
        Name of the tag.

    Examples
    --------
    >>> is_promoter("promoted.champion.by"), is_promoter("promoted.champion.reason")
    (True, False)
    """
    parts = key.split(".")
    return len(parts) > 2 and _may_equal(parts[0], START) and _may_equal(parts[-1], END)


def _may_equal(said: str, name: str) -> bool:
    return len(said) == len(name) and all(
        one.lower() == other or not one.isascii() for one, other in zip(said, name, strict=True)
    )


def _refuse(key: Any) -> None:
    if isinstance(key, str) and is_promoter(key):
        raise _refusal(f"The server itself writes the tag '{key}', when an alias is set.")


def _set_alias(
    registry: Any, store: Any, name: str, alias: str, version: str, user: str | None
) -> None:
    """What MLflow does, and the tag, in one transaction."""
    registry._validate_model_name(name)
    registry._validate_model_alias_name(alias)
    registry._validate_model_alias_name_reserved(alias)
    if len(alias) > LONGEST:
        raise _refusal(f"An alias has {LONGEST} characters at most.")
    version = registry._validate_model_version(version)
    with store.ManagedSessionMaker(read_only=False) as session:
        found = store._get_sql_model_version(session, name, version)
        place = {"workspace": found.workspace, "name": name, "version": version}
        session.merge(registry.SqlRegisteredModelAlias(alias=alias, **place))
        if user:
            key = f"{START}.{alias}.{END}"
            session.merge(registry.SqlModelVersionTag(key=key, value=user, **place))


def _refusal(message: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    return MlflowException(message, INVALID_PARAMETER_VALUE)


def sender(auth: Any) -> str | None:
    """Who sent the call that Flask works on.

    Parameters
    ----------
    auth
        The module ``mlflow.server.auth``.
    """
    from flask import has_request_context

    return str(auth.authenticate_request().username) if has_request_context() else None
