from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from faulty_proxy import FaultyProxy

from scoreboard_client import AsyncClient, Board, Receipt, ScoreboardError, Standing, Submission


def test_scores_of_many_tasks_count_once_each(proxy: FaultyProxy) -> None:
    async def play() -> None:
        async with AsyncClient(proxy.url) as client:
            await client.guest("Gil")
            proxy.faults["/v1/scores"] = ["lost", "busy"]
            receipts = await asyncio.gather(*(client.perform_action("collect-coin") for _ in range(4)))
            assert len({receipt.event_id for receipt in receipts}) == 4
            assert [receipt.replayed for receipt in receipts].count(True) == 1
            assert (await client.entry("global")).score == 40
            assert (await client.around("global", radius=0)).items[0].score == 40

    asyncio.run(play())


def test_a_stream_connects_again(proxy: FaultyProxy) -> None:
    async def watch() -> None:
        async with AsyncClient(proxy.url) as client:
            user = (await client.guest("Hal")).user
            events = client.subscribe("global", user_id=user.id)
            assert isinstance(await events.__anext__(), Board)
            proxy.break_streams()
            await client.perform_action("collect-coin")
            async for event in events:
                if isinstance(event, Standing) and event.score == 10:
                    break
            assert proxy.requests["/v1/leaderboards/global/stream"] == 2

    asyncio.run(watch())


def test_a_game_server_scores_in_batches(url: str, account: tuple[str, str]) -> None:
    async def serve() -> None:
        async with AsyncClient(url, account=account) as server:
            user = await server.create_user("Ida", str(uuid4()))
            submission = Submission(user.id, "win-match", 250, str(uuid4()))
            for replayed in (False, True):
                (receipt,) = await server.submit_batch([submission])
                assert isinstance(receipt, Receipt)
                assert receipt.replayed is replayed
            with pytest.raises(ScoreboardError) as error:
                await server.perform_action("no-such-action", user_id=user.id)
            assert error.value.code == "not-found"

    asyncio.run(serve())
