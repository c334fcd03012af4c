"""Input and output of both clients."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Coroutine
from concurrent.futures import Future
from typing import Any, Optional, TypeVar, Union

import httpx

from ._calls import Answer, Body, Request, Response
from ._models import LiveEvent
from ._stream import TIMEOUT, Stream, target

Result = TypeVar("Result")


class Http:
    """Requests, none of which takes more than `timeout` seconds, however its response trickles in."""

    def __init__(self, base_url: str, timeout: float, transport: Optional[httpx.AsyncBaseTransport] = None) -> None:
        self._timeout = timeout
        self._client = httpx.AsyncClient(base_url=base_url, timeout=timeout, transport=transport)

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, step: Request) -> Answer:
        request = self._client.build_request(
            step.method, step.path, params=step.params, json=step.json, headers=step.headers
        )
        try:
            return await asyncio.wait_for(self._exchange(request), self._timeout)
        except asyncio.TimeoutError:
            return httpx.ReadTimeout("The response takes too long.")
        except httpx.RequestError as error:
            return error

    async def _exchange(self, request: httpx.Request) -> Response:
        response = await self._client.send(request, stream=True)
        try:
            return await self._read(response)
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response) -> Response:
        body = Body()
        async for part in response.aiter_bytes():
            body.add(part)
        return body.of(response)

    async def subscribe(
        self, board: str, limit: int, user_id: Optional[str]
    ) -> AsyncGenerator[LiveEvent, None]:
        path, params = target(board, limit, user_id)
        stream = Stream()
        while True:
            answer: Union[Response, httpx.RequestError, None] = None
            response: Optional[httpx.Response] = None
            try:
                request = self._client.build_request("GET", path, params=params, timeout=TIMEOUT)
                response = await asyncio.wait_for(self._client.send(request, stream=True), self._timeout)
                if not response.is_success:
                    answer = await asyncio.wait_for(self._read(response), self._timeout)
                else:
                    async for text in response.aiter_text():
                        for event in stream.feed(text):
                            yield event
            except asyncio.TimeoutError:
                answer = httpx.ReadTimeout("The response takes too long.")
            except httpx.RequestError as error:
                answer = error
            finally:
                if response is not None:
                    await response.aclose()
            await asyncio.sleep(stream.pause(answer))


class LoopThread:
    """An event loop in a thread of its own, for callers that block. It starts with the first call.

    Only so can a blocking call be given up at any moment: a socket's own timeout begins anew with each byte.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._process = 0
        self._is_closed = False

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        future = self.begin(work)
        try:
            return future.result()
        finally:
            # An interrupted caller does not wait for it any more.
            future.cancel()

    def begin(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Does not wait for it."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._running())
        except RuntimeError:
            work.close()
            raise

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Ends the thread after this."""
        if self._is_closed:
            last.close()
            return
        self.run(last)
        loop = self._running()
        self._is_closed = True
        _stop(loop)

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_closed:
                raise RuntimeError("The client is closed.")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._process = os.getpid()
                threading.Thread(target=_serve, args=[self._loop], name="scoreboard-client", daemon=True).start()
                # Of a client that nobody has closed.
                weakref.finalize(self, _stop, self._loop)
            if self._process != os.getpid():
                raise RuntimeError("A client works in one process: make one after the fork.")
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
