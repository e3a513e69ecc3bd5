"""The permission matrix, tried for real on the deployed system.

Each role's credentials make calls that must succeed and calls that must be denied. Each denial turns into success when
exactly the listed statements are added, and stays a denial while any of them is missing: so no denial is an accident.
The rows are in permissions/, a module a stack.
"""

import itertools

import pytest
from botocore.exceptions import ClientError

from tests.system.deployed import Deployed, Session
from tests.system.permissions import api, image, network, operations, serving, training, workbench
from tests.system.permissions.api import PREDICT
from tests.system.permissions.calls import Call

pytestmark = pytest.mark.xdist_group("deployed")

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"}
ROOMS = (api, serving, training, workbench, operations, network, image)
SUCCEEDS = [call for room in ROOMS for call in room.SUCCEEDS]
DENIALS = [call for room in ROOMS for call in room.DENIALS]


def denied(call: Call, session: Session, deployed: Deployed) -> bool:
    try:
        call.make(session, deployed)
    except ClientError as error:
        if error.response["Error"]["Code"] in DENIED:
            return True
        raise
    return False


@pytest.mark.parametrize("call", SUCCEEDS, ids=str)
def test_role_may(call, deployed):
    call.make(deployed.session_as(call.role), deployed)


@pytest.mark.parametrize("call", DENIALS, ids=str)
def test_role_may_not_until_exactly_that_is_granted(call, deployed):
    session, statements = deployed.session_as(call.role), call.missing(deployed)
    for few in range(len(statements)):
        for granted in itertools.combinations(statements, few):
            with deployed.granted(call.role, list(granted)):
                assert denied(call, session, deployed), granted
    with deployed.granted(call.role, statements):
        assert not denied(call, session, deployed)


@pytest.mark.parametrize("rows", [SUCCEEDS, DENIALS], ids=["may", "may not"])
def test_every_role_of_the_stage_is_in_the_matrix(deployed, rows):
    assert deployed.roles() == {call.role for call in rows}


def test_nobody_but_its_service_may_assume_a_role(deployed):
    for role in deployed.roles():
        with pytest.raises(ClientError, match="AccessDenied"):
            deployed.session_as(PREDICT).client("sts").assume_role(
                RoleArn=deployed.role_arn(role), RoleSessionName="matrix"
            )
