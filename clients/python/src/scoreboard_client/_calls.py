"""The calls of both clients, without input and output: a call is a generator that yields requests and waits."""

from __future__ import annotations

import base64
import json
import random
import threading
from asyncio import Lock
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import partial
from time import monotonic
from typing import Any, Callable, Optional, TypeVar, Union
from urllib.parse import quote

import httpx

from ._errors import Original, ScoreboardError, problem
from ._models import (
    MALFORMED,
    ActionToken,
    Entries,
    EntryDetails,
    NewUser,
    Receipt,
    Seasons,
    Session,
    Submission,
    User,
    parse,
    receipt,
)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    params: Optional[Mapping[str, Any]]
    json: Optional[Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Turn:
    """The call wants to log in, and waits for at most `seconds` for others that do."""

    seconds: float


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes


#: What comes back for a request: its response, or why there is none. For a turn whether the lock is held. Nothing for
#: a wait.
Answer = Union[Response, httpx.RequestError, bool, None]
Result = TypeVar("Result")
Item = TypeVar("Item")
Call = Generator[Union[Request, Wait, Turn], Answer, Result]

#: No response of the service is larger.
MAX_BODY = 16 << 20
#: This long after a token has expired, no attempt with it is under way: it has counted, or never will.
SETTLED_AFTER_S = 60
#: The service remembers used tokens for a day after they expire.
REMEMBERED_S = 0.9 * 86_400
#: The service repeats its response to a refresh token for 30 s, and the request takes its time.
REFRESH_PATIENCE_S = 20
#: After this part of its lifetime a token is renewed: if that fails, the rest remains.
RENEW_AFTER = 0.8
BATCH = 500
NOBODY = "Nobody is logged in: call guest() or login(), or give the client a service account."
FIRST_BACKOFF_S = 1.0
LAST_BACKOFF_S = 30.0


def backoff(failures: int) -> float:
    """Seconds to wait after consecutive failures. Full jitter: clients that failed together retry apart."""
    return random.uniform(0, min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures, 10)))


