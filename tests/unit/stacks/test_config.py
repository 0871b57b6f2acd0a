"""The configuration: what is accepted, and everything that is wrong at once."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_constructs.client_network import ACTIONS
from mlops_constructs.faults import FaultsError
from mlops_constructs.followed_aliases import LONGEST, size
from stacks.config import json_schema, load_environment
from stacks.release_checks import MOST_FOLLOWED
from tests.conftest import ENVIRONMENTS, ROOT
from tests.unit.constructs.test_followed_aliases import named

GOOD = """\
account: "123456789012"
region: eu-west-1
images: [iris, mlflow]
network:
  cidr: 10.1.0.0/16
  zones: [eu-west-1a, eu-west-1b]
  s3_prefix_list: pl-6da54004
"""

SERVED = (
    GOOD
    + """\
tracking:
  endpoint_service:
    allowed_principals: ["arn:aws:iam::123456789012:root"]
    private_dns: mlflow.blue.internal
"""
)

CLIENT = """\
clients:
  lab:
    vpc: vpc-0a1b2c3d
    subnets: [subnet-0a1b2c3d]
    security_groups: [sg-0a1b2c3d]
"""

SAME_VPC = CLIENT.replace("clients:\n", "").replace("lab", "other")


def faults(folder: Path, text: str) -> dict[str, str]:
    """The faults of each path, as text; nothing where there is none."""
    (folder / "blue.yaml").write_text(text)
    try:
        load_environment("blue", folder)
    except FaultsError as error:
        texts: dict[str, str] = {}
        for fault in error.faults:
            texts[fault.path] = f"{texts.get(fault.path, '')}{fault}"
        return texts
    return {}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_shipped_environments_are_valid(name: str) -> None:
    environment = load_environment(name, ROOT / "environments")
    assert environment.name == name


def test_defaults_are_the_safe_values(tmp_path: Path) -> None:
    (tmp_path / "blue.yaml").write_text(GOOD)
    environment = load_environment("blue", tmp_path)
    assert environment.data.removal == "retain"
    assert environment.data.deletion_protection
    assert environment.data.database.multi_az
    assert environment.api.authorization == "iam"
    assert environment.naming.prefix == "private-mlops-blue"


def test_quantities_carry_their_unit(tmp_path: Path) -> None:
    sized = GOOD + "tracking: {cpu: 0.5 vCPU, memory: 3 GiB}\nlog_retention: 2 weeks\n"
    (tmp_path / "blue.yaml").write_text(sized)
    environment = load_environment("blue", tmp_path)
    assert environment.tracking.cpu == 512
    assert environment.tracking.memory == 3072
    assert environment.log_retention == 14


MANAGED = GOOD + "tracking: {kind: sagemaker_app}\n"

SERVER = """\
data:
  database: {instance: db.t4g.small}
  backup: {retention: 7 days}
tracking:
  kind: sagemaker_app
  image: mlflow
  tasks: 2
  tls:
    certificate: arn:aws:acm:eu-west-1:123456789012:certificate/1
    name: mlflow.bank.internal
  endpoint_service:
    allowed_principals: ["arn:aws:iam::123456789012:root"]
    private_dns: mlflow.blue.internal
