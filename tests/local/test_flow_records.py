"""Records of a flow log: one for each flow that a group or an ACL has judged."""

import pytest

from local.network.flow_records import Flow, FlowRecords
from local.network.layout import Interface
from local.network.origins import Origin, fixed
from local.network.reachability import NoWay, Way
from local.records import Scope

PLACE = Scope("123456789012", "us-east-1")
INTERFACE = Interface("eni-1", "subnet-1", ("sg-1",), "10.0.1.4")
ORIGIN = Origin(PLACE, "a job", fixed([INTERFACE]))


def test_record_is_in_the_default_format():
    passed = Flow(PLACE, INTERFACE, "10.0.2.5", 49152, accepted=True, second=1418530010)
    assert passed.line() == ("2 123456789012 eni-1 10.0.1.4 10.0.2.5 49152 443 6 - - 1418530010 1418530010 ACCEPT OK")
    stopped = Flow(PLACE, INTERFACE, "", 49152, accepted=False, second=1418530010)
    assert stopped.line() == "2 123456789012 eni-1 10.0.1.4 - 49152 443 6 - - 1418530010 1418530010 REJECT OK"


@pytest.mark.parametrize(
    ("found", "records"), [(Way("10.0.1.4"), 1), (NoWay("a group", filtered=True), 1), (NoWay("no route"), 0)]
)
def test_what_finds_no_route_leaves_no_record(found, records):
    seen = FlowRecords()
    seen.saw(ORIGIN, INTERFACE, found, {"client": ("127.0.0.1", 49152)})
    assert len(seen._pending) == records
