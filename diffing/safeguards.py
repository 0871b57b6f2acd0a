"""Safeguards that a change takes away or adds: settings that stand in many types by one name."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from diffing.model import Change, Section
from diffing.resources import SNAPSHOT, Compared
from diffing.sides import Sides, path_of
from diffing.values import Difference
from diffing.words import STATEFUL, noun, shown
from proof.model import Finding, Verdict
from proof.rights.role_policies import examine_rights
from proof.system.system import System
from proof.system.values import as_list, is_unknown
from proof.ways import ways

CLOSED: dict[str, str] = {
    "AcceptanceRequired": "true",
    "AssignPublicIp": "disabled",
    "AtRestEncryptionEnabled": "true",
    "BlockPublicAcls": "true",
    "BlockPublicPolicy": "true",
    "DeletionProtection": "true",
    "DeletionProtectionEnabled": "true",
    "EnableInterContainerTrafficEncryption": "true",
    "EnableKeyRotation": "true",
    "EnableLogFileValidation": "true",
    "EnableNetworkIsolation": "true",
    "Encrypted": "true",
    "EncryptionDisabled": "false",
    "IgnorePublicAcls": "true",
    "MapPublicIpOnLaunch": "false",
    "PointInTimeRecoveryEnabled": "true",
    "Privileged": "false",
    "PubliclyAccessible": "false",
    "ReadonlyRootFilesystem": "true",
    "RestrictPublicBuckets": "true",
    "StorageEncrypted": "true",
    "TransitEncryptionEnabled": "true",
}
"""Settings that are closed with one value, and what that is."""

UNSAID_IS_CLOSED = frozenset(
    {
        "AcceptanceRequired",
        "AssignPublicIp",
        "EncryptionDisabled",
        "MapPublicIpOnLaunch",
        "Privileged",
        "PubliclyAccessible",
    }
)
"""Those of them that are closed where nobody says anything."""

OPEN: dict[str, tuple[str, ...]] = {
    "AuthorizationType": ("none",),
    "AuthType": ("none",),
    "EndpointConfiguration.Types": ("edge", "regional"),
    "ImageTagMutability": ("mutable",),
    "Scheme": ("internet-facing",),
    "TransitEncryption": ("disabled",),
    "VersioningConfiguration.Status": ("suspended",),
}
"""Settings that are open with some values, or with none, and closed with every other."""

PRESENT = frozenset(
    {
        "BucketEncryption",
        "EncryptionConfiguration",
        "EncryptionKey",
        "KMSMasterKeyID",
        "KMSKeyId",
        "KmsKey",
        "KmsKeyArn",
        "KmsKeyId",
        "KmsMasterKeyId",
        "LoggingConfiguration",
        "PublicAccessBlockConfiguration",
        "SSESpecification",
        "VpcConfig",
    }
)
"""Settings that are a safeguard as long as there are any."""

KEPT = {
    "BackupRetentionPeriod": 1.0,
    "DeleteAfterDays": math.inf,
    "RetentionInDays": math.inf,
    "RetentionPeriod": 1.0,
}
"""Settings that say how many days something is kept, and for how many where nobody does."""

POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")


def safeguards(compared: list[Compared]) -> list[Change]:
    """The safeguards that change.

    Parameters
    ----------
    compared
        The resources that differ.
    """
    made: list[Change] = []
    for each in compared:
        before, after = each.pair.before, each.pair.after
        if not (before and after):
            continue
        for found in each.differences:
            for inner in _spread(found):
                lost = _lost(inner, after.type)
                gained = _lost(replace(inner, before=inner.after, after=inner.before), after.type)
                if lost == gained:
                    continue
                path, kind = path_of(after), noun(after.type)
                change = Change(
                    Section.WIDENED if lost else Section.NARROWED,
                    after.template.name,
                    path,
                    after.type,
                    f"{'loses' if lost else 'gains'} a safeguard: {_said(inner)}",
                    lost,
                    f"Weakens the {kind} {path}: {_said(inner)}" if lost else "",
                )
                made.append(change)
    return sorted(set(made))


def _said(found: Difference) -> str:
    return str(replace(found, before=_short(found.before), after=_short(found.after)))


def _short(value: Any) -> Any:
    return shown(value) if isinstance(value, dict | list) else value


def _spread(found: Difference) -> Iterator[Difference]:
    """A difference of a whole group of settings, as one for each of them too."""
    yield found
    sides = [each if isinstance(each, dict) else {} for each in (found.before, found.after)]
    if isinstance(found.before, dict) != isinstance(found.after, dict):
        for name in {**sides[0], **sides[1]}:
            inner = Difference((*found.path, name), sides[0].get(name), sides[1].get(name))
            # What goes with its group is lost with it, and is not said twice.
            if found.last not in PRESENT:
                yield from _spread(inner)


def _lost(found: Difference, kind: str) -> bool:
    """Whether a safeguard was there, and is not any more."""
    name, before, after = found.last, _text(found.before), _text(found.after)
    if name in CLOSED:
        closed = (CLOSED[name], *([""] if name in UNSAID_IS_CLOSED else []))
        return before in closed and after not in closed
    opened = OPEN.get(name) or OPEN.get(".".join(found.path[-2:]))
    if opened:
        return before not in (*opened, "") and after in (*opened, "")
    if name in PRESENT:
        nothing: tuple[Any, ...] = (None, "", {}, [], False)
        return found.before not in nothing and found.after in nothing
    if name in POLICIES and kind in STATEFUL:
        default = ("",) if kind in SNAPSHOT and name == "DeletionPolicy" else ()
        return before in (*_KEEPING, *default) and after not in _KEEPING
    if name in KEPT:
        return _days(after, KEPT[name]) < _days(before, KEPT[name])
    return False


_KEEPING = ("retain", "snapshot", "retainexceptoncreate")


def _days(text: str, unsaid: float) -> float:
    return float(text) if text.isdigit() else unsaid


def _text(value: Any) -> str:
    """A value in small letters; of what is not known, a word that is no value."""
    listed = as_list(value)
    if not listed:
        return ""
    return "unknown" if is_unknown(listed[0]) else str(listed[0]).lower()


def findings(sides: Sides) -> list[Change]:
    """What the proof finds afterwards that it did not find before.

    Parameters
    ----------
    sides
        What there was, and what there is to be.
    """
    known = {_key(each) for each in _found(sides.before)}
    made = []
    for each in _found(sides.after):
        if _key(each) in known or each.verdict is Verdict.WARNING:
            continue
        place = f"{each.template.split('.')[0]}.{each.logical_id}"
        resource = sides.after.resources.get(place)
        broken = each.verdict is Verdict.VIOLATION
        # What is new and undecided is the proof's to tell, which is asked for all of it.
        if not broken and place not in sides.before.resources:
            continue
        path = path_of(resource) if resource else place
        opens = "opens a way" if broken else "may open a way"
        made.append(
            Change(
                Section.WIDENED,
                each.template.split(".")[0],
                path,
                resource.type if resource else "",
                f"{opens} ({each.rule}): {each.says.rstrip('.')}",
                broken,
                f"OPENS {path}: {each.says}" if broken else "",
                (each.mend,),
            )
        )
    return made


def _found(system: System) -> list[Finding]:
    return [*ways.examine(system)[1], *examine_rights(system)[1]]


def _key(each: Finding) -> tuple[str, ...]:
    return (each.rule, each.template, each.logical_id, each.says)
