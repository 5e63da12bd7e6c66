"""Uses the application with gradio_client: client.py URL COUNT SECONDS.

COUNT clients run at the same time. Each sends two files, and waits up to SECONDS for each answer. A client that gets no
second answer begins again. The parent of this program is the module `clients`, which says what is printed.
"""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from gradio_client import Client, handle_file

url, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
file = tempfile.NamedTemporaryFile(mode="w", suffix=".txt")
file.write("one\ntwo\nthree\n")
file.flush()


def begin():
    client = Client(url, verbose=False)
    ask(client, 1)
    return client


def ask(client, number):
    job = client.submit(handle_file(file.name), api_name="/answer")
    job.result(timeout=seconds)
    expected = [f"file {number} has {lines} lines" for lines in (1, 2, 3)]
    if job.outputs() != expected:
        raise ValueError(f"the answers are {job.outputs()}")


def first_half(_):
    try:
        return begin()
    except Exception as error:
        print("failed", repr(error), flush=True)


def second_half(client):
    try:
        ask(client, 2)
        print("done", flush=True)
    except Exception as error:
        try:
            ask(begin(), 2)
            print("again", repr(error), flush=True)
        except Exception as error:
            print("failed", repr(error), flush=True)


threads = ThreadPoolExecutor(count)
clients = [client for client in threads.map(first_half, range(count)) if client]
print("halfway", flush=True)
sys.stdin.readline()
list(threads.map(second_half, clients))
# gradio_client waits for lost answers in threads that do not end.
os._exit(0)
