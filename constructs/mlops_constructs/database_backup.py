"""Backups of the metadata database in a vault of their own, and copies elsewhere."""

from aws_cdk import Arn, ArnFormat, Duration, RemovalPolicy
from aws_cdk import aws_backup as backup
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.alarms import Alarms
from mlops_constructs.metadata_database import MetadataDatabase
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.sites import site_of

DAILY = events.Schedule.cron(hour="17", minute="0")
"""When backups start, in UTC."""


class DatabaseBackup(Construct):
    """A snapshot of the database each day, that nobody but its plan deletes.

    RDS's own backups end with the instance, and whoever may change the instance may shorten them.
    These stay in a vault, and may be copied into one of another region or account, which has to be
    there: a platform does not own what is to survive it.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    database
        The database.
    key
        The key of the database, which its snapshots are encrypted with.
    alarms
        How alarms are made.
    days
        Days that a backup is kept.
    copy_to
        ARN of a vault elsewhere that every backup is copied into; none.
    protected
        Nobody may delete a backup by hand: yes.
    removal_policy
        What happens to the vault with its stack: kept.

    Attributes
    ----------
    vault : aws_cdk.aws_backup.BackupVault
        The vault.
    alarm : aws_cdk.aws_cloudwatch.Alarm
        Says that a backup failed.

    Examples
    --------
    >>> DatabaseBackup(  # doctest: +SKIP
    ...     stack, "DatabaseBackup", database=database, key=key, alarms=alarms,
    ...     copy_to="arn:aws:backup:eu-central-1:123456789012:backup-vault:copies")
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        database: MetadataDatabase,
        key: kms.Key,
        alarms: Alarms,
        days: int = 35,
        copy_to: str = "",
        protected: bool = True,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        self.vault = backup.BackupVault(
            self,
            "Vault",
            encryption_key=key,
            block_recovery_point_deletion=protected,
            removal_policy=removal_policy,
        )
        kept = Duration.days(days)
        plan = backup.BackupPlan(self, "Plan", backup_vault=self.vault)
        copies = []
        if copy_to:
            elsewhere = backup.BackupVault.from_backup_vault_arn(self, "Elsewhere", copy_to)
            copies.append(
                backup.BackupPlanCopyActionProps(
                    destination_backup_vault=elsewhere, delete_after=kept
                )
            )
        plan.add_rule(
            backup.BackupPlanRule(
                rule_name="daily",
                schedule_expression=DAILY,
                start_window=Duration.hours(1),
                completion_window=Duration.hours(8),
                delete_after=kept,
                copy_actions=copies or None,
            )
        )
        role = PlatformRole(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "backup.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": site_of(self).account}},
            ),
            description="Makes and copies the database's snapshots",
        )
        self._grant(role, database, key, copy_to)
        plan.add_selection(
            "Database",
            resources=[backup.BackupResource.from_rds_database_instance(database.instance)],
            role=role,
            disable_default_backup_policy=True,
        )
        self.alarm = alarms.above(
            self,
            "Failed",
            cloudwatch.Metric(
                namespace="AWS/Backup",
                metric_name="NumberOfBackupJobsFailed",
                dimensions_map={"BackupVaultName": self.vault.backup_vault_name},
                statistic="Sum",
                period=Duration.hours(1),
            ),
            1,
            "A backup of the database failed. AWS Backup's list of jobs says why.",
            periods=1,
        )

    def _grant(
        self, role: iam.Role, database: MetadataDatabase, key: kms.Key, copy_to: str
    ) -> None:
        """What AWS Backup needs for snapshots of RDS, on this database and its snapshots alone.

        https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForBackup.html
        """
        site = site_of(self)
        snapshots = site.arn("rds", "snapshot:awsbackup:*")
        vaults = [self.vault.backup_vault_arn, *([copy_to] if copy_to else [])]
        grants = {
            (
                "rds:AddTagsToResource",
                "rds:CreateDBSnapshot",
                "rds:DescribeDBInstances",
                "rds:DescribeDBSnapshots",
                "rds:ListTagsForResource",
            ): [database.instance.instance_arn, snapshots],
            ("rds:CopyDBSnapshot", "rds:DeleteDBSnapshot"): [snapshots],
            ("backup:CopyIntoBackupVault", "backup:DescribeBackupVault"): vaults,
            ("kms:DescribeKey",): [key.key_arn],
        }
        for actions, resources in grants.items():
            grant(grantee=role, actions=actions, resource_arns=resources)
        grant(
            grantee=role,
            actions=["kms:CreateGrant"],
            resource_arns=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
        acknowledge(
            role,
            "AWS Backup names a snapshot when it makes it; all of its names start so.",
            f"AwsSolutions-IAM5[Resource::{snapshots}]",
        )
        account = Arn.split(copy_to, ArnFormat.COLON_RESOURCE_NAME).account if copy_to else None
        if account and account != site.account:
            grant(
                grantee=role,
                actions=["rds:ModifyDBSnapshotAttribute"],
                resource_arns=[snapshots],
            )
            self._share(key, account)

    def _share(self, key: kms.Key, account: str) -> None:
        """Let another account read snapshots that it is to copy, through RDS.

        https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/share-encrypted-snapshot.html
        """
        through_rds = {
            "StringEquals": {"kms:ViaService": f"rds.{site_of(self).region}.amazonaws.com"}
        }
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="ShareBackups",
                principals=[iam.AccountPrincipal(account)],
                actions=["kms:Decrypt", "kms:DescribeKey", "kms:ReEncryptFrom"],
                resources=["*"],
                conditions=through_rds,
            )
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="ShareBackupsByGrant",
                principals=[iam.AccountPrincipal(account)],
                actions=["kms:CreateGrant"],
                resources=["*"],
                conditions={**through_rds, "Bool": {"kms:GrantIsForAWSResource": "true"}},
            )
        )
