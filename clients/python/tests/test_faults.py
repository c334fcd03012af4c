"""What a service or a proxy does that the real one in these tests never does, or not in time: with a clock of their own."""

from __future__ import annotations

import asyncio
import base64
import json
import socketserver
import threading
import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any, Callable, Optional, Union

import httpx
import pytest

from scoreboard_client import AsyncClient, Client, ScoreboardError, Session, Submission, User
from scoreboard_client import _calls as calls
from scoreboard_client._http import Http
from scoreboard_client._stream import MAX_EVENT

LOST = httpx.ConnectError("lost")
GRANT = {"access_token": "one", "expires_in": 600}
ME = {"id": "usr_1", "displayName": "Ada", "username": None, "role": "player", "createdAt": "2026-01-01T00:00:00Z"}
SESSION = {"user": ME, "accessToken": "secret", "refreshToken": "secret", "expiresIn": 600, "refreshExpiresIn": 9_000}
CLAIMS = json.dumps({"sub": "usr_1", "act": "win-match", "pts": [250, 250], "iat": 0, "nbf": 120, "exp": 100}).encode()
TOKEN = f"e30.{base64.urlsafe_b64encode(CLAIMS).decode()}.c2ln"

Handler = Callable[[httpx.Request], httpx.Response]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(calls, "monotonic", clock)
    monkeypatch.setattr("time.sleep", clock.sleep)
    return clock


