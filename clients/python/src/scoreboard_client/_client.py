from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Callable, Optional, Union

from ._calls import Answer, Call, Calls, Result, Turn, Wait
from ._errors import ScoreboardError
from ._http import Http, LoopThread
from ._models import (
    ActionToken,
    Entries,
    EntryDetails,
    LiveEvent,
    NewUser,
    Receipt,
    Seasons,
    Session,
    Submission,
    User,
)


class Client:
    """The service for one player, or for a game server. Every failure is a `ScoreboardError`.

    A player begins with `guest()` or `login()`, or with the `session` of an earlier run. A game server has an
    `account`: the id and the secret of a service account. Tokens are renewed by themselves.

    A request that may succeed later (no response, 429, 5xx) is repeated, not before the service's `Retry-After`.
    That never counts a score twice: the same action token or idempotency key is sent again. No attempt begins later
    than `patience` seconds after the call, the log-in included, but without the minimum duration of an action. An
    attempt takes at most `timeout` seconds.

    Many threads may share it. It has one thread of its own for its requests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        account: Optional[tuple[str, str]] = None,
        session: Optional[Session] = None,
        on_session: Callable[[Session], None] = lambda session: None,
        patience: float = 240.0,
        timeout: float = 15.0,
    ) -> None:
        self._timeout = timeout
        self._turn = threading.Lock()
        self._calls = Calls(account, session, on_session, patience, self._turn)
        self._http = Http(base_url, timeout)
        self._loop = LoopThread()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        self._loop.close(self._http.close())

    @property
    def session(self) -> Optional[Session]:
        """The player's session. `on_session` is called with each new one: keep the last."""
        return self._calls.session

    def guest(self, display_name: Optional[str] = None) -> Session:
        """The session, or that of a new guest, who can play at once, if there is none."""
        return self._run(self._calls.guest(display_name))

    def login(self, username: str, password: str) -> Session:
        """Logs in to an account."""
        return self._run(self._calls.login(username, password))

    def upgrade(self, username: str, password: str) -> User:
        """Turns the guest into an account, which keeps its scores."""
        return self._run(self._calls.upgrade(username, password))

    def create_user(self, display_name: str, external_id: Optional[str] = None) -> User:
        """For game servers: a player of yours. The same `external_id` always returns the same user."""
        return self._run(self._calls.create_user(display_name, external_id))

    def create_users(self, users: Sequence[NewUser]) -> list[Union[User, ScoreboardError]]:
        """For game servers: `create_user` for any number. The outcomes are in the order of the players."""
        return self._run(self._calls.create_users(users))

    def open_session(self, user_id: str) -> Session:
        """For game servers: a session to hand to the player's game."""
        return self._run(self._calls.open_session(user_id))

    def begin_action(
        self, action: str, *, user_id: Optional[str] = None, points: Optional[int] = None
    ) -> ActionToken:
        """Requests a token when an action begins. Only game servers name a user and points."""
        return self._run(self._calls.begin_action(action, user_id, points))

    def submit(
        self,
        action_token: str,
        *,
        points: Optional[int] = None,
        metadata: Optional[Mapping[str, Any]] = None,
    ) -> Receipt:
        """Counts a finished action exactly once. A token that is sent too early is sent again.

        A token that expires in doubt is sent again too, a minute after that: if it has not counted by then, it never
        will.
        """
        return self._run(self._calls.submit(action_token, points, metadata))

    def perform_action(
        self,
        action: str,
        *,
        points: Optional[int] = None,
        user_id: Optional[str] = None,
        metadata: Optional[Mapping[str, Any]] = None,
    ) -> Receipt:
        """Requests a token, waits for the minimum duration of the action, and counts it exactly once.

        A thread that may be interrupted uses `begin_action` and `submit`: so the token is known, and can be sent
        again.
        """
        return self._run(self._calls.perform_action(action, points, user_id, metadata))

    def submit_batch(self, submissions: Sequence[Submission]) -> list[Union[Receipt, ScoreboardError]]:
        """For game servers: counts each score exactly once. The outcomes are in the order of the submissions."""
        return self._run(self._calls.submit_batch(submissions))

    def top(
        self, board: str, *, limit: int = 10, cursor: Optional[str] = None, season: Optional[int] = None
    ) -> Entries:
        """The first entries (at most 100) of a leaderboard, or the page of a `next_cursor`."""
        return self._run(self._calls.top(board, limit, cursor, season))

    def around(
        self,
        board: str,
        user_id: Optional[str] = None,
        *,
        radius: int = 5,
        season: Optional[int] = None,
    ) -> Entries:
        """A user, by default that of the session, with up to `radius` neighbours on each side."""
        return self._run(self._calls.around(board, user_id, radius, season))

    def entry(
        self, board: str, user_id: Optional[str] = None, *, season: Optional[int] = None
    ) -> EntryDetails:
        """Rank and score of a user, by default that of the session; `not-found` if there is none."""
        return self._run(self._calls.entry(board, user_id, season))

    def seasons(self, board: str, *, limit: int = 10, cursor: Optional[str] = None) -> Seasons:
        """The seasons of a leaderboard, newest first."""
        return self._run(self._calls.seasons(board, limit, cursor))

    def subscribe(
        self, board: str, *, limit: int = 10, user_id: Optional[str] = None
    ) -> Generator[LiveEvent, None, None]:
        """The top of a leaderboard, now and at each change, and the standing of one user if it is named.

        It connects again by itself and then begins with the whole board, so nothing is missed. `close()` of the
        result ends it.
        """
        events = self._http.subscribe(board, limit, user_id)
        try:
            while True:
                yield self._loop.run(_next(events))
        except StopAsyncIteration:
            return
        finally:
            # It may be the collector that ends this, on any thread: nothing waits here.
            if not self._loop.is_closed:
                self._loop.begin(events.aclose())

    def _run(self, call: Call[Result]) -> Result:
        answer: Answer = None
        # A call that is left early gives its turn back.
        with closing(call):
            while True:
                try:
                    step = call.send(answer)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                    answer = None
                elif isinstance(step, Turn):
                    answer = self._take_turn(step)
                else:
                    answer = self._loop.run(self._http.send(step))

    def _take_turn(self, step: Turn) -> bool:
        return self._turn.acquire(timeout=min(max(step.seconds, self._timeout), threading.TIMEOUT_MAX))


async def _next(events: AsyncGenerator[LiveEvent, None]) -> LiveEvent:
    return await events.__anext__()
