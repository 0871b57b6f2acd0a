"""The commands of the guide on upgrades are the AWS CLI's own; the rest is run as it stands."""

import re

import botocore.session
from botocore import xform_name

from tests.evidence.steps import GUIDE


def test_every_aws_command_is_one() -> None:
    commands = re.findall(r"^ *aws (\w+) (wait )?([\w-]+)(.*)", GUIDE.read_text(), re.MULTILINE)
    assert len(commands) == 11
    session = botocore.session.get_session()
    for service, wait, operation, options in commands:
        model = session.get_service_model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        if wait:
            waiters = session.get_waiter_model(service)
            named = {xform_name(name, "-"): name for name in waiters.waiter_names}
            name = waiters.get_waiter(named[operation]).operation
        else:
            name = names[operation]
        shape = model.operation_model(name).input_shape
        taken = {member.lower() for member in shape.members} if shape else set()
        for option in re.findall(r"--([\w-]+)", options):
            member = option.removeprefix("no-").replace("-", "")
            assert member in taken, (operation, option)
