"""What the service sends and takes. Fields that a newer service adds are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from functools import lru_cache
from typing import (
    Any,
    Optional,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

Model = TypeVar("Model")
#: What is raised by reading something that is not from the service.
MALFORMED = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class User:
    id: str
    display_name: str
    #: None for a guest.
    username: Optional[str]
    role: str
    created_at: datetime


@dataclass(frozen=True)
class NewUser:
    """A player of yours to register."""

    display_name: str
    external_id: str


@dataclass(frozen=True)
class Session:
    """Keep it on the player's device: a guest whose session is lost is lost too."""

    user: User
    access_token: str = field(repr=False)
    #: Valid for one use, so keep each new session: see `on_session` of the client.
    refresh_token: str = field(repr=False)
    #: Seconds.
    expires_in: int
    #: Seconds.
    refresh_expires_in: int


@dataclass(frozen=True)
class PointsRange:
    min: int
    max: int


@dataclass(frozen=True)
class ActionToken:
    """Permission to score once."""

    action_token: str = field(repr=False)
    token_id: str
    action: str
    user_id: str
    points: PointsRange
    not_before: datetime
    expires_at: datetime


@dataclass(frozen=True)
class BoardResult:
    """A leaderboard on which a score has counted."""

    id: str
    season: int
    season_ends_at: Optional[datetime]
    score: int
    previous_score: Optional[int]
    #: None while the board is being rebuilt.
    rank: Optional[int]
    previous_rank: Optional[int]
    #: The season of the score is over, so it counts in this one.
    late: Optional[bool]


@dataclass(frozen=True)
class SkippedBoard:
    """A leaderboard that has not taken the score: `frozen` or `closed`."""

    id: str
    skipped: str


@dataclass(frozen=True)
class Receipt:
    """A score that has counted."""

    event_id: str
    user_id: str
    action: str
    points: int
    accepted_at: datetime
    #: `counted` or `held`. None if `replayed`.
    status: Optional[str]
    leaderboards: list[BoardResult]
    skipped: list[SkippedBoard]
    #: The first response was lost, and a retry has found that the score had counted: where it stands is not known.
    replayed: bool = False


@dataclass(frozen=True)
class Submission:
    """A score of a game server in a batch, without an action token."""

    user_id: str
    action: str
    points: int
    #: What this score is in your own system. It counts once.
    idempotency_key: str
    metadata: Optional[Mapping[str, Any]] = None


@dataclass(frozen=True)
class Entry:
    #: From 1; every entry has its own.
    rank: int
    #: The rank that all entries with the same score share.
    shared_rank: int
    user_id: str
    display_name: str
    score: int
    achieved_at: datetime
    #: The score as people write it. None if the board has no unit.
    formatted: Optional[str]
    #: What is public of the metadata of the event that made the score.
    metadata: Optional[Mapping[str, Any]]


@dataclass(frozen=True)
class EntryDetails(Entry):
    total: int
    percentile: float
    #: None for the first.
    points_to_next_rank: Optional[int]


@dataclass(frozen=True)
class Entries:
    """A page of a leaderboard."""

    leaderboard: str
    season: int
    season_ends_at: Optional[datetime]
    version: int
    #: Number of entries on the whole board.
    total: int
    items: list[Entry]
    next_cursor: Optional[str]


@dataclass(frozen=True)
class Season:
    season: int
    label: Optional[str]
    starts_at: Optional[datetime]
    ends_at: Optional[datetime]
    state: str
    entries: int
    top: list[Entry]
    revision: int
    digest: Optional[str]


@dataclass(frozen=True)
class Seasons:
    """A page of the seasons of a leaderboard, newest first."""

    items: list[Season]
    next_cursor: Optional[str]


@dataclass(frozen=True)
class Board:
    """The top of a leaderboard at one moment."""

    leaderboard: str
    season: int
    season_ends_at: Optional[datetime]
    version: int
    total: int
    #: The time of the service when it sent this.
    now: datetime
    items: list[Entry]


@dataclass(frozen=True)
class Standing:
    """The entry of the user of a stream; ranks and score are None while there is none."""

    user_id: str
    rank: Optional[int]
    shared_rank: Optional[int]
    score: Optional[int]
    total: int


@dataclass(frozen=True)
class SeasonStart:
    leaderboard: str
    season: int
    previous: int
    starts_at: Optional[datetime]
    ends_at: Optional[datetime]
    label: Optional[str]
    now: datetime


@dataclass(frozen=True)
class FinalStandings:
    """The first ten of a season that is final."""

    leaderboard: str
    season: int
    digest: str
    items: list[Entry]


LiveEvent = Union[Board, Standing, SeasonStart, FinalStandings]


def parse(model: type[Model], data: Mapping[str, Any]) -> Model:
    """An object of the API as a model. Raises one of MALFORMED if it is none."""
    kind: Any = model
    return model(**{name: _value(of, data.get(key)) for name, key, of in _fields(kind)})


def receipt(data: Mapping[str, Any]) -> Receipt:
    """A receipt, with the boards that took the score apart from those that did not."""
    boards: list[dict[str, Any]] = data["leaderboards"]
    took = [board for board in boards if "skipped" not in board]
    refused = [board for board in boards if "skipped" in board]
    return parse(Receipt, {**data, "leaderboards": took, "skipped": refused, "replayed": False})


@lru_cache(maxsize=None)
def _fields(model: Any) -> list[tuple[str, str, Any]]:
    """Of each field: its name here, in the API, and its type."""
    kinds = get_type_hints(model)
    return [(one.name, _camel(one.name), kinds[one.name]) for one in fields(model)]


def _value(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Union:
        return None if value is None else _value(get_args(kind)[0], value)
    if value is None:
        raise ValueError(f"null instead of {kind}")
    if get_origin(kind) is list:
        return [_value(get_args(kind)[0], item) for item in value]
    if kind is datetime:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return parse(kind, value) if isinstance(kind, type) and is_dataclass(kind) else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
