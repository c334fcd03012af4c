"""What Schemathesis needs to know: who calls, and which rules a schema cannot express."""

import os
import re

import requests
import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

URL = os.environ["SCOREBOARD_URL"]
TOKEN = os.environ["SCOREBOARD_TOKEN"]

# A player who calls these is nobody afterwards.
LAST_CALLS = {"POST /v1/auth/logout", "DELETE /v1/users/me"}

# Faults of requests that fit their schemas: what depends on other fields, on the configuration, on the caller, or on a secret.
EXPLAINED = [
    r"/cursor is not a cursor of this list",
    r"/to must be later than from",
    r"/points must have a min that is not above its max",
    r"/points is missing: the action token allows -?\d+ to -?\d+",
    r"/(displayName|username) (must have 1 to 32 visible characters|looks like a name of the service: choose another)",
    r"/displayName must show something, and hold no control or invisible characters",
    r"/password must have 8 characters or more",
    r"/(.+/)?(title|label|titles/[\w-]+|prefix|suffix) must match format \"visible-text\"",
    r"/url is not a URL",
    r"/minDurationMs must be less than the \d+ s that a token is good for",
    r"/metadata must not be longer than \d+ bytes",
    r"/.* (holds the number|is) [\d.eE+-]+, which is not kept exactly: send it as text",
    r"/.* must not have the property \"__proto__\"",
    r"/userId is missing",
    r"/leaderboards names a leaderboard that does not exist",
    r"/ must name either role or scopes",
    r"/ must name a userId, an action or an issuer",
    r"/ must name either (deliveries or since|role or scopes)",
    r"/ must name displayName, nameLocked or hidden",
    r"/until must be in the future",
    r"/ must name either rank or percentile",
    r"/(rank|score|cursor) must not come with (rank|score|minScore or maxScore)",
    # Numbers in a query have no exponent.
    r"/querystring/percentile must be number",
    r"/maxScore must not be below minScore",
    r"/(asOf|since) must not be in the future",
    r"/endsAt must be at least \d+ s (ahead|after the start of the season)",
    r"/board is needed to begin an import",
    r"/after needs a season that is final: the entries of others change",
    r"/label is of the next season, and there is none",
    r"/endsAt cannot be open: the leaderboard has a schedule",
    r"/unit/currency (is missing|is only of money)",
    r"/unit/input is only of durations",
    r"/unit/framesPerSecond goes only with the input: frames",
    r"/graceMs goes only with lateTokens: issued",
    r"/graceMs must not be more than the \d+ s that a token is good for",
]

# Codes of what fits its schema, and not the state of the service.
DEPENDING = {"file-refused", "points-out-of-range", "revision-changed", "schedule-invalid", "webhook-url-refused"}


@schemathesis.auth(refresh_interval=None)
class Caller:
    def get(self, case, context):
        if os.environ["SCOREBOARD_ROLE"] != "player" or case.operation.label not in LAST_CALLS:
            return TOKEN
        return requests.post(f"{URL}/v1/auth/guest", timeout=10).json()["accessToken"]

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


def is_explained(error):
    return any(re.fullmatch(rule, f"{error['path']} {error['message']}", re.DOTALL) for rule in EXPLAINED)


def is_of_null(error):
    """Whether it says that a field could be null too."""
    return error["message"] in ("must be null", "must match a schema in anyOf")


@schemathesis.check
def invalid_data_is_rejected(ctx, response, case):
    """negative_data_rejection; also a body that is too large is rejected."""
    return None if response.status_code == 413 else negative_data_rejection(ctx, response, case)


@schemathesis.check
def valid_data_is_accepted(ctx, response, case):
    """positive_data_acceptance, but for the rules above."""
    if response.status_code == 400:
        problem = response.json()
        # No text may hold NUL, in free JSON and forms too: the description of the document says it for all of them.
        if problem["code"] == "malformed-json" and re.search(r"holds \\u0000|without NUL", problem["detail"]):
            return None
        errors = problem.get("errors", [])
        explained = {error["path"] for error in errors if is_explained(error)}
        if errors and all(is_explained(error) or is_of_null(error) and error["path"] in explained for error in errors):
            return None
    # The schema of a field does not say how large the whole body may be.
    if response.status_code == 413:
        return None
    # Points are right or wrong for an action or a token, and a schedule, a revision or a receiver as things stand.
    if response.status_code in (412, 422) and response.json()["code"] in DEPENDING:
        return None
    return positive_data_acceptance(ctx, response, case)
