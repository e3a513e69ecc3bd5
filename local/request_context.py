"""What a request says about itself to IAM where MiniStack leaves it out: a stream, a namespace, a function's alias."""

import json
import re
from collections.abc import Mapping
from typing import Any

# AWS asks about the stream for these; a policy with the group's `:*` then matches, one with the bare group does not.
STREAM_ACTIONS = ("CreateLogStream", "DeleteLogStream", "GetLogEvents", "PutLogEvents")


def log_stream_arn(group_arn: str, action: str, body: bytes) -> str:
    """The resource of a CloudWatch Logs call, more exact than the group's ARN where the call names a stream."""
    stream = _member(body, "logStreamName")
    if action not in STREAM_ACTIONS or not stream or not group_arn.startswith("arn:"):
        return group_arn
    return f"{group_arn}:log-stream:{stream}"


def every_log_group_arn(region: str, account: str) -> str:
    """What AWS asks about for a list of groups, whatever prefix it is asked for: `log-group:*` matches it."""
    return f"arn:aws:logs:{region}:{account}:log-group::log-stream:"


def metric_namespace(action: str, body: bytes, params: Mapping[str, Any]) -> dict[str, str]:
    """The condition key cloudwatch:namespace of a PutMetricData call, in whichever protocol it came."""
    if action != "cloudwatch:PutMetricData":
        return {}
    given = params.get("Namespace")
    named = (given[0] if isinstance(given, list) else given) or _member(body, "Namespace")
    return {"cloudwatch:namespace": named} if named else {}


# One alias of a function, which MiniStack takes for the list of all of them.
ALIAS_PATH = re.compile(r"/functions/[^/]+/aliases/[^/]+/?$")
ALIAS_ACTIONS = {"GET": "lambda:GetAlias", "PUT": "lambda:UpdateAlias", "DELETE": "lambda:DeleteAlias"}


def alias_action(method: str, path: str) -> str | None:
    """The IAM action of a Lambda call on one alias."""
    return ALIAS_ACTIONS.get(method) if ALIAS_PATH.search(path) else None


def _member(body: bytes, name: str) -> str:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return ""
    found = document.get(name, "") if isinstance(document, dict) else ""
    return found if isinstance(found, str) else ""
