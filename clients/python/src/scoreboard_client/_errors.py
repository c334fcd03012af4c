from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional

from ._models import MALFORMED, parse


@dataclass(frozen=True)
class Original:
    """The event that a token or an idempotency key has counted as."""

    event_id: str
    accepted_at: datetime


@dataclass(frozen=True)
class FieldError:
    path: str
    message: str


class ScoreboardError(Exception):
    """Every failure, told apart by `code`.

    The codes are those of the service, and `unreachable` (there was no response, or an invalid one; the request
    may have been processed) and `unexpected-answer` (one that is not from the service).
    """

    def __init__(self, code: str, message: str, status: int = 0, retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.code = code
        #: Of the HTTP response; 0 if there was none.
        self.status = status
        #: Seconds to wait before a retry.
        self.retry_after = retry_after
        #: Give it to the operators of the service when you report the error.
        self.request_id: Optional[str] = None
        #: With `validation-failed`: what is wrong, and where.
        self.errors: list[FieldError] = []
        #: With `action-token-replayed` and `already-counted`.
        self.original: Optional[Original] = None
        #: Whether the score may have counted: an attempt of this call had no clear response (none, or 5xx). With
        #: `action-token-expired` it holds for all calls: it is false only from a minute to 0.9 days after the token has
        #: expired, when none of them has counted and none ever will.
        self.in_doubt = status == 0 or status >= 500
        #: Of a score: while that is in doubt, submit this token again, never another.
        self.action_token: Optional[str] = None

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        return self.code == "unreachable" or self.status == 429 or self.status >= 500


def problem(body: Any, status: int, retry_after: Optional[float] = None) -> ScoreboardError:
    """The error of a response, which may be from a proxy in between."""
    try:
        error = ScoreboardError(body["code"], body["detail"], status, retry_after)
        error.request_id = body.get("requestId")
        error.errors = [parse(FieldError, one) for one in body.get("errors", [])]
        original = body.get("original")
        error.original = parse(Original, original) if original else None
        return error
    except MALFORMED:
        refused = "rate-limited" if status == 429 else "unexpected-answer"
        code = "service-unavailable" if status >= 500 else refused
        return ScoreboardError(code, f"HTTP {status}", status, retry_after)
