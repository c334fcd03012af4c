"""The live stream of a leaderboard, without input and output: what its lines mean, and when to connect again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Optional, Union
from urllib.parse import quote

import httpx

from ._calls import Response, backoff, error_of
from ._errors import ScoreboardError
from ._models import MALFORMED, Board, FinalStandings, LiveEvent, SeasonStart, Standing, parse

MODELS: dict[str, Any] = {
    "snapshot": Board,
    "leaderboard": Board,
    "rank": Standing,
    "season": SeasonStart,
    "final": FinalStandings,
}
#: Characters. A hundred entries are a fiftieth of that.
MAX_EVENT = 1 << 20
#: The service sends something every 30 s, unless its operator has changed that.
TIMEOUT = httpx.Timeout(15, read=90)


def target(board: str, limit: int, user_id: Optional[str]) -> tuple[str, dict[str, Any]]:
    """Path and parameters of the stream."""
    user = {} if user_id is None else {"user": user_id}
    return f"/v1/leaderboards/{quote(board, safe='')}/stream", {"limit": limit, **user}


class Stream:
    """One subscription, over all of its connections."""

    def __init__(self) -> None:
        self._type = ""
        self._data: list[str] = []
        #: The beginning of a line whose end has not arrived.
        self._rest = ""
        #: Seconds that the service asks to wait before the first attempt to connect again.
        self._retry = 1.0
        self._failures = 0

    def feed(self, text: str) -> Iterator[LiveEvent]:
        """The events that end in this part of a connection. Raises a ScoreboardError if one is malformed."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            try:
                event = self._line(line.rstrip("\r"))
            except MALFORMED as cause:
                raise _malformed(f"An event cannot be read: {cause!r}") from cause
            if event is not None:
                yield event
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT:
            raise _malformed("An event is too large.")

    def _line(self, line: str) -> Optional[LiveEvent]:
        """The event that ends with this line, if one does."""
        if line == "":
            model, data = MODELS.get(self._type), "\n".join(self._data)
            self._type, self._data = "", []
            if model is None or data == "":
                return None
            event: LiveEvent = parse(model, json.loads(data))
            self._failures = 0
            return event
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "retry" and value.isdecimal():
            self._retry = int(value) / 1_000
        return None

    def pause(self, answer: Union[Response, httpx.RequestError, None]) -> float:
        """Seconds to wait before the next attempt, after a connection has ended (None) or failed.

        Raises a ScoreboardError that will not pass, like that of a leaderboard that does not exist.
        """
        self._type, self._data, self._rest = "", [], ""
        self._failures += 1
        if isinstance(answer, Response):
            error = error_of(answer)
            if not error.may_pass:
                raise error
            return (error.retry_after or 0) + backoff(self._failures)
        return self._retry if self._failures == 1 else backoff(self._failures)


def _malformed(message: str) -> ScoreboardError:
    return ScoreboardError("unexpected-answer", message, 200)
