"""Client of scoreboard-api: sessions, scores that count exactly once, live leaderboards."""

from ._async_client import AsyncClient
from ._client import Client
from ._errors import FieldError, Original, ScoreboardError
from ._mint import mint
from ._models import (
    ActionToken,
    Board,
    BoardResult,
    Entries,
    Entry,
    EntryDetails,
    FinalStandings,
    LiveEvent,
    NewUser,
    PointsRange,
    Receipt,
    Season,
    Seasons,
    SeasonStart,
    Session,
    SkippedBoard,
    Standing,
    Submission,
    User,
)

__all__ = [
    "ActionToken",
    "AsyncClient",
    "Board",
    "BoardResult",
    "Client",
    "Entries",
    "Entry",
    "EntryDetails",
    "FieldError",
    "FinalStandings",
    "LiveEvent",
    "NewUser",
    "Original",
    "PointsRange",
    "Receipt",
    "ScoreboardError",
    "Season",
    "SeasonStart",
    "Seasons",
    "Session",
    "SkippedBoard",
    "Standing",
    "Submission",
    "User",
    "mint",
]
