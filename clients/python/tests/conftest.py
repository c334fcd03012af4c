"""The tests run against a real service, which the environment names."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from faulty_proxy import FaultyProxy

from scoreboard_client import Client


@pytest.fixture
def url() -> str:
    return os.environ["SCOREBOARD_URL"]


@pytest.fixture
def account() -> tuple[str, str]:
    return os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]


@pytest.fixture
def proxy(url: str) -> Iterator[FaultyProxy]:
    with FaultyProxy(url) as proxy:
        yield proxy


@pytest.fixture
def player(url: str) -> Iterator[Client]:
    with Client(url) as client:
        client.guest("Ada")
        yield client


@pytest.fixture
def server(proxy: FaultyProxy, account: tuple[str, str]) -> Iterator[Client]:
    with Client(proxy.url, account=account) as client:
        yield client
