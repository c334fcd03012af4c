from __future__ import annotations

import os
from uuid import uuid4

import pytest
from faulty_proxy import FaultyProxy

from scoreboard_client import Client, NewUser, Receipt, ScoreboardError, Submission, User, mint


def test_a_game_server_scores_for_its_players(url: str, server: Client) -> None:
    external_id = str(uuid4())
    user = server.create_user("Dee", external_id)
    assert server.create_user("Dee", external_id).id == user.id
    assert server.perform_action("win-match", user_id=user.id, points=250).points == 250
    with Client(url, session=server.open_session(user.id)) as game:
        assert game.entry("global").score == 250


def test_players_are_registered_in_batches(server: Client, proxy: FaultyProxy) -> None:
    users = [NewUser("Ada", str(uuid4())) for _ in range(501)]
    users[1] = NewUser("\u200b", str(uuid4()))
    proxy.faults["/v1/users/batch"] = ["lost"]
    outcomes = server.create_users(users)
    assert proxy.requests["/v1/users/batch"] == 3
    refused, last = outcomes[1], outcomes[500]
    assert isinstance(refused, ScoreboardError) and refused.code == "validation-failed"
    assert isinstance(last, User) and last.id == server.create_user("Ada", users[500].external_id).id


def test_a_minted_token_counts_once_though_its_response_is_lost(server: Client, proxy: FaultyProxy) -> None:
    user = server.create_user("Ada", str(uuid4()))
    token = mint(os.environ["ACTION_TOKEN_SECRET"], user.id, "win-match", 1, 250)
    proxy.faults["/v1/scores"] = ["lost"]
    receipt = server.submit(token, points=99)
    assert (receipt.replayed, receipt.points, receipt.user_id) == (True, 99, user.id)
    assert server.entry("global", user.id).score == 99


def test_a_batch_whose_response_is_lost_counts_once(server: Client, proxy: FaultyProxy) -> None:
    user = server.create_user("Eve", str(uuid4()))
    key = str(uuid4())
    proxy.faults["/v1/scores/batch"] = ["lost"]
    submissions = [
        Submission(user.id, "win-match", 250, key, {"match": 42}),
        Submission(user.id, "win-match", 999, str(uuid4())),
    ]
    counted, refused = server.submit_batch(submissions)
    assert isinstance(counted, Receipt)
    assert (counted.replayed, counted.points, counted.user_id) == (True, 250, user.id)
    assert isinstance(refused, ScoreboardError)
    assert refused.code == "points-out-of-range"
    assert server.entry("global", user.id).score == 250


def test_a_batch_may_be_larger_than_a_request(server: Client, proxy: FaultyProxy) -> None:
    user = server.create_user("Fay", str(uuid4()))
    outcomes = server.submit_batch([Submission(user.id, "win-match", 250, str(uuid4())) for _ in range(501)])
    assert all(isinstance(one, Receipt) for one in outcomes)
    assert proxy.requests["/v1/scores/batch"] == 2
    assert server.entry("global", user.id).score == 501 * 250


def test_a_wrong_secret_is_refused(url: str, account: tuple[str, str]) -> None:
    with Client(url, account=(account[0], "wrong")) as stranger, pytest.raises(ScoreboardError) as error:
        stranger.create_user("Nobody")
    assert error.value.code == "invalid-credentials"
