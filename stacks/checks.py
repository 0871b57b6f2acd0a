"""Rules that span fields of an environment: impossible combinations, found before any synth."""

from collections.abc import Iterator, Mapping

from mlops_constructs.faults import Fault
from stacks.access_checks import ACCESS_CHECKS
from stacks.client_checks import client_faults
from stacks.endpoint_checks import ENDPOINT_CHECKS, own_images
from stacks.managed_checks import is_managed, kind_faults, of_the_server
from stacks.network_checks import NETWORK_CHECKS
from stacks.release_checks import RELEASE_CHECKS
from stacks.serving_checks import UNSAFE_ENDPOINTS, unsafe_endpoints
from stacks.tracking_checks import TRACKING_CHECKS
from stacks.validation import Check, Parts

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
FARGATE_MEMORY_MIB: Mapping[int, range | tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
}

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LOG_RETENTION: Mapping[int, str] = {
    1: "ONE_DAY",
    3: "THREE_DAYS",
    5: "FIVE_DAYS",
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    120: "FOUR_MONTHS",
    150: "FIVE_MONTHS",
    180: "SIX_MONTHS",
    365: "ONE_YEAR",
    400: "THIRTEEN_MONTHS",
    545: "EIGHTEEN_MONTHS",
    731: "TWO_YEARS",
    1096: "THREE_YEARS",
    1827: "FIVE_YEARS",
}
"""The days that CloudWatch can keep logs, each by the name that the CDK gives it."""

# Names of buckets, models and endpoints: 63 characters.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html
LONGEST_NAME = 63
LONGEST_PREFIX = LONGEST_NAME - len("-access-logs-123456789012")
# The record of image digests beside the releases, which no endpoint may be named after.
IMAGES_RECORD = "images"

# What an environment may do without only with a reason: the unsafe values of each key.
UNSAFE_VALUES: Mapping[str, tuple[object, ...]] = {
    "data.removal": ("destroy",),
    "data.deletion_protection": (False,),
    "data.database.multi_az": (False,),
    "tracking.access.default_permission": ("read", "edit", "manage"),
    "api.authorization": ("api_key",),
}


def _name_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"name": name, "platform": platform} if len(f"{platform}-{name}") > LONGEST_PREFIX:
            yield Fault(
                "platform",
                f"'{platform}', which makes '{platform}-{name}'",
                f"at most {LONGEST_PREFIX} characters with the environment's name",
                "Shorten one of the two: names of buckets and endpoints start with both.",
            )
    match parts:
        case {"name": name, "platform": platform, "endpoints": endpoints}:
            longest = LONGEST_NAME - len(f"{platform}-{name}-") - len("-12345678")
            for endpoint in endpoints:
                if endpoint == IMAGES_RECORD or len(endpoint) > longest:
                    yield Fault(
                        f"endpoints.{endpoint}",
                        f"'{endpoint}'",
                        f"at most {longest} characters, and not '{IMAGES_RECORD}'",
                        "Rename it.",
                    )


def _pack_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"packs": [*packs]}:
            for pack in sorted({pack for pack in packs if pack and packs.count(pack) > 1}):
                yield Fault("packs", f"'{pack}' twice", "each pack once", "Remove one.")


def _image_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"images": [*images]} if None not in images and images:
            used = dict(own_images(parts))
            if not is_managed(parts):
                used["tracking.image"] = parts.get("tracking.image", images[0])
            if "release.image" in parts:
                used["release.image"] = parts["release.image"]
            for path, image in used.items():
                if image not in images:
                    yield Fault(
                        path,
                        f"'{image}'",
                        f"one of images: {', '.join(images)}",
                        f"Add '{image}' to images, or choose another.",
                    )
            for image in sorted({image for image in images if images.count(image) > 1}):
                yield Fault("images", f"'{image}' twice", "each image once", "Remove one.")


def _size_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"tracking.cpu": cpu, "tracking.memory": memory}:
            allowed = FARGATE_MEMORY_MIB.get(cpu)
            if allowed is None:
                sizes = ", ".join(f"{size / 1024:g}" for size in FARGATE_MEMORY_MIB)
                yield Fault("tracking.cpu", f"{cpu / 1024:g} vCPU", f"{sizes} vCPU", "Choose one.")
            elif memory not in allowed:
                sizes = ", ".join(f"{size / 1024:g}" for size in allowed)
                yield Fault(
                    "tracking.memory",
                    f"{memory / 1024:g} GiB with {cpu / 1024:g} vCPU",
                    f"{sizes} GiB, which Fargate pairs with it",
                    "Choose one, or another tracking.cpu.",
                )


def _retention_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"log_retention": days} if days not in LOG_RETENTION:
            allowed_days = ", ".join(map(str, LOG_RETENTION))
            yield Fault("log_retention", f"{days} days", f"{allowed_days} days", "Choose one.")


def _opt_out_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"data.removal": "destroy", "data.deletion_protection": True}:
            yield Fault(
                "data.removal",
                "'destroy' while data.deletion_protection is true",
                "'destroy' with data.deletion_protection: false, or 'retain'",
                "Destroying data takes both switches: set the second too, or keep the data.",
            )
    match parts:
        case {"opt_outs": reasons}:
            unsafe = {
                path: str(parts[path]).lower()
                for path, values in UNSAFE_VALUES.items()
                if parts.get(path) in values
            }
            unsafe |= unsafe_endpoints(parts)
            for path, value in unsafe.items():
                if path not in reasons:
                    yield Fault(
                        path,
                        f"'{value}' without a reason",
                        f"the safe default, or a reason in opt_outs['{path}']",
                        f"Add to opt_outs: '{path}: <why this environment may do without>'.",
                    )
            for path in reasons:
                known = (*UNSAFE_VALUES, *UNSAFE_ENDPOINTS)
                if path not in known:
                    yield Fault(f"opt_outs.{path}", f"'{path}'", ", ".join(known), "Remove it.")
                elif (path in parts or path in UNSAFE_ENDPOINTS) and path not in unsafe:
                    yield Fault(
                        f"opt_outs.{path}",
                        "a reason for what is not opted out of",
                        "reasons for unsafe values alone",
                        f"Remove it: {path} has its safe value.",
                    )


CHECKS: tuple[Check, ...] = (
    _name_faults,
    *NETWORK_CHECKS,
    _pack_faults,
    _image_faults,
    *ENDPOINT_CHECKS,
    _retention_faults,
    kind_faults,
    *map(of_the_server, (_size_faults, *TRACKING_CHECKS, *ACCESS_CHECKS)),
    _opt_out_faults,
    client_faults,
    *RELEASE_CHECKS,
)
