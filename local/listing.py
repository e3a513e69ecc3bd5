"""What a List call answers: its filters, its order, its pages."""

from typing import Any

from local.json_service import AwsError
from local.records import Document

LONGEST_TOKEN = 9
# Where AWS's documents name another order than the newest first.
OLDEST_FIRST = (
    "ModelPackageGroupSummaryList",
    "ModelPackageSummaryList",
    "ProcessingJobSummaries",
    "TrainingJobSummaries",
)
BY_NAME = ("HyperParameterTuningJobSummaries", "NotebookInstances")


def listing(documents: list[Document], key: str, params: Document, sort_by: str = "CreationTime") -> Document:
    """One page of a List call, as its parameters say: filters by name and time, the order, MaxResults, NextToken."""
    contains = params.get("NameContains", "")
    found = [document for document in documents if contains in str(document.get("_name", ""))]
    if "CreationTimeAfter" in params:
        found = [document for document in found if document["CreationTime"] >= params["CreationTimeAfter"]]
    if "CreationTimeBefore" in params:
        found = [document for document in found if document["CreationTime"] <= params["CreationTimeBefore"]]
    by = params.get("SortBy") or ("Name" if key in BY_NAME else sort_by)
    order = params.get("SortOrder") or ("Ascending" if key in (*OLDEST_FIRST, *BY_NAME) else "Descending")
    found.sort(key=lambda document: _rank(document, by, sort_by), reverse=order == "Descending")
    return page(found, key, params)


def page(
    found: list[Document], key: str, params: Document, *, refusal: str = "ValidationException", size: int = 100
) -> Document:
    """The one that NextToken names, which is how many came before it; `refusal` is what any other token is answered."""
    token = str(params.get("NextToken") or 0)
    if not (token.isascii() and token.isdecimal()) or len(token) > LONGEST_TOKEN or int(token) > len(found):
        raise AwsError(refusal, "The NextToken is none that this call has answered.")
    start, end = int(token), int(token) + int(params.get("MaxResults") or size)
    return {key: found[start:end], **({"NextToken": str(end)} if end < len(found) else {})}


def _rank(document: Document, by: str, otherwise: str) -> Any:  # noqa: ANN401 - a name, a time or a status
    """What a document is sorted by; what it does not know of itself, it is not sorted by."""
    if by == "Name":
        return str(document.get("_name", ""))
    if by == "Status":
        return next((str(value) for name, value in document.items() if name.endswith("Status")), "")
    return document.get(by, document[otherwise])