class Body:
    """The bytes of a response, which is not large without a limit."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, part: bytes) -> None:
        self._bytes += part
        if len(self._bytes) > MAX_BODY:
            raise httpx.ReadError("The response is too large.")

    def of(self, response: httpx.Response) -> Response:
        return Response(response.status_code, response.headers, bytes(self._bytes))


def error_of(answer: Union[Response, httpx.RequestError]) -> ScoreboardError:
    """Why an answer is no success."""
    if isinstance(answer, httpx.UnsupportedProtocol):
        raise answer  # The URL of the service is none.
    if isinstance(answer, httpx.RequestError):
        error = ScoreboardError("unreachable", f"No response: {answer!r}")
        error.__cause__ = answer
        return error
    wait = answer.headers.get("retry-after", "")
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    return problem(body, answer.status, float(wait) if wait.isdecimal() else None)


class Calls:
    def __init__(
        self,
        account: Optional[tuple[str, str]],
        session: Optional[Session],
        on_session: Callable[[Session], None],
        patience: float,
        turn: Union[threading.Lock, Lock],
    ) -> None:
        self._account = account
        #: Held by the call that logs in.
        self._turn = turn
        #: Number of log-ins that have ended, and how the last one failed.
        self._ended = 0
        self._failure: Optional[ScoreboardError] = None
        self._on_session = on_session
        self._patience = patience
        self.session = session
        self._token = session.access_token if session else None
        # Of a session from a storage nobody knows how old it is: it is used until it is rejected.
        self._renew_at = float("inf")

    def guest(self, display_name: Optional[str]) -> Call[Session]:
        yield from self._take_turn(self._until())
        try:
            if self.session is not None:
                return self.session
            return (yield from self._begin("guest", {"displayName": display_name}))
        finally:
            self._turn.release()

    def login(self, username: str, password: str) -> Call[Session]:
        return self._begin("login", {"username": username, "password": password})

    def upgrade(self, username: str, password: str) -> Call[User]:
        body = {"username": username, "password": password}
        path = "/v1/users/me/credentials"
        user = yield from self._post(path, body, partial(parse, User), self._until(), repeatable=False)
        if self.session is not None:
            self.session = replace(self.session, user=user)
            self._on_session(self.session)
        return user

    def create_user(self, display_name: str, external_id: Optional[str]) -> Call[User]:
        body = {"displayName": display_name, "externalId": external_id}
        # Without an id of the caller's, a repeated request would create another user.
        repeatable = external_id is not None
        return self._post("/v1/users", body, partial(parse, User), self._until(), repeatable=repeatable)

    def open_session(self, user_id: str) -> Call[Session]:
        path = f"/v1/users/{_part(user_id)}/sessions"
        return self._post(path, None, partial(parse, Session), self._until())

    def begin_action(
        self, action: str, user_id: Optional[str], points: Optional[int], until: Optional[float] = None
    ) -> Call[ActionToken]:
        body = {"action": action, "userId": user_id, "points": points}
        return self._post("/v1/action-tokens", body, partial(parse, ActionToken), self._until(until))

    def perform_action(
        self,
        action: str,
        points: Optional[int],
        user_id: Optional[str],
        metadata: Optional[Mapping[str, Any]],
    ) -> Call[Receipt]:
        # A game server says the points when it requests the token, a player when it uses it.
        in_token, in_score = (points, None) if user_id else (None, points)
        until = self._until()
        token = yield from self.begin_action(action, user_id, in_token, until)
        claims = _claims(token.action_token)
        duration = claims["nbf"] - claims["iat"]
        yield Wait(duration)
        return (yield from self.submit(token.action_token, in_score, metadata, until + duration))

    def submit(
        self,
        action_token: str,
        points: Optional[int],
        metadata: Optional[Mapping[str, Any]],
        until: Optional[float] = None,
    ) -> Call[Receipt]:
        body = {"actionToken": action_token, "points": points, "metadata": metadata}
        try:
            return (yield from self._post("/v1/scores", body, receipt, self._until(until)))
        except ScoreboardError as error:
            if error.original is None:
                error.action_token = action_token
                raise
            claims = _claims(action_token)
            worth = claims["pts"][0] if points is None else points
            return _replayed(error.original, claims["sub"], claims["act"], worth)

    def submit_batch(self, submissions: Sequence[Submission]) -> Call[list[Union[Receipt, ScoreboardError]]]:
        return self._in_batches("/v1/scores/batch", submissions, "submissions", _submission, _outcome)

    def create_users(self, users: Sequence[NewUser]) -> Call[list[Union[User, ScoreboardError]]]:
        return self._in_batches("/v1/users/batch", users, "users", _new_user, _user_outcome)

    def _in_batches(
        self,
        path: str,
        items: Sequence[Item],
        name: str,
        write: Callable[[Item], Mapping[str, Any]],
        read: Callable[[Item, Mapping[str, Any]], Union[Result, ScoreboardError]],
    ) -> Call[list[Union[Result, ScoreboardError]]]:
        """What became of each item. They are sent in parts, and those again that have failed with a 5xx."""
        outcomes: dict[int, Union[Result, ScoreboardError]] = {}
        left = list(enumerate(items))
        until = self._until()
        failures = 0
        while left:
            part, left = left[:BATCH], left[BATCH:]
            body = {name: [write(item) for _, item in part]}
            try:
                answer = yield from self._post(path, body, partial(_outcomes, [one for _, one in part], read), until)
            except ScoreboardError as error:
                # Of the parts before, items have been taken.
                error.in_doubt = error.in_doubt or len(outcomes) > 0
                raise
            failed = []
            for (index, item), outcome in zip(part, answer):
                if isinstance(outcome, ScoreboardError):
                    before = outcomes.get(index)
                    doubtful = isinstance(before, ScoreboardError) and before.in_doubt
                    outcome.in_doubt = outcome.in_doubt or doubtful
                    if outcome.status >= 500:
                        failed.append((index, item))
                outcomes[index] = outcome
            pause = backoff(failures)
            if failed and monotonic() + pause < until:
                failures += 1
                left += failed
                yield Wait(pause)
        return [outcomes[index] for index in range(len(items))]

    def top(self, board: str, limit: int, cursor: Optional[str], season: Optional[int]) -> Call[Entries]:
        params = {"limit": limit, "cursor": cursor, "season": season}
        return self._get(f"{_path(board)}/entries", params, partial(parse, Entries))

    def around(self, board: str, user_id: Optional[str], radius: int, season: Optional[int]) -> Call[Entries]:
        params = {"radius": radius, "season": season}
        path = f"{_path(board)}/entries/{self._user(user_id)}/around"
        return self._get(path, params, partial(parse, Entries))

    def entry(self, board: str, user_id: Optional[str], season: Optional[int]) -> Call[EntryDetails]:
        path = f"{_path(board)}/entries/{self._user(user_id)}"
        return self._get(path, {"season": season}, partial(parse, EntryDetails))

    def seasons(self, board: str, limit: int, cursor: Optional[str]) -> Call[Seasons]:
        params = {"limit": limit, "cursor": cursor}
        return self._get(f"{_path(board)}/seasons", params, partial(parse, Seasons))

    def _user(self, user_id: Optional[str]) -> str:
        if user_id is not None:
            return _part(user_id)
        if self.session is not None:
            return self.session.user.id
        raise ScoreboardError("unauthenticated", NOBODY, 401)

    def _until(self, until: Optional[float] = None) -> float:
        """When a call that begins now, or is a part of another one, sends no more."""
        return monotonic() + self._patience if until is None else until

    def _begin(self, how: str, body: Mapping[str, Any]) -> Call[Session]:
        read = partial(parse, Session)
        session = yield from self._post(f"/v1/auth/{how}", body, read, self._until(), authorized=False)
        self._keep(session)
        return session

    def _keep(self, session: Session) -> None:
        self.session = session
        self._token = session.access_token
        self._renew_at = monotonic() + session.expires_in * RENEW_AFTER
        self._on_session(session)

    def _take_turn(self, until: float) -> Call[None]:
        taken = yield Turn(until - monotonic())
        if not taken:
            error = ScoreboardError("unreachable", "The log-in of another call takes too long.")
            error.in_doubt = False
            raise error

    def _access(self, rejected: Optional[str], until: float) -> Call[str]:
        """An access token that should be valid. One call renews it; the others use the old one while it lasts."""
        token = self._token
        is_new = monotonic() < self._renew_at
        if token is not None and token != rejected and (is_new or self._turn.locked()):
            return token
        ended = self._ended
        yield from self._take_turn(until)
        try:
            token = self._token if self._token != rejected else None
            if token is not None and monotonic() < self._renew_at:
                return token
            # Those who have waited for a log-in share its failure, or they would try one after the other.
            if self._ended != ended and self._failure is not None:
                last = self._failure
                raise ScoreboardError(last.code, str(last), last.status, last.retry_after) from last
            try:
                # With a token that may still be used, nobody waits for a log-in to be repeated.
                renewed = yield from self._renew(until if token is None else monotonic())
                self._failure = None
                return renewed
            except ScoreboardError as error:
                self._failure = error
                if token is None or not error.may_pass:
                    raise
                # From now on it is used until it is rejected.
                self._renew_at = float("inf")
                return token
            finally:
                self._ended += 1
        finally:
            self._turn.release()

    def _renew(self, until: float) -> Call[str]:
        if self._account is not None:
            client_id, secret = self._account
            body = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
            token, seconds = yield from self._post("/v1/auth/token", body, _grant, until, authorized=False)
            self._renew_at = monotonic() + seconds * RENEW_AFTER
            self._token = token
            return token
        if self.session is None:
            raise ScoreboardError("unauthenticated", NOBODY, 401)
        # Even with a token that may still be used: once its response is lost, this is the only time to repeat it.
        until = monotonic() + REFRESH_PATIENCE_S
        body = {"refreshToken": self.session.refresh_token}
        read = partial(parse, Session)
        session = yield from self._post("/v1/auth/refresh", body, read, until, authorized=False)
        self._keep(session)
        return session.access_token

    def _get(self, path: str, params: Mapping[str, Any], read: Callable[[Any], Result]) -> Call[Result]:
        request = Request("GET", path, _given(params), None, {})
        return self._send(request, read, self._until(), authorized=False, repeatable=True)

    def _post(
        self,
        path: str,
        body: Optional[Mapping[str, Any]],
        read: Callable[[Any], Result],
        until: float,
        authorized: bool = True,
        repeatable: bool = True,
    ) -> Call[Result]:
        request = Request("POST", path, None, None if body is None else _given(body), {})
        return self._send(request, read, until, authorized, repeatable)

    def _send(
        self,
        request: Request,
        read: Callable[[Any], Result],
        until: float,
        authorized: bool,
        repeatable: bool,
    ) -> Call[Result]:
        """What `read` makes of a success. A request that may succeed later is repeated, but not after `until`."""
        failures = 0
        #: Whether an attempt may have counted.
        in_doubt = False
        rejected: Optional[str] = None
        while True:
            token: Optional[str] = None
            if authorized:
                try:
                    token = yield from self._access(rejected, until)
                except ScoreboardError as no_access:
                    # What became of the log-in says nothing about this request.
                    no_access.in_doubt = in_doubt
                    raise
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = yield replace(request, headers=headers)
            assert isinstance(answer, (Response, httpx.RequestError))
            if isinstance(answer, Response) and 200 <= answer.status < 300:
                try:
                    return read(json.loads(answer.body))
                except MALFORMED as cause:
                    error = ScoreboardError("unreachable", "The response is not from the service.")
                    error.__cause__ = cause
            else:
                error = error_of(answer)
            if error.code == "unauthenticated" and token is not None and rejected is None:
                rejected = token
                continue
            # What a 4xx has refused has not happened. An earlier attempt may have.
            in_doubt = in_doubt or error.in_doubt
            error.in_doubt = in_doubt
            pause = (error.retry_after or 0) + backoff(failures)
            may_pass = error.may_pass or error.code == "action-token-premature"
            if error.code == "action-token-expired":
                # Also of attempts of an earlier call.
                age = _expired_for(request, answer)
                error.in_doubt = not SETTLED_AFTER_S <= age < REMEMBERED_S
                if age < SETTLED_AFTER_S:
                    may_pass = in_doubt
                    error.retry_after = pause = SETTLED_AFTER_S - age
            may_repeat = repeatable or error.status == 429
            if not may_pass or not may_repeat or monotonic() + pause > until:
                raise error
            failures += 1
            yield Wait(pause)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _grant(data: Any) -> tuple[str, float]:
    return str(data["access_token"]), float(data["expires_in"])


def _path(board: str) -> str:
    return f"/v1/leaderboards/{_part(board)}"


def _part(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def _claims(action_token: str) -> Any:
    """What an action token says. The service verifies it, not this client."""
    claims = action_token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))


def _expired_for(request: Request, answer: Answer) -> float:
    """Seconds for which the token of a score has been expired, by the clock of the service; 0 if it does not say."""
    try:
        assert isinstance(answer, Response)
        answered_at = parsedate_to_datetime(answer.headers["date"]).timestamp()
        return answered_at - float(_claims((request.json or {})["actionToken"])["exp"])
    except (IndexError, *MALFORMED):
        return 0


def _submission(one: Submission) -> dict[str, Any]:
    metadata = {} if one.metadata is None else {"metadata": one.metadata}
    key = {"idempotencyKey": one.idempotency_key}
    return {"userId": one.user_id, "action": one.action, "points": one.points, **key, **metadata}


def _new_user(one: NewUser) -> dict[str, Any]:
    return {"displayName": one.display_name, "externalId": one.external_id}


def _outcomes(
    items: Sequence[Item],
    read: Callable[[Item, Mapping[str, Any]], Union[Result, ScoreboardError]],
    data: Any,
) -> list[Union[Result, ScoreboardError]]:
    answers = data["items"]
    if len(answers) != len(items):
        raise ValueError(f"{len(answers)} outcomes for {len(items)} items")
    return [read(item, answer) for item, answer in zip(items, answers)]


def _user_outcome(one: NewUser, item: Mapping[str, Any]) -> Union[User, ScoreboardError]:
    return parse(User, item["user"]) if "user" in item else problem(item["problem"], item["status"])


def _outcome(submission: Submission, item: Mapping[str, Any]) -> Union[Receipt, ScoreboardError]:
    if "receipt" in item:
        return receipt(item["receipt"])
    error = problem(item["problem"], item["status"])
    if error.original is None:
        return error
    return _replayed(error.original, submission.user_id, submission.action, submission.points)


def _replayed(original: Original, user_id: str, action: str, points: int) -> Receipt:
    event_id, accepted_at = original.event_id, original.accepted_at
    return Receipt(event_id, user_id, action, points, accepted_at, None, [], [], replayed=True)
