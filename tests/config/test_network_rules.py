"""Zones and addresses that cannot work are refused in a sentence."""

import pytest

from tests.config.stage_file import faults

SENTENCES = [
    (
        {"network__zones": ["us-east-1a"]},
        'network.zones = ["us-east-1a"]: List should have at least 2 items',
    ),
    (
        {"network__zones": ["us-east-1a", "us-east-1a"]},
        'network.zones = ["us-east-1a", "us-east-1a"]: names a zone twice; name two or more different ones',
    ),
    (
        {"network__zones": ["us-east-1a", "eu-west-1a"]},
        'network.zones = ["us-east-1a", "eu-west-1a"]: eu-west-1a does not belong to stage.region; name zones such as '
        '"us-east-1a" and "us-east-1b" (stage.region = "us-east-1")',
    ),
    (
        {"network__zones": ["us-east-1a", "us-east-1-bos-1a"]},
        'network.zones.1 = "us-east-1-bos-1a": must match',
    ),
    (
        {"network__cidr": "10.42.0.1/16"},
        'network.cidr = "10.42.0.1/16": is no block of addresses; give one such as "10.42.0.0/16"',
    ),
    ({"network__cidr": "10.42.0.0/33"}, 'network.cidr = "10.42.0.0/33": is no block of addresses'),
    ({"network__cidr": "10.42.0.0"}, 'network.cidr = "10.42.0.0": must match'),
    ({"network__cidr": "8.8.0.0/16"}, 'network.cidr = "8.8.0.0/16": is not private; choose a block within 10.0.0.0/8'),
    ({"network__cidr": "10.0.0.0/15"}, 'network.cidr = "10.0.0.0/15": must be a /16 to /24: AWS takes no larger VPC'),
    ({"network__cidr": "10.0.0.0/25"}, 'network.cidr = "10.0.0.0/25": must be a /16 to /24'),
    (
        {"network__interface_endpoints": ["sts", "sts"]},
        'network.interface_endpoints = ["sts", "sts"]: names a service twice, and a VPC takes one endpoint a service',
    ),
    ({"network__interface_endpoints": ["s3"]}, 'network.interface_endpoints.0 = "s3": must be "sagemaker.api"'),
    ({"network__flow_log_days": 31}, "network.flow_log_days = 31: must be 1, 3, 5, 7"),
]


@pytest.mark.parametrize(("changes", "sentence"), SENTENCES, ids=[next(iter(row[0])) for row in SENTENCES])
def test_what_cannot_work_is_refused_in_a_sentence(changes, sentence):
    (fault,) = faults(**changes)
    assert fault.startswith(sentence)
