"""Model Context Protocol clients, as the SDK makes them: client.py URL CLIENTS CALLS.

Each client initialises, lists the tools, calls one CALLS times, hears from the server on its event stream, and
closes its session. All run at the same time. Prints one line for each: the pod it was on and its session id.
Ends with 1, and says why, if anything does not go as it should.
"""

import logging
import sys
import traceback

import anyio
import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

# Fifty clients with fifty calls each take 20 seconds on two processors. Other tests may need these processors, too.
PATIENCE_SEC = 400


async def one_client(url: str, calls: int) -> None:
    heard = anyio.Event()

    async def on_log(message) -> None:
        assert message.data == "hello", message
        heard.set()

    async with streamable_http_client(url) as (read, write, session_id):
        async with ClientSession(read, write, logging_callback=on_log) as session:
            await session.initialize()
            tools = await session.list_tools()
            assert [tool.name for tool in tools.tools] == ["count", "announce"], tools
            pods = set()
            for expected in range(1, calls + 1):
                result = (await session.call_tool("count")).structuredContent
                assert result["count"] == expected, f"call {expected} was answered as {result}"
                pods.add(result["pod"])
            (pod,) = pods
            # Messages before the event stream is open are lost.
            while not heard.is_set():
                await session.call_tool("announce", {"text": "hello"})
                with anyio.move_on_after(0.1):
                    await heard.wait()
            own_id = session_id()
    # The session is closed. Only its own pod can close it.
    headers = {"mcp-session-id": own_id, "accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient() as http:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        answer = await http.post(url, headers=headers, json=ping)
    assert answer.status_code == 404, answer
    print(pod, own_id, flush=True)


async def main(url: str, clients: int, calls: int) -> None:
    with anyio.fail_after(PATIENCE_SEC):
        async with anyio.create_task_group() as group:
            for _ in range(clients):
                group.start_soon(one_client, url, calls)


logging.basicConfig(level=logging.WARNING)
try:
    anyio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
except BaseException:
    traceback.print_exc()
    sys.exit(1)
