"""Logs in and plays with the client that openapi-python-client has made."""

import os

from scoreboard import AuthenticatedClient, Client
from scoreboard.api.actions import create_action_token
from scoreboard.api.auth import create_guest, issue_access_token, login, refresh_session
from scoreboard.api.leaderboards import get_leaderboard, list_entries
from scoreboard.api.scores import submit_score
from scoreboard.api.users import add_my_credentials, create_user, get_me, open_session
from scoreboard.models import (
    AddMyCredentialsBody,
    CreateActionTokenBody,
    CreateGuestBody,
    CreateUserBody,
    IssueAccessTokenBody,
    IssueAccessTokenBodyGrantType,
    LeaderboardSort,
    LoginBody,
    ReceiptStatus,
    RefreshSessionBody,
    SubmitScoreBody,
    UserRole,
)

URL = os.environ["SCOREBOARD_URL"]


def logged_in(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=URL, token=token, raise_on_unexpected_status=True)


anybody = Client(base_url=URL, raise_on_unexpected_status=True)
session = create_guest.sync(client=anybody, body=CreateGuestBody(display_name="Ada"))
player = logged_in(session.access_token)
me = get_me.sync(client=player)
assert (me.role, me.username) == (UserRole.PLAYER, None)

credentials = {"username": "ada.py", "password": "correct horse battery staple"}
add_my_credentials.sync(client=player, body=AddMyCredentialsBody(**credentials))
again = login.sync(client=anybody, body=LoginBody(**credentials))
again = refresh_session.sync(client=anybody, body=RefreshSessionBody(refresh_token=again.refresh_token))
player = logged_in(again.access_token)

token = create_action_token.sync(client=player, body=CreateActionTokenBody(action="collect-coin"))
receipt = submit_score.sync(client=player, body=SubmitScoreBody(action_token=token.action_token))
assert receipt.status == ReceiptStatus.COUNTED
assert receipt.leaderboards[0].score == 10

assert get_leaderboard.sync("global", client=anybody).sort == LeaderboardSort.DESC
board = list_entries.sync("global", client=anybody, limit=5)
assert board.next_cursor is None
entry = board.items[0]

grant = issue_access_token.sync(
    client=anybody,
    body=IssueAccessTokenBody(
        grant_type=IssueAccessTokenBodyGrantType.CLIENT_CREDENTIALS,
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
    ),
)
server = logged_in(grant.access_token)
user = create_user.sync(client=server, body=CreateUserBody(display_name="Cy", external_id="player-1"))
assert open_session.sync(user.id, client=server).user.display_name == "Cy"

print(f"{entry.display_name} has {entry.score} points, rank {entry.rank}")
