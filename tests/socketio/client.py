"""socket.io clients: client.py URL CLIENTS MESSAGES TRANSPORTS.

All run at the same time. Each connects with TRANSPORTS (`polling,websocket`: long polling first, then the upgrade) and
exchanges MESSAGES, each with its answer. When all have exchanged half of them, `halfway` is printed. The clients go on
while the name of a pod that has died is awaited on standard input, an empty line if none has. Then each exchanges the
other half; a client of the dead pod when it is on another, in a new session of the server's.

Prints what each client came to as a line of JSON. Who meets an error, of HTTP or of socket.io, goes no further.
"""

import asyncio
import json
import logging
import os
import sys
import traceback

import aiohttp
import socketio
from socketio.exceptions import BadNamespaceError

PATIENCE_SEC = 300


class PatientClient(socketio.AsyncClient):
    """Waits longer than the library's second on a busy machine, on reconnecting too."""

    async def connect(self, *arguments, **options) -> None:
        await super().connect(*arguments, **{"wait_timeout": PATIENCE_SEC} | options)


class Lost(Exception):
    """The connection was lost before the answer came."""


class User:
    """A client, and what it has seen."""

    def __init__(self) -> None:
        self.pods = []
        self.messages = 0
        self.connects = 0
        self.disconnects = 0
        self.errors = []
        self.transport = None
        self.online = asyncio.Event()
        self.answer = asyncio.get_running_loop().create_future()
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self.on_response)
        # By default the jar accepts no cookies from a host without a name.
        jar = aiohttp.CookieJar(unsafe=True)
        self.http = aiohttp.ClientSession(cookie_jar=jar, trace_configs=[trace])
        self.client = PatientClient(http_session=self.http, request_timeout=PATIENCE_SEC, handle_sigint=False)
        self.client.on("connect", self.on_connect)
        self.client.on("connect_error", lambda data: self.fail(f"connect_error: {data}"))
        self.client.on("disconnect", self.on_disconnect)

    async def on_response(self, _session, _context, end: aiohttp.TraceRequestEndParams) -> None:
        if end.response.status >= 400:
            self.fail(f"{end.response.status} for {end.method} transport={end.url.query['transport']}")

    def on_connect(self) -> None:
        self.connects += 1
        self.count = 0
        self.online.set()

    def on_disconnect(self, _reason) -> None:
        self.disconnects += 1
        self.online.clear()
        self.give_up_waiting()

    def fail(self, error: str) -> None:
        self.errors.append(error)
        self.online.set()
        self.give_up_waiting()

    def give_up_waiting(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(Lost())

    def on_answer(self, said: dict) -> None:
        if not self.answer.done():
            self.answer.set_result(said)

    async def message(self) -> None:
        """A message and its answer; if the connection is lost in between, again when it is back."""
        while True:
            await self.online.wait()
            if self.errors:
                raise Lost
            self.answer = asyncio.get_running_loop().create_future()
            try:
                await self.client.emit("count", callback=self.on_answer)
                said = await self.answer
            except (Lost, BadNamespaceError):
                await asyncio.sleep(0)
                continue
            break
        self.count += 1
        assert said["count"] == self.count, f"message {self.count} of a session was answered as {said}"
        self.messages += 1
        self.transport = said["transport"]
        if self.pods[-1:] != [said["pod"]]:
            self.pods.append(said["pod"])

    async def attempt(self, work, *arguments) -> None:
        try:
            if not self.errors:
                await work(self, *arguments)
        except Exception as error:
            if not self.errors:
                self.errors.append(f"{type(error).__name__}: {error}")

    def report(self) -> str:
        names = ("pods", "messages", "connects", "disconnects", "errors", "transport")
        return json.dumps({name: getattr(self, name) for name in names})


async def first_half(user: User, url: str, transports: list[str], messages: int) -> None:
    await user.client.connect(url, transports=transports, wait=False)
    for _ in range(messages):
        await user.message()


async def second_half(user: User, dead: asyncio.Future, messages: int) -> None:
    while not dead.done() or user.pods[-1] == dead.result():
        await user.message()
    for _ in range(messages):
        await user.message()


async def main(url: str, clients: str, messages: str, transports: str) -> None:
    half = int(messages) // 2
    users = [User() for _ in range(int(clients))]
    await asyncio.gather(*(user.attempt(first_half, url, transports.split(","), half) for user in users))
    dead = asyncio.get_running_loop().create_future()
    rest = asyncio.gather(*(user.attempt(second_half, dead, int(messages) - half) for user in users))
    print("halfway", flush=True)
    dead.set_result((await asyncio.to_thread(sys.stdin.readline)).strip())
    await rest
    for user in users:
        print(user.report())
    sys.stdout.flush()
    # No disconnect messages: the process would wait for open polls.
    os._exit(0)


async def in_time() -> None:
    async with asyncio.timeout(PATIENCE_SEC):
        await main(*sys.argv[1:])


# The line of a client contains its result.
logging.basicConfig(level=logging.CRITICAL)
try:
    asyncio.run(in_time())
except BaseException:
    traceback.print_exc()
    sys.exit(1)
