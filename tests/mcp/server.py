"""Model Context Protocol servers over streamable HTTP, each a process of its own with its sessions in memory.

server.py NAME... starts one for each name and prints `NAME PORT` lines. They end when standard input does.
"""

import os
import socket
import sys
import threading
import weakref

import uvicorn
from mcp.server.fastmcp import Context, FastMCP


def application(name: str):
    server = FastMCP(name, log_level="CRITICAL")
    counts = weakref.WeakKeyDictionary()

    @server.tool()
    def count(ctx: Context) -> dict[str, str | int]:
        """Counts the calls of a session. The number lives in this process alone."""
        counts[ctx.session] = counts.get(ctx.session, 0) + 1
        return {"pod": name, "count": counts[ctx.session]}

    @server.tool()
    async def announce(text: str, ctx: Context) -> None:
        """Says it on the session's event stream, not in the answer to this call."""
        await ctx.session.send_log_message(level="info", data=text)

    return server.streamable_http_app()


def serve(name: str, listener: socket.socket) -> None:
    def end_with_input() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=end_with_input, daemon=True).start()
    config = uvicorn.Config(application(name), log_level="warning", ws="none")
    uvicorn.Server(config).run(sockets=[listener])


def main() -> None:
    for name in sys.argv[1:]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        print(name, listener.getsockname()[1], flush=True)
        if os.fork() == 0:
            serve(name, listener)
            os._exit(1)
        listener.close()
    os.wait()


main()
