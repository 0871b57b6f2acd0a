"""A model that is asked about all files of a prefix, and has no endpoint."""

from collections.abc import Iterator, Sequence

from constructs import Construct

from mlops_constructs.alarms import Alarms
from mlops_constructs.artifacts import Artifacts
from mlops_constructs.batch_transform import BatchTransform
from mlops_constructs.closed_network import ClosedNetwork
from mlops_constructs.container_settings import container_faults
from mlops_constructs.endpoint_rights import execution_role
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.model_container import ModelContainer, grant_what_is_read
from mlops_constructs.naming import Naming
from mlops_constructs.sagemaker_model import SageMakerModel, place_models
from mlops_constructs.serving_exclusions import Shape, exclusion_faults
from mlops_constructs.transform_job import TransformJob


class BatchModel(Construct):
    """A model in the network, and the state machine that runs batch transform jobs of it.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What names start with.
    name
        Name of the endpoint in the configuration.
    network
        Where the model runs.
    artifacts
        The store of the model, of what it is asked, and of its answers.
    containers
        The containers of the model. Their files are archives.
    job
        What each job is told.
    log_settings
        How logs are kept.
    alarms
        How alarms are made.

    Attributes
    ----------
    role : aws_cdk.aws_iam.IRole
        The execution role.
    batch : mlops_constructs.batch_transform.BatchTransform
        The state machine and its alarm.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> BatchModel(  # doctest: +SKIP
    ...     stack, "Batch", naming=naming, name="abalone", network=network, artifacts=artifacts,
    ...     containers=[container], job=TransformJob("batch/in/", "batch/out/"),
    ...     log_settings=settings, alarms=alarms)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        name: str,
        network: ClosedNetwork,
        artifacts: Artifacts,
        containers: Sequence[ModelContainer],
        job: TransformJob,
        log_settings: LogSettings,
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, [*self._faults(containers, job), *job.faults()])
        start = naming.endpoint(name)
        self.role = execution_role(self, "Role", f"Runs the model of {start}", naming)
        grant_what_is_read(self, self.role, containers, artifacts)
        model = SageMakerModel(
            self,
            "Model",
            start=start,
            containers=containers,
            instance_type=job.instance,
            role=self.role,
            artifacts=artifacts,
            subnets=network.subnet_ids,
            group=place_models(self, network, self.role),
        )
        self.batch = BatchTransform(
            self,
            "Transform",
            naming=naming,
            name=name,
            network=network,
            model=model,
            role=self.role,
            artifacts=artifacts,
            job=job,
            alarms=alarms,
            log_settings=log_settings,
        )

    def _faults(self, containers: Sequence[ModelContainer], job: TransformJob) -> Iterator[Fault]:
        named = {f"containers.{number}": it for number, it in enumerate(containers)}
        yield from container_faults("containers", named, "serial")
        files = [it.files for it in containers if it.files]
        unpacked = any(not it.packed for it in files)
        yield from exclusion_faults("", Shape(kind="batch", unpacked=unpacked))
        for path, container in named.items():
            yield from container.image_faults(path, self, job.instance)