"""


class TestKind:
    """Who runs MLflow decides which other keys there are."""

    def test_aws_needs_no_image_no_database_and_no_endpoint_service(self, tmp_path: Path) -> None:
        assert faults(tmp_path, MANAGED.replace(", mlflow", "") + CLIENT) == {}

    def test_a_client_of_another_account_names_no_endpoint_service(self, tmp_path: Path) -> None:
        elsewhere = MANAGED + CLIENT + '    account: "210987654321"\n'
        assert faults(tmp_path, elsewhere) == {}
        service = "    endpoint_service: com.amazonaws.vpce.eu-west-1.vpce-svc-0a1b2c3d\n"
        assert set(faults(tmp_path, elsewhere + service)) == {"clients.lab.endpoint_service"}

    def test_every_key_of_the_server_is_a_fault_at_once(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + SERVER)
        assert set(found) == {
            "data.database",
            "data.backup",
            "tracking.image",
            "tracking.tasks",
            "tracking.tls",
            "tracking.endpoint_service",
        }
        assert "'clients' makes one" in found["tracking.endpoint_service"]
        assert "AWS's certificate" in found["tracking.tls"]
        assert "how to export" in found["data.backup"]
        assert all("fix:" in text for text in found.values())

    def test_what_the_database_accepts_is_not_asked(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + "tracking: {kind: sagemaker_app, cpu: 3 vCPU}\n")
        assert set(found) == {"tracking.cpu"}
        assert "Remove it" in found["tracking.cpu"]

    def test_a_window_is_the_apps(self, tmp_path: Path) -> None:
        window = "maintenance: 'Tue:03:30'"
        assert faults(tmp_path, GOOD + f"tracking: {{kind: sagemaker_app, {window}}}\n") == {}
        found = faults(tmp_path, GOOD + f"tracking: {{{window}}}\n")
        assert "choose tracking.kind: sagemaker_app" in found["tracking.maintenance"]
        found = faults(tmp_path, MANAGED.replace("app}", "app, maintenance: Tue}"))
        assert "'Tue:03:30'" in found["tracking.maintenance"]

    @pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
    def test_where_aws_offers_none(self, region: str, tmp_path: Path) -> None:
        found = faults(tmp_path, MANAGED.replace("eu-west-1", region))
        assert "China and GovCloud" in found["tracking.kind"]

    def test_a_kind_that_is_none(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + "tracking: {kind: ec2, tasks: 2}\n")
        assert set(found) == {"tracking.kind"}
        assert "'fargate' or 'sagemaker_app'" in found["tracking.kind"]


class TestTracking:
    """What the database accepts bounds what tasks may open."""

    @pytest.mark.parametrize(
        ("path", "changed", "said"),
        [
            ("tracking.max_tasks", "tracking: {tasks: 3}\n", "3 or more"),
            ("tracking.connections", "tracking: {connections: 74}\n", "Choose 73 or less"),
            ("tracking.connections", "tracking: {max_tasks: 3}\n", "Choose 48 or less"),
            ("tracking.connections", "tracking: {workers: 8}\n", "144 or more"),
            (
                "tracking.connections",
                "data: {database: {instance: db.t4g.small}}\n",
                "db.t4g.small (2 GiB) accepts them, and 10 of others",
            ),
            (
                "data.database.instance",
                "data: {database: {instance: db.x2g.large}}\n",
                "families t, m or r",
            ),
            (
                "tracking.tls.certificate",
                "tracking: {tls: {name: mlflow.bank.internal, certificate:"
                ' "arn:aws:acm:us-east-1:123456789012:certificate/1"}}\n',
                "of the account 123456789012 in eu-west-1",
            ),
            ("tracking.tls.name", "tracking: {tls: {certificate: x}}\n", "the key is required"),
            ("tracking.tls.certificate", "tracking: {tls: {certificate: x}}\n", "in ACM"),
            (
                "data.backup.copy_to",
                'data: {backup: {copy_to: "arn:aws:backup:eu-west-1:123456789012:'
                'backup-vault:same"}}\n',
                "another region or account",
            ),
            ("data.backup.copy_to", "data: {backup: {copy_to: elsewhere}}\n", "backup vault"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, path: str, changed: str, said: str, tmp_path: Path
    ) -> None:
        assert said in faults(tmp_path, GOOD + changed)[path]

    @pytest.mark.parametrize(
        "changed",
        [
            "tracking: {connections: 73}\n",
            "tracking: {max_tasks: 4}\ndata: {database: {instance: db.m7g.large}}\n",
            "tracking: {workers: 4, connections: 72}\ndata: {database: {instance: db.m7g.large}}\n",
            'data: {backup: {copy_to: "arn:aws:backup:eu-west-2:123456789012:backup-vault:far"}}\n',
        ],
    )
    def test_what_fits_is_accepted(self, changed: str, tmp_path: Path) -> None:
        assert faults(tmp_path, GOOD + changed) == {}


ACCESS = "tracking.access"


class TestAccess:
    """Whoever is named anywhere is a user, and nobody is more than that without a reason."""

    @pytest.mark.parametrize(
        ("path", "changed", "said"),
        [
            ("users", "users: [ana, ana]", "'ana' twice"),
            ("users", "users: [administrator]", "always there"),
            ("users.0", "users: [a b]", "mail address"),
            ("administrators", "users: [ana], administrators: [ben]", "Add 'ben'"),
            ("teams.x.members", "users: [ana], teams: {x: {members: [anna]}}", "'anna'"),
            ("teams.x.members", "users: [ana], teams: {x: {members: [ana, ana]}}", "twice"),
            ("teams.x.members", "teams: {x: {members: []}}", "at least 1"),
            (
                "teams.x.models.a*",
                "users: [a], teams: {x: {members: [a], models: {'a*': read}}}",
                "'*' for all",
            ),
            (
                "teams.x.models.a",
                "users: [a], teams: {x: {members: [a], models: {a: write}}}",
                "'read', 'edit', 'manage' or 'deny'",
            ),
            ("default_permission", "default_permission: read", "without a reason"),
            ("default_permission", "default_permission: all", "'none', 'read', 'edit' or 'manage'"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, path: str, changed: str, said: str, tmp_path: Path
    ) -> None:
        found = faults(tmp_path, GOOD + f"tracking: {{access: {{{changed}}}}}\n")
        assert said in found[f"{ACCESS}.{path}"]

    def test_the_default_is_that_nobody_may_do_anything(self, tmp_path: Path) -> None:
        (tmp_path / "blue.yaml").write_text(GOOD)
        access = load_environment("blue", tmp_path).tracking.access
        assert (access.default_permission, access.users, access.teams) == ("none", [], {})

    def test_a_reason_opens_what_no_permission_names(self, tmp_path: Path) -> None:
        opened = "tracking: {access: {default_permission: read}}\nopt_outs: {"
        opened += f"{ACCESS}.default_permission: Everyone may look at what was tried.}}\n"
        assert faults(tmp_path, GOOD + opened) == {}


FOLLOWED = (
    GOOD.replace("[iris, mlflow]", "[iris, mlflow, release]")
    + """\
