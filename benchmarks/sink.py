"""A gateway that takes everything at once: ``python -m benchmarks.sink`` prints its port, and counts what came.

It speaks as much HTTP as a measurement needs: one answer for each request, over kept connections.
"""

import asyncio
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

TAKEN = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class Taking(asyncio.Protocol):
    """One connection. A POST is counted; a GET is told how many there were."""

    count = 0

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head = data[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(data) < end + 4 + length:
                break
            data = data[end + 4 + length :]
            self._answer(head)
        self._rest = data

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"get"):
            body = str(Taking.count).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return
        Taking.count += 1
        self._transport.write(TAKEN)


class Sink:
    """Where it listens, and how much it took."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/messages"

    def count(self) -> int:
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return int(answer.read())


@contextmanager
def sink() -> Iterator[Sink]:
    """In a process of its own, as gateways are."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.sink"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Sink(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Taking, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
