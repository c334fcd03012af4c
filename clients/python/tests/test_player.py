from __future__ import annotations

from dataclasses import replace
from time import monotonic

import pytest
from faulty_proxy import FaultyProxy

from scoreboard_client import Board, Client, ScoreboardError, Session, Standing


def test_a_guest_plays_and_reads_the_board(player: Client) -> None:
    receipt = player.perform_action("collect-coin")
    assert (receipt.points, receipt.status, receipt.replayed) == (10, "counted", False)
    assert receipt.leaderboards[0].score == 10
    entry = player.entry("global")
    assert (entry.user_id, entry.score, entry.display_name) == (receipt.user_id, 10, "Ada")
    assert receipt.user_id in [one.user_id for one in player.around("global").items]
    top = player.top("global", limit=1)
    assert top.items[0].rank == 1
    if top.next_cursor is not None:
        assert player.top("global", limit=1, cursor=top.next_cursor).items[0].rank == 2
    assert player.seasons("global").items[0].season == top.season


def test_an_action_with_a_minimum_duration_is_awaited(proxy: FaultyProxy) -> None:
    with Client(proxy.url) as client:
        client.guest()
        assert client.perform_action("finish-level", points=42, metadata={"level": 7}).points == 42
        assert proxy.requests["/v1/scores"] == 1, "none was too early"


def test_a_token_that_is_sent_too_early_is_sent_again(player: Client) -> None:
    token = player.begin_action("finish-level")
    assert player.submit(token.action_token, points=3).points == 3


def test_errors_have_the_code_of_the_service(player: Client) -> None:
    with pytest.raises(ScoreboardError) as refused:
        player.perform_action("win-match")
    assert (refused.value.code, refused.value.status) == ("action-not-player-issuable", 403)
    assert refused.value.request_id
    with pytest.raises(ScoreboardError) as wrong:
        player.top("global", limit=1_000)
    assert wrong.value.code == "validation-failed"
    assert wrong.value.errors[0].path
    with pytest.raises(ScoreboardError) as missing:
        player.top("no-such-board")
    assert missing.value.code == "not-found"


def test_nobody_is_no_player(url: str) -> None:
    with Client(url) as nobody, pytest.raises(ScoreboardError) as error:
        nobody.perform_action("collect-coin")
    assert error.value.code == "unauthenticated"


def test_a_score_whose_response_is_lost_counts_once(proxy: FaultyProxy) -> None:
    with Client(proxy.url) as client:
        client.guest("Bo")
        proxy.faults["/v1/scores"] = ["lost"]
        receipt = client.perform_action("collect-coin")
        assert proxy.requests["/v1/scores"] == 2
        assert (receipt.replayed, receipt.points, receipt.action) == (True, 10, "collect-coin")
        assert client.session is not None
        assert receipt.user_id == client.session.user.id
        assert client.entry("global").score == 10


def test_a_score_waits_as_long_as_it_is_asked_to(proxy: FaultyProxy) -> None:
    with Client(proxy.url) as client:
        client.guest()
        proxy.faults["/v1/scores"] = ["busy"]
        begin = monotonic()
        assert not client.perform_action("collect-coin").replayed
        assert monotonic() - begin >= 1


def test_patience_ends_and_the_error_says_what_is_in_doubt(proxy: FaultyProxy) -> None:
    with Client(proxy.url, patience=0) as client:
        client.guest()
        proxy.faults["/v1/scores"] = ["lost", "", "busy"]
        with pytest.raises(ScoreboardError) as lost:
            client.perform_action("collect-coin")
        assert (lost.value.code, lost.value.in_doubt) == ("unreachable", True)
        assert lost.value.action_token is not None
        assert client.submit(lost.value.action_token).replayed
        with pytest.raises(ScoreboardError) as refused:
            client.perform_action("collect-coin")
        assert (refused.value.code, refused.value.in_doubt) == ("rate-limited", False)


def test_a_session_is_renewed_and_handed_to_its_keeper(url: str, player: Client) -> None:
    assert player.session is not None
    kept: list[Session] = []
    old = replace(player.session, access_token="no longer valid")
    with Client(url, session=old, on_session=kept.append) as client:
        assert client.perform_action("collect-coin").user_id == old.user.id
    assert len(kept) == 1
    assert kept[0].refresh_token != old.refresh_token


def test_a_guest_becomes_an_account_and_logs_in(url: str, player: Client) -> None:
    before = player.perform_action("collect-coin")
    username = before.user_id[-20:]
    assert player.upgrade(username, "correct horse battery").username == username
    with Client(url) as client:
        assert client.login(username, "correct horse battery").user.id == before.user_id
        with pytest.raises(ScoreboardError) as error:
            client.login(username, "wrong horse battery")
        assert error.value.code == "invalid-credentials"


def test_a_stream_shows_each_change_and_connects_again(proxy: FaultyProxy) -> None:
    with Client(proxy.url) as client:
        user_id = client.guest("Cy").user.id
        events = client.subscribe("global", limit=3, user_id=user_id)

        def until(score: int) -> None:
            for event in events:
                if isinstance(event, Standing) and (event.user_id, event.score) == (user_id, score):
                    return

        assert isinstance(next(events), Board)
        client.perform_action("collect-coin")
        until(10)
        proxy.break_streams()
        client.perform_action("collect-coin")
        until(20)
        assert proxy.requests["/v1/leaderboards/global/stream"] == 2


def test_a_stream_of_no_board_ends_with_the_reason(player: Client) -> None:
    with pytest.raises(ScoreboardError) as error:
        next(player.subscribe("no-such-board"))
    assert error.value.code == "not-found"