def problem(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": code})


def client_of(handler: Handler, **options: Any) -> Client:
    client = Client("http://service", **options)
    client._http = Http("http://service", options.get("timeout", 15), httpx.MockTransport(handler))
    return client


def server_of(scores: list[Union[httpx.Response, Exception]], grants: Optional[list[Any]] = None, **options: Any) -> Client:
    """A game server's client, and what the service answers to its scores and log-ins, in order."""

    def answer(request: httpx.Request) -> httpx.Response:
        grant = request.url.path == "/v1/auth/token"
        given = (grants.pop(0) if grants else GRANT) if grant else scores.pop(0)
        if isinstance(given, Exception):
            raise given
        return given if isinstance(given, httpx.Response) else httpx.Response(200, json=given)

    return client_of(answer, account=("id", "secret"), **options)


def failure_of(call: Callable[[], object]) -> ScoreboardError:
    with pytest.raises(ScoreboardError) as error:
        call()
    return error.value


def test_a_failed_log_in_leaves_a_lost_score_in_doubt(clock: Clock) -> None:
    refused = problem(401, "invalid-credentials")
    server = server_of([LOST, problem(401, "unauthenticated")], [GRANT, refused])
    error = failure_of(lambda: server.submit(TOKEN))
    assert (error.code, error.in_doubt) == ("invalid-credentials", True)


def test_a_lost_log_in_leaves_a_score_that_was_not_sent_without_doubt(clock: Clock) -> None:
    error = failure_of(lambda: server_of([], [LOST], patience=0).submit(TOKEN))
    assert (error.code, error.in_doubt) == ("unreachable", False)


def expired(clock: Clock) -> Handler:
    """A service where TOKEN has expired; with a proxy that loses the first response."""
    lost = [LOST]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/auth/token":
            return httpx.Response(200, json=GRANT)
        if lost:
            raise lost.pop()
        date = format_datetime(datetime.fromtimestamp(clock.now, timezone.utc), usegmt=True)
        body = {"code": "action-token-expired", "detail": "?"}
        return httpx.Response(422, json=body, headers={"date": date})

    return answer


def test_an_expired_token_in_doubt_is_settled_a_minute_after_it_has_expired(clock: Clock) -> None:
    clock.now = 101
    error = failure_of(lambda: client_of(expired(clock), account=("id", "secret")).submit(TOKEN))
    assert (error.code, error.in_doubt) == ("action-token-expired", False)
    assert clock.now >= 160


def test_a_second_call_knows_the_doubt_of_the_first(clock: Clock) -> None:
    clock.now = 105
    server = client_of(expired(clock), account=("id", "secret"), patience=0)
    first = failure_of(lambda: server.submit(TOKEN))
    assert (first.code, first.in_doubt) == ("unreachable", True)
    second = failure_of(lambda: server.submit(TOKEN))
    assert (second.code, second.in_doubt, second.retry_after) == ("action-token-expired", True, 55)
    for now, in_doubt in ((159, True), (160, False), (80_000, True)):
        clock.now = now
        # Nor does another client need to know of the first call.
        other = failure_of(lambda: server.submit(TOKEN))
        assert (other.code, other.in_doubt) == ("action-token-expired", in_doubt)


def test_a_score_of_a_batch_that_failed_is_in_doubt(clock: Clock) -> None:
    failed = {"status": 500, "problem": {"code": "internal-error", "detail": "?"}}
    refused = {"status": 422, "problem": {"code": "points-out-of-range", "detail": "?"}}
    batch = [Submission("usr_1", "win-match", 250, key) for key in "ab"]
    for patience, last in ((0, "internal-error"), (240, "points-out-of-range")):
        answers = [httpx.Response(200, json={"items": items}) for items in ([failed, refused], [refused])]
        first, second = server_of([*answers], patience=patience).submit_batch(batch)
        assert isinstance(first, ScoreboardError) and isinstance(second, ScoreboardError)
        assert (first.code, first.in_doubt, second.in_doubt) == (last, True, False)


def test_patience_bounds_the_log_in_the_token_and_the_score_together(clock: Clock) -> None:
    granted = {
        "actionToken": TOKEN,
        "tokenId": "tok_1",
        "action": "win-match",
        "userId": "usr_1",
        "points": {"min": 250, "max": 250},
        "notBefore": "2026-01-01T00:00:00Z",
        "expiresAt": "2026-01-01T00:05:00Z",
    }
    begun = [0.0]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/scores":
            raise LOST
        begun.append(clock.now)
        if len(begun) < 5:
            return httpx.Response(503, headers={"retry-after": "25"})
        return httpx.Response(200, json=GRANT if request.url.path == "/v1/auth/token" else granted)

    server = client_of(answer, account=("id", "secret"), patience=200)
    error = failure_of(lambda: server.perform_action("win-match", user_id="usr_1"))
    assert (error.in_doubt, error.action_token) == (True, TOKEN)
    assert begun[-1] > 75, "the log-in and the token took their part"
    assert clock.now <= 200 + 120, "without the minimum duration of the action"


def test_an_old_token_is_used_while_no_new_one_can_be_had(clock: Clock) -> None:
    grants = [GRANT, LOST, {"access_token": "two", "expires_in": 600}]
    players = [httpx.Response(200, json=ME) for _ in range(4)]
    stale = problem(401, "unauthenticated")
    server = server_of([*players[:3], stale, players[3]], grants)
    server.create_user("Ada")
    clock.now = 500
    for _ in range(2):
        server.create_user("Ada")
    assert clock.now == 500, "it does not wait for a log-in that it does not need"
    assert len(grants) == 1
    server.create_user("Ada")
    assert grants == [], "not before the old one is rejected"


def test_threads_share_a_log_in_and_its_failure() -> None:
    all_wait = threading.Barrier(4)
    for succeeds in (True, False):
        logins = []
        waiting = threading.Semaphore(0)

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path != "/v1/auth/token":
                return httpx.Response(200, json=ME)
            logins.append(request)
            for _ in range(4):
                assert waiting.acquire(timeout=10)
            return httpx.Response(200, json=GRANT) if succeeds else problem(401, "invalid-credentials")

        server = client_of(answer, account=("id", "wrong"))
        take = server._take_turn

        def take_turn(step: calls.Turn) -> bool:
            waiting.release()
            return take(step)

        server._take_turn = take_turn  # type: ignore[method-assign]
        outcomes: list[str] = []

        def play() -> None:
            all_wait.wait(10)
            try:
                outcomes.append(server.create_user("Ada").id)
            except ScoreboardError as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=play) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == ["usr_1" if succeeds else "invalid-credentials"] * 4
        assert len(logins) == 1


