"""A load client: some keep-alive connections, each sending its next request when the last was answered."""

import asyncio
import gc
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

STATUS = slice(9, 12)  # in "HTTP/1.1 201 Created"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"


@dataclass
class Sample:
    """What one run of a load measured."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refused: list[bytes] = field(default_factory=list)  # the first answers that were not 2xx

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if not 200 <= status < 300)

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], sample: Sample, until: float) -> None:
        self.requests, self.sample, self.until = requests, sample, until
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.expected = 0  # length of the answer, once its head is there
        self.asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        request = next(self.requests, None) if time.perf_counter() < self.until else None
        self.asked = request is not None
        if request is None:
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.expected:
            head = self.buffer.find(HEAD_END)
            if head < 0:
                return
            length = LENGTH.search(self.buffer, 0, head)
            self.expected = head + len(HEAD_END) + (int(length[1]) if length else 0)
        if len(self.buffer) >= self.expected:
            self.note()
            self.buffer, self.expected = b"", 0
            self.send()

    def note(self) -> None:
        self.sample.latencies.append(time.perf_counter() - self.sent)
        status = int(self.buffer[STATUS])
        self.sample.statuses[status] += 1
        if not 200 <= status < 300 and len(self.sample.refused) < 3:
            self.sample.refused.append(self.buffer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.asked:
            self.sample.statuses[0] += 1  # cut off before the answer
            self.sample.latencies.append(time.perf_counter() - self.sent)
        self.done.set_result(None)


async def _run(port: int, requests: Iterator[bytes], connections: int, seconds: float) -> Sample:
    sample = Sample()
    loop = asyncio.get_running_loop()
    begin = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: _Connection(requests, sample, begin + seconds), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in opened))
    sample.seconds = time.perf_counter() - begin
    return sample


def run(port: int, requests: Iterator[bytes], *, connections: int = 16, seconds: float) -> Sample:
    """Send requests until the time is over or there are none left; every sent one is waited for."""
    gc.collect()
    gc.disable()
    try:
        return asyncio.run(_run(port, requests, connections, seconds))
    finally:
        gc.enable()


def post(path: str, body: bytes = b"{}", **headers: str) -> bytes:
    """The bytes of one POST; headers are named with underscores."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