tracking:
  access:
    users: [ana, release]
    teams:
      pipelines: {members: [release], models: {"*": edit}}
endpoints:
  iris: {image: iris, model: models:/iris@champion}
  fixed: {image: iris, model: models:/iris/3}
release:
  follow: [iris]
"""
)


DELIVERY = "arn:aws:iam::222222222222:role/delivery"


def promoted(targets: str) -> tuple[str, str]:
    """What is changed of `FOLLOWED` to be promoted to others."""
    return "follow: [iris]", f"follow: [iris]\n  promote_to: {{{targets}}}"


FORMS = """\
  two:
    containers:
      - {name: features, image: iris, model: models:/features@live}
      - {name: trees, image: iris, model: models:/trees@live}
  pair:
    variants:
      current: {image: iris, model: models:/iris@champion}
      next:
        containers:
          - {name: features, image: iris, model: models:/features@live}
          - {name: trees, image: iris, model: models:/trees@live}
  shared:
    kind: components
    components:
      models:
        iris: {image: iris, model: models:/iris@champion}
        roses: {image: iris, model: models:/roses@champion}
"""
"""Endpoints of more than one container."""


def follows(endpoints: str, *names: str) -> str:
    """An environment with more endpoints, that follows some."""
    text = FOLLOWED.replace("release:\n", f"{endpoints}release:\n")
    return text.replace("[iris]\n", f"[{', '.join(names)}]\n")


class TestRelease:
    """What is followed is there and has an alias, and its user may do what a release does."""

    def test_the_default_is_that_nothing_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "blue.yaml").write_text(GOOD)
        assert load_environment("blue", tmp_path).release is None

    def test_defaults_are_the_safe_values(self, tmp_path: Path) -> None:
        (tmp_path / "blue.yaml").write_text(FOLLOWED)
        release = load_environment("blue", tmp_path).release
        assert release is not None
        assert release.approve
        assert release.approve_platform
        assert (release.reconcile, release.login, release.image) == (5, "release", "release")
        assert release.promote_from is None
        assert release.promote_to == {}

    @pytest.mark.parametrize(
        ("path", "changed", "said"),
        [
            ("follow", ("[iris]", "[]"), "at least 1"),
            ("follow", ("[iris]", "[iris, iris]"), "'iris' twice"),
            ("follow", ("[iris]", "[rose]"), "some of endpoints: iris, fixed"),
            ("follow", ("[iris]", "[fixed]"), "Give a model of endpoints.fixed an alias"),
            ("follow.0", ("[iris]", "[Iris]"), "lower-case"),
            ("reconcile", ("[iris]\n", "[iris]\n  reconcile: 30 s\n"), "min or h"),
            ("reconcile", ("[iris]\n", "[iris]\n  reconcile: 25 h\n"), "1 min to 24 h"),
            ("approve", ("[iris]\n", "[iris]\n  approve: maybe\n"), "true or false"),
            (
                "approve_platform",
                ("[iris]\n", "[iris]\n  approve_platform: never\n"),
                "true or false",
            ),
            ("login", ("[iris]\n", "[iris]\n  login: eve\n"), "access.users: ana, release"),
            ("login", ("[iris]\n", "[iris]\n  login: ana\n"), "may not edit the model 'iris'"),
            ("login", ('{"*": edit}', '{"*": read}'), "may not edit the model 'iris'"),
            ("login", ('{"*": edit}', '{"*": edit, iris: deny}'), "may not edit"),
            ("image", ("mlflow, release]", "mlflow]"), "one of images: iris, mlflow"),
            (
                "promote_from.environment",
                ("[iris]\n", "[iris]\n  promote_from: {environment: blue}\n"),
                "another",
            ),
            ("promote_to.green", promoted("green: delivery"), "a list"),
            ("promote_to.green", promoted("green: []"), "at least 1"),
            ("promote_to.green.0", promoted(f"green: [{DELIVERY[:-8]}*]"), "the ARN of a role"),
            ("promote_to.green", promoted(f"green: [{DELIVERY}, {DELIVERY}]"), "each role once"),
            (
                "promote_to.green",
                promoted(f"green: [{DELIVERY}, {DELIVERY.replace('2', '3')}]"),
                "roles of 2 accounts: 222222222222, 333333333333",
            ),
            ("promote_to.blue", promoted(f"blue: [{DELIVERY}]"), "another environment"),
            (f"promote_to.{'g' * 35}", promoted(f"{'g' * 35}: [{DELIVERY}]"), "at most 64"),
            ("aprove", ("[iris]\n", "[iris]\n  aprove: true\n"), "Did you mean 'approve'?"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, path: str, changed: tuple[str, str], said: str, tmp_path: Path
    ) -> None:
        found = faults(tmp_path, FOLLOWED.replace(*changed))
        assert said in found[f"release.{path}"]

    @pytest.mark.parametrize(
        "changed",
        [
            ('{"*": edit}', "{iris: manage}"),
            ("users: [ana, release]", "users: [ana, release]\n    administrators: [release]"),
            (
                "follow: [iris]",
                "follow: [iris]\n  promote_from: {environment: dev}\n  reconcile: 2 h",
            ),
            promoted(f"green: [{DELIVERY}], {'g' * 34}: [{DELIVERY}]"),
        ],
    )
    def test_what_fits_is_accepted(self, changed: tuple[str, str], tmp_path: Path) -> None:
        assert faults(tmp_path, FOLLOWED.replace(*changed)) == {}

    def test_more_than_a_stack_holds_is_a_fault(self, tmp_path: Path) -> None:
        names = [f"e{number}" for number in range(MOST_FOLLOWED + 1)]
        endpoints = "".join(f"  {it}: {{image: iris, model: models:/iris@a}}\n" for it in names)
        found = faults(tmp_path, follows(endpoints, *names))
        assert f"{len(names)} endpoints" in found["release.follow"]

    def test_names_that_no_function_can_be_told_of_are_a_fault(self, tmp_path: Path) -> None:
        found = {}
        for letters in (20, 25):
            models = {name: it["model"] for name, it in named(letters).items()}
            endpoints = "".join(
                f"  {name}: {{image: iris, model: {model}}}\n" for name, model in models.items()
            )
            found[letters] = faults(tmp_path, follows(endpoints, *models))
        assert found[20] == {}
        assert f"take {size(named(25))} bytes" in found[25]["release.follow"]
        assert f"at most {LONGEST} bytes" in found[25]["release.follow"]

    def test_what_a_function_is_told_is_measured_as_it_will_be(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of every form that an endpoint takes."""
        text = follows(FORMS, "iris", "two", "pair", "shared")
        (tmp_path / "blue.yaml").write_text(text)
        told = load_environment("blue", tmp_path).followed
        assert [len(models) for models in told.values()] == [1, 2, 3, 2]
        monkeypatch.setattr("stacks.release_checks.LONGEST", size(told) - 1)
        assert f"take {size(told)} bytes" in faults(tmp_path, text)["release.follow"]
        monkeypatch.setattr("stacks.release_checks.LONGEST", size(told))
        assert faults(tmp_path, text) == {}

    def test_awss_own_mlflow_cannot_be_followed(self, tmp_path: Path) -> None:
        managed = FOLLOWED.partition("tracking:")[0] + "tracking: {kind: sagemaker_app}\n"
        text = managed + "endpoints:" + FOLLOWED.partition("endpoints:")[2]
        assert set(faults(tmp_path, text)) == {"release"}

    def test_all_at_once(self, tmp_path: Path) -> None:
        text = FOLLOWED.replace("[iris]\n", "[rose]\n  login: eve\n  image: boat\n")
        assert set(faults(tmp_path, text)) == {"release.follow", "release.login", "release.image"}


