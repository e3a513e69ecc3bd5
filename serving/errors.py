"""The two kinds of refusal: of a request, and of a start."""


class RequestError(Exception):
    """A request that gets an error for an answer: HTTP status, a code for programs, a sentence for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class StartError(Exception):
    """A setting or an artefact that the server cannot start with, told in one sentence."""
