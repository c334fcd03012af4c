from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Callable, Optional, Union

from ._calls import Answer, Call, Calls, Result, Turn, Wait
from ._errors import ScoreboardError
from ._http import Http
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


class AsyncClient:
    """The calls of `Client`, each to be awaited. Many tasks of one event loop may share it."""

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
        self._turn = asyncio.Lock()
        self._calls = Calls(account, session, on_session, patience, self._turn)
        self._http = Http(base_url, timeout)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.close()

    @property
    def session(self) -> Optional[Session]:
        """The player's session. `on_session` is called with each new one: keep the last."""
        return self._calls.session

    async def guest(self, display_name: Optional[str] = None) -> Session:
        return await self._run(self._calls.guest(display_name))

    async def login(self, username: str, password: str) -> Session:
        return await self._run(self._calls.login(username, password))

    async def upgrade(self, username: str, password: str) -> User:
        return await self._run(self._calls.upgrade(username, password))

    async def create_user(self, display_name: str, external_id: Optional[str] = None) -> User:
        return await self._run(self._calls.create_user(display_name, external_id))

    async def create_users(self, users: Sequence[NewUser]) -> list[Union[User, ScoreboardError]]:
        return await self._run(self._calls.create_users(users))

    async def open_session(self, user_id: str) -> Session:
        return await self._run(self._calls.open_session(user_id))

    async def begin_action(
        self, action: str, *, user_id: Optional[str] = None, points: Optional[int] = None
    ) -> ActionToken:
        return await self._run(self._calls.begin_action(action, user_id, points))

    async def submit(
        self,
        action_token: str,
        *,
        points: Optional[int] = None,
        metadata: Optional[Mapping[str, Any]] = None,
    ) -> Receipt:
        return await self._run(self._calls.submit(action_token, points, metadata))

    async def perform_action(
        self,
        action: str,
        *,
        points: Optional[int] = None,
        user_id: Optional[str] = None,
        metadata: Optional[Mapping[str, Any]] = None,
    ) -> Receipt:
        """Requests a token, waits for the minimum duration of the action, and counts it exactly once.

        A task that may be cancelled uses `begin_action` and `submit`: so the token is known, and can be sent again.
        """
        return await self._run(self._calls.perform_action(action, points, user_id, metadata))

    async def submit_batch(self, submissions: Sequence[Submission]) -> list[Union[Receipt, ScoreboardError]]:
        return await self._run(self._calls.submit_batch(submissions))

    async def top(
        self, board: str, *, limit: int = 10, cursor: Optional[str] = None, season: Optional[int] = None
    ) -> Entries:
        return await self._run(self._calls.top(board, limit, cursor, season))

    async def around(
        self,
        board: str,
        user_id: Optional[str] = None,
        *,
        radius: int = 5,
        season: Optional[int] = None,
    ) -> Entries:
        return await self._run(self._calls.around(board, user_id, radius, season))

    async def entry(
        self, board: str, user_id: Optional[str] = None, *, season: Optional[int] = None
    ) -> EntryDetails:
        return await self._run(self._calls.entry(board, user_id, season))

    async def seasons(self, board: str, *, limit: int = 10, cursor: Optional[str] = None) -> Seasons:
        return await self._run(self._calls.seasons(board, limit, cursor))

    async def subscribe(
        self, board: str, *, limit: int = 10, user_id: Optional[str] = None
    ) -> AsyncGenerator[LiveEvent, None]:
        events = self._http.subscribe(board, limit, user_id)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    async def _run(self, call: Call[Result]) -> Result:
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
                    await asyncio.sleep(step.seconds)
                    answer = None
                elif isinstance(step, Turn):
                    answer = await self._take_turn(step)
                else:
                    answer = await self._http.send(step)

    async def _take_turn(self, step: Turn) -> bool:
        try:
            return await asyncio.wait_for(self._turn.acquire(), max(step.seconds, self._timeout))
        except asyncio.TimeoutError:
            return False