def test_a_client_may_ask_for_what_has_an_endpoint_policy() -> None:
    field = json_schema()["$defs"]["Client"]["properties"]["services"]
    assert tuple(field["items"]["enum"]) == tuple(ACTIONS)


def test_schema_that_editors_use_is_current() -> None:
    committed = json.loads((ROOT / "environments" / "schema.json").read_text())
    assert committed == json_schema(), "run 'make schema'"


class TestFaults:
    def test_unknown_environment_names_those_there_are(self) -> None:
        with pytest.raises(FaultsError) as raised:
            load_environment("prdo", ROOT / "environments")
        text = str(raised.value)
        assert "dev or local or prod" in text
        assert "Did you mean 'prod'?" in text

    @pytest.mark.parametrize(
        ("path", "changed", "said"),
        [
            ("acount", GOOD + "acount: 1\n", "Did you mean 'account'?"),
            ("account", GOOD.replace('"123456789012"', "123456789012"), "in quotes"),
            ("region", GOOD.replace("region: eu-west-1", "region: ireland"), "an AWS region"),
            ("region", GOOD.replace("region: eu-west-1\n", ""), "the key is required"),
            ("name", GOOD + "name: blue\n", "the file's own name"),
            ("platform", GOOD + f"platform: {'x' * 40}\n", "at most 38 characters"),
            ("images", GOOD.replace("[iris, mlflow]", "[]"), "at least 1"),
            ("images", GOOD.replace("[iris, mlflow]", "[iris, iris, mlflow]"), "'iris' twice"),
            ("packs", GOOD + "packs: [HIPAA, HIPAA]\n", "'HIPAA' twice"),
            ("packs.0", GOOD + "packs: [Hipaa]\n", "'HIPAA', 'PCIDSS321' or 'Serverless'"),
            ("packs", GOOD + "packs: HIPAA\n", "[a, b]"),
            ("network.cidr", GOOD.replace("10.1.0.0/16", "8.8.0.0/16"), "192.168/16"),
            ("network.cidr", GOOD.replace("10.1.0.0/16", "10.1.2.3/16"), "'10.1.0.0/16'"),
            ("network.cidr", GOOD.replace("10.1.0.0/16", "10.0.0.0/8"), "/16 to /24"),
            ("network.cidr", GOOD.replace("10.1.0.0/16", "ten"), "an address and a prefix"),
            ("network.zones", GOOD.replace(", eu-west-1b", ""), "at least 2"),
            ("network.zones.1", GOOD.replace("west-1b", "west-1a"), "each once"),
            ("network.zones.1", GOOD.replace("eu-west-1b", "us-east-1b"), "a zone of eu-west-1"),
            ("network.s3_prefix_list", GOOD.replace("pl-6da54004", "s3"), "aws ec2 describe"),
            (
                "network.avoid_cidrs.0",
                GOOD + "  avoid_cidrs: [10.0.0.0/12]\n",
                "overlaps network.cidr 10.1.0.0/16",
            ),
            ("network.subnet_prefix", GOOD + "  subnet_prefix: 28/\n", "a whole number"),
            (
                "network.subnet_prefix",
                GOOD.replace("10.1.0.0/16", "10.1.0.0/24") + "  subnet_prefix: 24\n",
                "holds 1 of /24",
            ),
            ("tracking.memory", GOOD + "tracking: {memory: 2048}\n", "such as '512 MiB'"),
            ("tracking.memory", GOOD + "tracking: {memory: 2 GB}\n", "GiB or MiB"),
            ("tracking.memory", GOOD + "tracking: {memory: 16 GiB}\n", "Fargate pairs with it"),
            ("tracking.cpu", GOOD + "tracking: {cpu: 3 vCPU}\n", "0.25, 0.5, 1, 2, 4 vCPU"),
            ("tracking.image", GOOD + "tracking: {image: mlfow}\n", "one of images: iris, mlflow"),
            ("log_retention", GOOD + "log_retention: 31 days\n", "30, 60, 90"),
            ("data.database.storage", GOOD + "data: {database: {storage: 5 GiB}}\n", "20 GiB to"),
            ("data.removal", GOOD + "data: {removal: shred}\n", "'retain' or 'destroy'"),
            ("data.removal", GOOD + "data: {removal: destroy}\n", "both switches"),
            (
                "data.deletion_protection",
                GOOD + "data: {deletion_protection: maybe}\n",
                "true or false",
            ),
            (
                "api.authorization",
                GOOD + "api: {authorization: api_key}\n",
                "opt_outs['api.authorization']",
            ),
            (
                "opt_outs.api.rate",
                GOOD + "opt_outs: {api.rate: because I say so, really}\n",
                "api.",
            ),
            (
                "opt_outs.api.authorization",
                GOOD + "opt_outs: {api.authorization: it is only for the team}\n",
                "has its safe value",
            ),
            (
                "opt_outs.api.authorization",
                GOOD + "api: {authorization: api_key}\nopt_outs: {api.authorization: meh}\n",
                "at least 20 characters",
            ),
            (
                "endpoints.iris.model",
                GOOD + "endpoints: {iris: {image: iris, model: iris}}\n",
                "models:/<name>@<alias>",
            ),
            (
                "endpoints.images",
                GOOD + "endpoints: {images: {image: iris, model: models:/iris/1}}\n",
                "not 'images'",
            ),
            (
                "endpoints.iris",
                GOOD
                + "endpoints:\n  iris: {image: iris, model: models:/iris/1}\n"
                + "  iris: {image: iris, model: models:/iris/2}\n",
                "the key on lines 9 and 10",
            ),
            ("network", GOOD.partition("network")[0] + "network: none\n", "a mapping"),
        ],
    )
    def test_one(self, path: str, changed: str, said: str, tmp_path: Path) -> None:
        found = faults(tmp_path, changed)
        assert path in found
        assert said in found[path]

    @pytest.mark.parametrize(
        ("path", "changed", "said"),
        [
            ("clients.lab.vpc", SERVED + CLIENT.replace("vpc-0a1b2c3d", "main"), "'vpc-'"),
            ("clients.lab.subnets", SERVED + CLIENT.replace("[subnet-0a1b2c3d]", "[]"), "at least"),
            ("clients.lab.subnets.0", SERVED + CLIENT.replace("subnet-0a", "sn-0a"), "'subnet-'"),
            (
                "clients.lab.subnets",
                SERVED + CLIENT.replace("[subnet-", "[subnet-0a1b2c3d, subnet-"),
                "twice",
            ),
            ("clients.lab.security_groups.0", SERVED + CLIENT.replace("sg-", "g-"), "'sg-'"),
            ("clients.lab.services.0", SERVED + CLIENT + "    services: [ec2]\n", "'ecr.api'"),
            ("clients.lab.images", SERVED + CLIENT + "    images: [rose]\n", "images: iris"),
            ("clients.lab.images", SERVED + CLIENT + "    images: [iris, iris]\n", "twice"),
            (
                "clients.lab.account",
                SERVED + CLIENT + '    account: "123456789012"\n',
                "the environment's",
            ),
            (
                "clients.lab.account",
                SERVED + CLIENT + '    account: "210987654321"\n',
                "Add 'arn:aws:iam::210987654321:root'",
            ),
            (
                "clients.lab.endpoint_service",
                SERVED + CLIENT + '    account: "210987654321"\n',
                "EndpointServiceName",
            ),
            (
                "clients.lab.endpoint_service",
                SERVED
                + CLIENT
                + "    endpoint_service: com.amazonaws.vpce.eu-west-1.vpce-svc-0a1b2c3d\n",
                "the stack refers to the service itself",
            ),
            ("clients.lab.endpoint_service", SERVED + CLIENT + "    endpoint_service: x\n", "Copy"),
            ("clients.other.vpc", SERVED + CLIENT + SAME_VPC, "of clients.lab too"),
            ("clients.Lab", SERVED + CLIENT.replace("  lab:", "  Lab:"), "lower-case"),
            ("tracking.endpoint_service.allowed_principals", GOOD + CLIENT, "nobody"),
            ("tracking.endpoint_service.private_dns", GOOD + CLIENT, "answers 403"),
            (
                "tracking.endpoint_service.private_dns",
                SERVED.replace("    private_dns: mlflow.blue.internal\n", ""),
                "answers 403",
            ),
            (
                "tracking.endpoint_service.private_dns",
                SERVED.replace("mlflow.blue.internal", "mlflow"),
                "two labels",
            ),
            (
                "tracking.endpoint_service.allowed_principals.0",
                SERVED.replace("arn:aws:iam::123456789012:root", "*"),
                "without wildcards",
            ),
            (
                "tracking.endpoint_service.allowed_principals",
                SERVED.replace('["arn:aws:iam::123456789012:root"]', "[]"),
                "nobody",
            ),
        ],
    )
    def test_one_of_a_client(self, path: str, changed: str, said: str, tmp_path: Path) -> None:
        found = faults(tmp_path, changed)
        assert path in found
        assert said in found[path]

    def test_a_client_is_valid(self, tmp_path: Path) -> None:
        assert faults(tmp_path, SERVED + CLIENT) == {}

    def test_a_client_of_another_account_is_valid(self, tmp_path: Path) -> None:
        text = (SERVED + CLIENT).replace('["arn', '["arn:aws:iam::210987654321:role/lab", "arn') + (
            '    account: "210987654321"\n'
            "    endpoint_service: com.amazonaws.vpce.eu-west-1.vpce-svc-0a1b2c3d\n"
        )
        assert faults(tmp_path, text) == {}

    def test_all_at_once_whatever_else_is_wrong(self, tmp_path: Path) -> None:
        """A rule that spans fields is checked although other fields are broken."""
        found = faults(
            tmp_path,
            """\
account: 12
region: eu-west-1
regin: eu-west-2
images: [iris]
network:
  cidr: 10.1.0.0/16
  zones: [eu-west-1a, us-east-1c]
  avoid_cidrs: [10.0.0.0/8]
  s3_prefix_list: none
tracking: {cpu: 1 vCPU, memory: 16 GiB, tasks: many}
data: {removal: destroy}
endpoints:
  iris: {image: irish, model: models:/iris@champion, instance: m5.large}
  iris: {image: iris}
opt_outs: {nonsense: of no consequence at all}
""",
        )
        assert set(found) == {
            "account",
            "regin",
            "network.zones.1",
            "network.avoid_cidrs.0",
            "network.s3_prefix_list",
            "tracking.image",
            "tracking.memory",
            "tracking.tasks",
            "data.removal",
            "endpoints.iris",
            "endpoints.iris.image",
            "endpoints.iris.instance",
            "opt_outs.nonsense",
        }

    def test_a_short_list_and_its_entries_together(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD.replace("[eu-west-1a, eu-west-1b]", "[us-east-1a]"))
        assert found.keys() == {"network.zones", "network.zones.0"}

    def test_an_entry_in_bad_form_and_its_neighbour_together(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD.replace("eu-west-1a, eu-west-1b", "7, us-east-1b"))
        assert found.keys() == {"network.zones.0", "network.zones.1"}

    def test_each_has_its_line(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD.replace("10.1.0.0/16", "8.8.0.0/16"))
        assert found["network.cidr"].startswith("network.cidr (line 5)")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a: [1, 2\nb: 3\n", "Mend the indentation"),
            ("- a\n- b\n", "keys and values"),
            ("", "keys and values"),
            ("a: *nowhere\n", "Mend the indentation"),
        ],
    )
    def test_what_is_no_mapping_is_said_so(self, text: str, said: str, tmp_path: Path) -> None:
        assert said in "".join(faults(tmp_path, text).values())

    def test_bytes_that_are_no_text_are_said_so(self, tmp_path: Path) -> None:
        (tmp_path / "blue.yaml").write_bytes(b"account: \xff\xfe\n")
        with pytest.raises(FaultsError, match="not UTF-8"):
            load_environment("blue", tmp_path)

    @given(
        st.dictionaries(
            st.sampled_from(["account", "region", "images", "network", "data", "api", "x"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["cidr", "zones", "rate", "y"]), inner)
                ),
                max_leaves=6,
            ),
        )
    )
    def test_whatever_is_given_is_answered_with_faults(
        self, tmp_path_factory: pytest.TempPathFactory, given: dict[str, object]
    ) -> None:
        folder = tmp_path_factory.mktemp("any")
        (folder / "blue.yaml").write_text(json.dumps(given))
        with pytest.raises(FaultsError):
            load_environment("blue", folder)
