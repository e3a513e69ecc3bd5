"""Several interfaces' ways to one service, looked up in EC2's records as they are now."""

from collections.abc import Sequence

from local import joints, joints_ec2
from local.network.layout import Interface
from local.network.reachability import NoWay, Way, way
from local.records import Scope


def judged(
    place: Scope, interfaces: Sequence[Interface], service: str, region: str
) -> tuple[Interface | None, Way | NoWay]:
    """AWS may use any of the interfaces, so all must lead there: the first way, or the first that does not."""
    with joints.scope(place.account, place.region):
        layout = joints_ec2.network_layout()
        found = [(one, way(one, service, region, layout)) for one in interfaces]
    blocked = [one for one in found if isinstance(one[1], NoWay)]
    return next(iter([*blocked, *found]), (None, NoWay("it has no network interface")))
