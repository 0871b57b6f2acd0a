"""The Data stack: whatever keeps state."""

from pathlib import Path

from aws_cdk import CfnOutput
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from mlops_constructs.alarms import AlarmTopic
from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.async_plan import ASYNC_PREFIX
from mlops_constructs.capture_plan import CAPTURE_PREFIX
from mlops_constructs.data_perimeter import DataPerimeter
from mlops_constructs.database_backup import DatabaseBackup
from mlops_constructs.database_class import memory
from mlops_constructs.database_monitoring import DatabaseMonitoring
from mlops_constructs.encryption_key import EncryptionKey
from mlops_constructs.image_repository import ImageRepository
from mlops_constructs.metadata_database import MetadataDatabase
from mlops_constructs.naming import Naming
from mlops_constructs.promotion_reader import PromotionReader
from mlops_constructs.release_store import ReleaseStore
from mlops_constructs.secret_rotation import SecretRotation
from mlops_constructs.sites import site_of
from stacks.config import Environment
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack

ROTATOR_SOURCE = Path(__file__).parent.parent / "lambda" / "rotator"


class DataStack(PlatformStack):
    """Keys, buckets, image repositories, the database and what guards it; the topic of all alarms.

    Where AWS keeps MLflow's metadata, there is no database, and nothing of what watches it.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    network
        The network that the database runs in.

    Attributes
    ----------
    key : aws_cdk.aws_kms.IKey
        Encrypts data at rest.
    artifacts : mlops_constructs.artifact_store.ArtifactStore
        Runs' files and models.
    images : dict of str to mlops_constructs.image_repository.ImageRepository
        The repository of each image.
    database : mlops_constructs.metadata_database.MetadataDatabase
        MLflow's metadata; only where a server of ours keeps it.
    alarms : mlops_constructs.alarms.Alarms
        What makes the environment's alarms, of this stack and of later ones.
    database_monitoring : mlops_constructs.database_monitoring.DatabaseMonitoring
        What is watched of the database, where there is one.
    releases : mlops_constructs.release_store.ReleaseStore or None
        What is promoted and what serves, where aliases are followed.
    all_alarms : list of aws_cdk.aws_cloudwatch.Alarm
        Every alarm of this stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        network: NetworkStack,
    ) -> None:
        managed = environment.tracking.kind == "sagemaker_app"
        super().__init__(
            scope,
            construct_id,
            environment=environment,
            holds="Keys, buckets, image repositories" + ("" if managed else ", database"),
            termination_protection=environment.data.deletion_protection,
        )
        data_key = EncryptionKey(
            self, "DataKey", description="Data at rest", removal_policy=self.removal_policy
        )
        self.key = data_key.key
        self.alarms = AlarmTopic(
            self, "Alarms", key=data_key, namespace=environment.naming.prefix
        ).alarms
        self.artifacts = ArtifactStore(
            self,
            "Artifacts",
            naming=environment.naming,
            key=self.key,
            log_days=environment.log_retention,
            expiring={
                CAPTURE_PREFIX: environment.data.capture_retention,
                ASYNC_PREFIX: environment.data.async_retention,
            },
            removal_policy=self.removal_policy,
        )
        self.images = {
            image: ImageRepository(
                self,
                ImageRepository.id_of(image),
                naming=environment.naming,
                image=image,
                key=self.key,
                removal_policy=self.removal_policy,
            )
            for image in environment.images
        }
        self.releases = self._keep_releases(environment)
        self.all_alarms: list[cloudwatch.Alarm] = []
        metadata = [] if managed else self._keep_metadata(environment, network)
        readers = self._let_promote(environment)
        self._close(network.perimeter, environment, readers)
        if self.releases:
            self._close_releases(network.perimeter, self.releases, environment.naming, readers)
        self.opt_out("data.removal", self)
        self.share(
            self.key.key_arn,
            self.artifacts.bucket_name,
            self.artifacts.access_logs.bucket_name,
            *(image.repository.repository_arn for image in self.images.values()),
            *(image.repository.repository_name for image in self.images.values()),
            *metadata,
            *([self.releases.bucket.bucket_name] if self.releases else []),
            self.alarms.topic.topic_arn,
            *(alarm.alarm_arn for alarm in self.all_alarms),
        )
        CfnOutput(self, "AlarmTopic", value=self.alarms.topic.topic_arn)
        CfnOutput(self, "ArtifactBucket", value=self.artifacts.bucket_name)

    def _keep_releases(self, environment: Environment) -> ReleaseStore | None:
        """The bucket of releases, where aliases are followed, and who pulls their image."""
        settings = environment.release
        if settings is None:
            return None
        self.images[settings.image].allow_builds(
            site_of(self).arn("codebuild", f"project/{environment.naming.build('*')}")
        )
        return ReleaseStore(
            self,
            "Releases",
            naming=environment.naming,
            key=self.key,
            logs=self.artifacts.access_logs,
            removal_policy=self.removal_policy,
        )

    def _let_promote(self, environment: Environment) -> list[str]:
        """A role for each environment that is promoted to; their ARNs, by name."""
        settings = environment.release
        if settings is None or self.releases is None:
            return []
        for target, readers in settings.promote_to.items():
            title = target.title().replace("-", "")
            PromotionReader(
                self,
                f"PromotionTo{title}",
                naming=environment.naming,
                target=target,
                readers=readers,
                releases=self.releases,
                artifacts=self.artifacts,
                images=[self.images[image] for image in environment.served_images],
            )
            self.add_metadata(
                f"PerimeterRole:{environment.naming.promotion(target)}",
                f"{target} reads what serves here, as {' or '.join(readers)}.",
            )
        return [
            PromotionReader.role_arn(self, environment.naming, target)
            for target in settings.promote_to
        ]

    def _keep_metadata(self, environment: Environment, network: NetworkStack) -> list[str]:
        """The database, watched and backed up; what of it later stacks refer to."""
        database = environment.data.database
        self.database = MetadataDatabase(
            self,
            "Database",
            vpc=network.network.vpc,
            security_group=network.network.security_group(self, "DatabaseGroup", "MLflow database"),
            naming=environment.naming,
            key=self.key,
            log_settings=network.log_settings,
            instance_type=ec2.InstanceType(database.instance.removeprefix("db.")),
            storage_gib=database.storage,
            backup_days=database.backup_retention,
            multi_az=database.multi_az,
            deletion_protection=environment.data.deletion_protection,
            removal_policy=self.removal_policy,
        )
        self.database_monitoring = DatabaseMonitoring(
            self,
            "DatabaseMonitoring",
            database=self.database,
            alarms=self.alarms,
            memory_gib=memory(database.instance) or 0,
            storage_gib=database.storage,
        )
        backups = DatabaseBackup(
            self,
            "DatabaseBackup",
            database=self.database,
            key=self.key,
            alarms=self.alarms,
            days=environment.data.backup.retention,
            copy_to=environment.data.backup.copy_to,
            protected=environment.data.deletion_protection,
            removal_policy=self.removal_policy,
        )
        rotation = SecretRotation(
            self,
            "Rotation",
            database=self.database,
            network=network.network,
            source=ROTATOR_SOURCE,
            log_settings=network.log_settings,
            alarms=self.alarms,
            days=database.rotation,
        )
        self.all_alarms = [*self.database_monitoring.all, backups.alarm, rotation.alarm]
        network.perimeter.close_secret(self.database.secret)
        network.perimeter.close_secret(self.database.master_secret)
        self.opt_out(
            "data.deletion_protection",
            self.database.instance,
            "AwsSolutions-RDS10",
            "NIST.800.53.R5-RDSInstanceDeletionProtectionEnabled",
            "HIPAA.Security-RDSInstanceDeletionProtectionEnabled",
        )
        self.opt_out(
            "data.database.multi_az",
            self.database.instance,
            "AwsSolutions-RDS3",
            "NIST.800.53.R5-RDSMultiAZSupport",
            "HIPAA.Security-RDSMultiAZSupport",
        )
        return [
            self.database.group.security_group_id,
            self.database.secret.secret_arn,
            self.database.master_secret.secret_arn,
            self.database.instance.instance_identifier,
        ]

    def _roles_of_aws(self, environment: Environment) -> list[str]:
        """Roles that services of AWS act as from their own network; the template says which."""
        naming = environment.naming
        paths = {}
        if environment.tracking.kind == "sagemaker_app":
            paths[naming.managed_tracking_path] = (
                "AWS's managed MLflow App reads and writes runs' files."
            )
        if any(it.kind == "serverless" for it in environment.endpoints.values()):
            paths[naming.serverless_path] = "Serverless endpoints read their models."
        for path, reason in paths.items():
            self.add_metadata(f"PerimeterRole:{path}", reason)
        return [self._roles_under(path) for path in paths]

    def _roles_under(self, path: str) -> str:
        return site_of(self).arn("iam", f"role{path}*", region="")

    def _close_releases(
        self, perimeter: DataPerimeter, releases: ReleaseStore, naming: Naming, readers: list[str]
    ) -> None:
        """CodePipeline takes and brings artifacts as its role, over its own network.

        That is no call in somebody's name, which `aws:ViaAWSService` would tell:
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        """
        path = naming.pipelines_path
        self.add_metadata(f"PerimeterRole:{path}", "Release pipelines hand on what steps make.")
        perimeter.close_bucket(releases.bucket, outside_roles=[self._roles_under(path), *readers])

    def _close(
        self, perimeter: DataPerimeter, environment: Environment, readers: list[str]
    ) -> None:
        """Have whatever keeps data answer the network alone, and who is named."""
        perimeter.close_key(self.key)
        perimeter.close_bucket(
            self.artifacts.bucket, outside_roles=[*self._roles_of_aws(environment), *readers]
        )
        perimeter.close_bucket(self.artifacts.access_logs)
        for name, image in self.images.items():
            served = name in environment.served_images
            perimeter.close_repository(image.repository, outside_roles=readers if served else [])
