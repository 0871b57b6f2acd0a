"""The resource types of SageMaker, for CloudFormation."""

from local.extensions.hooks import Created, Properties
from local.extensions.json_service import RefusedError
from local.extensions.sagemaker.control_plane import SageMaker


class SageMakerResource:
    """One of the types that SageMaker keeps by name.

    Parameters
    ----------
    sagemaker
        The service.
    kind
        Such as ``Model``.
    """

    def __init__(self, sagemaker: SageMaker, kind: str) -> None:
        self.sagemaker = sagemaker
        self.kind = kind

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Create one."""
        name = properties.get(f"{self.kind}Name") or f"{stack}-{logical_id}"
        request = self.sagemaker.model.accepted(f"Create{self.kind}", properties)
        made = self.sagemaker.do(f"Create{self.kind}", {**request, f"{self.kind}Name": name})
        return self.created(made[f"{self.kind}Arn"])

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Make another under its new name."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete one."""
        self.sagemaker.do(f"Delete{self.kind}", {f"{self.kind}Name": name_of(physical_id)})

    def created(self, arn: str) -> Created:
        """What CloudFormation learns of one."""
        return Created(arn, {f"{self.kind}Name": name_of(arn), "Id": arn})


class EndpointResource(SageMakerResource):
    """``AWS::SageMaker::Endpoint``: CloudFormation waits until it is settled.

    Parameters
    ----------
    sagemaker
        The service.
    """

    def __init__(self, sagemaker: SageMaker) -> None:
        super().__init__(sagemaker, "Endpoint")

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Create one; where it fails, so does the resource."""
        created = super().create(logical_id, properties, stack)
        record = self.sagemaker.endpoints.wait(name_of(created.physical_id))
        if record["EndpointStatus"] == "Failed":
            raise RefusedError("EndpointFailed", record["FailureReason"])
        return created

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Update it; where the old version serves on, so does the stack's old template."""
        name = name_of(physical_id)
        now = self.sagemaker.do("DescribeEndpoint", {"EndpointName": name})
        at_home = now["EndpointConfigName"] == new["EndpointConfigName"]
        if at_home and now["EndpointStatus"] == "InService":
            # A rollback of the stack, after one of the endpoint: it has never left.
            return self.created(physical_id)
        request = self.sagemaker.model.accepted("UpdateEndpoint", new)
        self.sagemaker.do("UpdateEndpoint", {**request, "EndpointName": name})
        reason = self.sagemaker.endpoints.wait(name).get("FailureReason")
        if reason:
            raise RefusedError("EndpointFailed", f"{reason} The former version serves on.")
        return self.created(physical_id)


class ComponentResource(SageMakerResource):
    """``AWS::SageMaker::InferenceComponent``: CloudFormation waits until it is settled.

    Parameters
    ----------
    sagemaker
        The service.
    """

    def __init__(self, sagemaker: SageMaker) -> None:
        super().__init__(sagemaker, "InferenceComponent")

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Create one; where it fails, so does the resource."""
        created = super().create(logical_id, _counted(properties), stack)
        return self._settled(created.physical_id)

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Update it; where the old model serves on, so does the stack's old template."""
        request = self.sagemaker.model.accepted("UpdateInferenceComponent", _counted(new))
        name = {"InferenceComponentName": name_of(physical_id)}
        self.sagemaker.do("UpdateInferenceComponent", {**request, **name})
        return self._settled(physical_id)

    def _settled(self, arn: str) -> Created:
        reason = self.sagemaker.components.wait(name_of(arn)).get("FailureReason")
        if reason:
            raise RefusedError("InferenceComponentFailed", reason)
        return self.created(arn)

    def created(self, arn: str) -> Created:
        """What CloudFormation learns of one."""
        made = super().created(arn)
        return Created(arn, {**made.attributes, "InferenceComponentArn": arn})


def _counted(properties: Properties) -> Properties:
    """Properties whose numbers are numbers, as templates may have them as text."""
    if "RuntimeConfig" not in properties:
        return properties
    count = int(properties["RuntimeConfig"]["CopyCount"])
    return {**properties, "RuntimeConfig": {"CopyCount": count}}


def name_of(arn: str) -> str:
    """The name at the end of an ARN."""
    return arn.rpartition("/")[2]
