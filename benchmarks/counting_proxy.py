"""A proxy that counts the requests of whoever speaks to a server through it, the same way for everybody.

It passes bytes on as they are and looks for request lines among those from the client, so connections stay as long,
headers as they are, and answers as large as without it. It is a process of its own: its work is nobody's.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

__all__ = ["CountingProxy"]

_REQUEST = re.compile(rb"([A-Z]{3,12}) \S+ HTTP/1\.[01]\r\n")
_LONGEST_LINE = 4_096


class CountingProxy:
    """Stands before one server; use it as a context manager.

    Args:
        base_url: The server's; without TLS.
    """

    def __init__(self, base_url: str) -> None:
        self._port = urlsplit(base_url).port or 80
        self._process: subprocess.Popen[str] | None = None
        self._stack = ExitStack()
        self.base_url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, str(self._port)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process = self._stack.enter_context(process)
        self._stack.callback(process.kill)
        self.base_url = f"http://127.0.0.1:{int(self._told())}/"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def take(self) -> Counter[str]:
        """The requests since this was asked last, by method."""
        _of(self._process, "stdin").write("\n")
        _of(self._process, "stdin").flush()
        return Counter(json.loads(self._told()))

    def _told(self) -> str:
        line = _of(self._process, "stdout").readline()
        if not line:
            raise RuntimeError("the proxy has ended")
        return line


def _of(process: subprocess.Popen[str] | None, name: str) -> IO[str]:
    if process is None:
        raise RuntimeError("the proxy was not started")
    pipe: IO[str] = getattr(process, name)
    return pipe


class _Count:
    """Requests among the bytes of all connections."""

    def __init__(self) -> None:
        self.methods: Counter[str] = Counter()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool) -> None:
        rest = b""
        try:
            while data := await reader.read(256 * 1024):
                writer.write(data)
                await writer.drain()
                if count:
                    rest += data
                    end = 0
                    for found in _REQUEST.finditer(rest):
                        self.methods[found[1].decode()] += 1
                        end = found.end()
                    # A line may come in two pieces; one that was counted must not be looked at again.
                    rest = rest[max(end, len(rest) - _LONGEST_LINE) :]
        except ConnectionError:
            pass
        finally:
            writer.close()

    def take(self) -> Counter[str]:
        taken, self.methods = self.methods, Counter()
        return taken


async def _serve(port: int) -> None:
    counted = _Count()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(counted.pass_on(reader, back, count=True), counted.pass_on(there, writer, count=False))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(counted.take()), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
