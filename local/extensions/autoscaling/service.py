"""The service and its two resource types."""

from collections.abc import Mapping
from typing import Any

from local.extensions.autoscaling.scaler import Scaler, Target, policy_arn
from local.extensions.hooks import Created, Properties, account_and_region
from local.extensions.json_service import JsonService, Record, invalid
from operations.errors import OperationError

PREFIX = "AnyScaleFrontendService."


class AutoScaling(JsonService):
    """Application Auto Scaling, as far as the platform and its tests ask for it.

    Parameters
    ----------
    scaler
        What does it.
    """

    def __init__(self, scaler: Scaler) -> None:
        super().__init__(
            "application-autoscaling",
            PREFIX,
            {
                "RegisterScalableTarget": self._register,
                "DeregisterScalableTarget": self._deregister,
                "DescribeScalableTargets": self._targets,
                "PutScalingPolicy": self._put_policy,
                "DeleteScalingPolicy": self._delete_policy,
                "DescribeScalingPolicies": self._policies,
                "DescribeScalingActivities": self._activities,
                "PutScheduledAction": self._put_action,
            },
        )
        self._scaler = scaler

    def do(self, operation: str, request: Mapping[str, Any]) -> Record:
        """Carry out an operation; templates are told of what does not fit in another way."""
        try:
            return super().do(operation, request)
        except OperationError as error:
            raise invalid(str(error)) from error

    def target(self, request: Mapping[str, Any]) -> Target:
        """The target that a request names.

        Raises
        ------
        OperationError
            Where it has not been registered.
        """
        key = (request["ResourceId"], request["ScalableDimension"])
        if key not in self._scaler.targets:
            raise OperationError(f"No scalable target {key[0]} found.", "Register it first.")
        return self._scaler.targets[key]

    def _register(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._scaler.register(request, account_and_region())
        return {}

    def _deregister(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.target(request)
        self._scaler.deregister(request["ResourceId"], request["ScalableDimension"])
        return {}

    def _targets(self, request: Mapping[str, Any]) -> dict[str, Any]:
        found = [target.record for target in self._scaler.targets.values()]
        asked = request.get("ResourceIds")
        return {
            "ScalableTargets": [
                record for record in found if not asked or record["ResourceId"] in asked
            ]
        }

    def _put_policy(self, request: Mapping[str, Any]) -> dict[str, Any]:
        policy = self._scaler.put_policy(self.target(request), request)
        return {"PolicyARN": policy.record["PolicyARN"], "Alarms": policy.record["Alarms"]}

    def _delete_policy(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._scaler.remove_policy(self.target(request), request["PolicyName"])
        return {}

    def _policies(self, request: Mapping[str, Any]) -> dict[str, Any]:
        found = [
            policy.record
            for target in self._scaler.targets.values()
            for policy in target.policies.values()
            if request.get("ResourceId") in (None, target.resource)
        ]
        return {"ScalingPolicies": found}

    def _activities(self, request: Mapping[str, Any]) -> dict[str, Any]:
        asked = request.get("ResourceId")
        return {
            "ScalingActivities": [
                each for each in self._scaler.activities if asked in (None, each["ResourceId"])
            ]
        }

    def _put_action(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._scaler.put_action(self.target(request), request)
        return {}


class ScalableTarget:
    """``AWS::ApplicationAutoScaling::ScalableTarget``.

    Parameters
    ----------
    scaler
        Where it is kept.
    """

    def __init__(self, scaler: Scaler) -> None:
        self._scaler = scaler

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Register it."""
        request = {
            **{name: value for name, value in properties.items() if name != "ScheduledActions"},
            "MinCapacity": int(properties["MinCapacity"]),
            "MaxCapacity": int(properties["MaxCapacity"]),
        }
        target = self._scaler.register(request, account_and_region())
        target.actions.clear()
        for action in properties.get("ScheduledActions", []):
            change = {name: int(value) for name, value in action["ScalableTargetAction"].items()}
            self._scaler.put_action(target, {**action, "ScalableTargetAction": change})
        parts = ("ResourceId", "ScalableDimension", "ServiceNamespace")
        name = "|".join(str(properties[part]) for part in parts)
        return Created(name, {"Id": name})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Register it anew."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget it, and its policies."""
        resource, dimension, _ = physical_id.split("|")
        self._scaler.deregister(resource, dimension)


class ScalingPolicy:
    """``AWS::ApplicationAutoScaling::ScalingPolicy``.

    Parameters
    ----------
    scaler
        Where it is kept.
    """

    def __init__(self, scaler: Scaler) -> None:
        self._scaler = scaler

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Keep it; it acts where its target is one of SageMaker's."""
        target = self._target(properties)
        if target.record["ServiceNamespace"] == "sagemaker":
            arn = str(self._scaler.put_policy(target, _typed(properties)).record["PolicyARN"])
        else:
            arn = policy_arn(target, properties["PolicyName"])
        return Created(arn, {"Arn": arn})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Replace it."""
        self.delete(physical_id, old)
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget it; with its target it is gone already."""
        if self._key(properties) in self._scaler.targets:
            self._scaler.remove_policy(self._target(properties), properties["PolicyName"])

    def _target(self, properties: Properties) -> Target:
        key = self._key(properties)
        if key not in self._scaler.targets:
            raise OperationError(f"No scalable target {key[0]} found.", "Declare it first.")
        return self._scaler.targets[key]

    def _key(self, properties: Properties) -> tuple[str, str]:
        if "ScalingTargetId" in properties:
            resource, dimension, _ = str(properties["ScalingTargetId"]).split("|")
            return resource, dimension
        return properties["ResourceId"], properties["ScalableDimension"]


def _typed(properties: Properties) -> dict[str, Any]:
    """Properties of a template as the operation takes them, which calls some otherwise."""
    given = dict(properties)
    tracking = given.get("TargetTrackingScalingPolicyConfiguration")
    if tracking:
        typed = {**tracking, "TargetValue": float(tracking["TargetValue"])}
        typed["DisableScaleIn"] = str(tracking.get("DisableScaleIn", False)).lower() == "true"
        given["TargetTrackingScalingPolicyConfiguration"] = typed
    return given
