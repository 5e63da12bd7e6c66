"""socket.io servers, each a process of its own with its sessions in memory.

server.py NAME... starts one for each name and prints `NAME PORT` lines. A NAME on standard input kills that one; it
is printed again when it is dead. They all end when standard input does.
"""

import os
import signal
import socket
import sys
import threading

import socketio
import uvicorn


def application(name: str):
    server = socketio.AsyncServer(async_mode="asgi")
    counts = {}

    @server.event
    async def connect(sid, environ):
        counts[sid] = 0

    @server.event
    async def disconnect(sid):
        del counts[sid]

    @server.event
    async def count(sid):
        """Counts the messages of a session. The number lives in this process alone."""
        counts[sid] += 1
        return {"pod": name, "count": counts[sid], "transport": server.transport(sid)}

    return socketio.ASGIApp(server)


def serve(name: str, listener: socket.socket, life: int) -> None:
    def end_with_parent() -> None:
        os.read(life, 1)
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    config = uvicorn.Config(application(name), log_level="error")
    uvicorn.Server(config).run(sockets=[listener])


def main() -> None:
    # Nothing is ever written to the pipe. The reading end detects the end of this process.
    life, held = os.pipe()
    processes = {}
    for name in sys.argv[1:]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        print(name, listener.getsockname()[1], flush=True)
        processes[name] = os.fork()
        if processes[name] == 0:
            os.close(held)
            serve(name, listener, life)
            os._exit(1)
        listener.close()
    for line in sys.stdin:
        name = line.strip()
        os.kill(processes[name], signal.SIGKILL)
        os.waitpid(processes[name], 0)
        print(name, flush=True)


main()
