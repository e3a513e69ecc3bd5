"""What the function answers when it cannot predict: one exception, and the one map from its code to an HTTP status."""

STATUS_OF_CODE = {
    "bad_request": 400,
    "bad_url": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "image_too_large": 413,
    "image_format_unknown": 415,
    "unsupported_media_type": 415,
    # A link that does not deliver is the caller's matter: as a 5xx it would set off the alarms that roll a deploy back.
    "image_unreadable": 422,
    "url_unreachable": 422,
    "overloaded": 429,
    "internal": 500,
    "bad_answer": 502,
    "endpoint_denied": 502,
    "model_failed": 502,
    "storage_unavailable": 503,
    "unavailable": 503,
    "endpoint_timeout": 504,
}
# With these the whole request fails: asking for the next image would meet the same.
_ABOUT_THE_SERVICE = frozenset(
    {"overloaded", "internal", "endpoint_denied", "storage_unavailable", "unavailable", "endpoint_timeout"}
)


class Refusal(Exception):
    """A request that ends without predictions; `message` is one sentence for whoever sent it."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        retry_after_seconds: int | None = None,
        allow: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        # Only the model's own refusals bring a status along, since their codes are the server's.
        self.status = STATUS_OF_CODE[code] if status is None else status
        self.retry_after_seconds = retry_after_seconds
        self.allow = allow
        # For the log alone: what AWS said, which may name accounts and roles.
        self.detail = detail

    @property
    def outcome(self) -> str:
        """The code, by which outcomes are counted; those that a model makes up are counted as one."""
        return self.code if self.code in STATUS_OF_CODE else "model_refused"

    @property
    def is_about_the_image(self) -> bool:
        """Whether another image of the same request may do better."""
        return self.code not in _ABOUT_THE_SERVICE
