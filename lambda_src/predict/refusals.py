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
    "unavailable": 503,
    "endpoint_timeout": 504,
}


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