def test_a_task_that_is_cancelled_gives_the_log_in_to_the_next() -> None:
    async def serve() -> None:
        begun = asyncio.Event()
        logins: list[httpx.Request] = []

        async def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path != "/v1/auth/token":
                return httpx.Response(200, json=ME)
            logins.append(request)
            begun.set()
            if len(logins) == 1:
                await asyncio.Event().wait()
            return httpx.Response(200, json=GRANT)

        server = AsyncClient("http://service", account=("id", "secret"))
        server._http = Http("http://service", 15, httpx.MockTransport(answer))
        first = asyncio.ensure_future(server.create_user("Ada"))
        await begun.wait()
        second = asyncio.ensure_future(server.create_user("Ada"))
        first.cancel()
        assert (await second).id == "usr_1"
        assert len(logins) == 2

    asyncio.run(serve())


def test_a_response_has_a_limit_of_size(clock: Clock) -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * (1 << 20)

    error = failure_of(lambda: client_of(lambda request: httpx.Response(200, content=large()), patience=0).top("global"))
    assert (error.code, isinstance(error.__cause__, httpx.ReadError)) == ("unreachable", True)


@pytest.mark.parametrize("begin", ["", "HTTP/1.1 200 OK\r\nx-y: ", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"])
def test_a_response_has_a_limit_of_time_however_it_trickles(begin: str) -> None:
    """Nothing, headers that never end, and a body that never ends: each byte comes long before the limit."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), trickling(begin)) as service:
        service.daemon_threads = True
        threading.Thread(target=service.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{service.server_address[1]}"
        with Client(url, patience=0, timeout=0.2) as client:
            error = failure_of(lambda: client.top("global"))

        async def read() -> ScoreboardError:
            async with AsyncClient(url, patience=0, timeout=0.2) as same:
                with pytest.raises(ScoreboardError) as caught:
                    await same.top("global")
                return caught.value

        for one in (error, asyncio.run(read())):
            assert (one.code, isinstance(one.__cause__, httpx.ReadTimeout)) == ("unreachable", True)
        service.shutdown()


def trickling(begin: str) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.sendall(begin.encode())
                # Until the client closes the connection.
                for _ in range(600):
                    time.sleep(0.02)
                    self.request.sendall(b"1\r\n.\r\n" if begin.endswith("\n") else b"." if begin else b"")
            except OSError:
                pass

    return Handler


def test_a_client_is_of_one_process_and_says_when_it_is_closed() -> None:
    client = client_of(lambda request: httpx.Response(201, json=SESSION), patience=0)
    client.guest()
    client._loop._process += 1
    with pytest.raises(RuntimeError, match="after the fork"):
        client.top("global")
    client._loop._process -= 1
    for _ in range(2):
        client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.top("global")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"items": 1}', b"null"])
def test_a_response_that_is_not_from_the_service_is_a_scoreboard_error(clock: Clock, body: bytes) -> None:
    for status in (200, 404, 503):
        client = client_of(lambda request: httpx.Response(status, content=body), patience=0)
        assert failure_of(lambda: client.top("global")).code in (
            "unreachable",
            "unexpected-answer",
            "service-unavailable",
        )


@pytest.mark.parametrize("data", ["<html>", "[]", "{}", '{"items": 1}', "x" * (2 * MAX_EVENT)])
def test_a_malformed_event_is_a_scoreboard_error(data: str) -> None:
    text = f"event: snapshot\ndata: {data}\n\n".encode()
    parts = [text[i : i + 65_536] for i in range(0, len(text), 65_536)]

    async def body() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    client = client_of(lambda request: httpx.Response(200, content=body()))
    error = failure_of(lambda: next(client.subscribe("global")))
    assert error.code == "unexpected-answer"
    assert ("too large" in str(error)) is (len(data) > MAX_EVENT)


def test_a_guest_stays_the_same_guest() -> None:
    answers = [httpx.Response(201, json=SESSION)]
    client = client_of(lambda request: answers.pop())
    assert client.guest("Ada") is client.guest("Bo")


def test_secrets_are_not_shown() -> None:
    session = client_of(lambda request: httpx.Response(201, json=SESSION)).guest()
    assert isinstance(session, Session) and isinstance(session.user, User)
    assert "usr_1" in repr(session)
    assert "secret" not in repr(session)
