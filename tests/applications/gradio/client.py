"""Uses the application with gradio_client: client.py URL COUNT FILES SECONDS.

COUNT clients run at the same time. Each sends one or two FILES, and waits up to SECONDS for each answer. A client that gets
no second answer begins again. The parent of this program is the module `clients`, which says what is printed.
"""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from gradio_client import Client, handle_file

url, count, files, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
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
        return begin(), None
    except Exception as error:
        return None, f"failed {error!r}"


def second_half(client):
    try:
        if files == 2:
            ask(client, 2)
        return "done"
    except Exception as error:
        seen = repr(error)
    try:
        begin()
        return f"again {seen}"
    except Exception as error:
        return f"failed {error!r}"


threads = ThreadPoolExecutor(count)
halves = list(threads.map(first_half, range(count)))
print("halfway", flush=True)
sys.stdin.readline()
for client, failed in halves:
    if failed:
        print(failed, flush=True)
for outcome in threads.map(second_half, [client for client, _ in halves if client]):
    print(outcome, flush=True)
# gradio_client waits for lost answers in threads that do not end.
os._exit(0)
