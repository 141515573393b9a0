"""The comparison with vdirsyncer still compares. Its environment is made by ``nox -s bench`` only: here is our side."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
from attrs import evolve
from benchmarks.counting_proxy import CountingProxy
from benchmarks.versus_vdirsyncer import Calsync, Line, table

from benchmarks import versus_vdirsyncer as versus
from calsync_core.testing.servers import RadicaleServer


def test_the_proxy_counts_a_request_however_it_is_cut_and_passes_it_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with CountingProxy(url) as proxy:
            client = socket.create_connection(("127.0.0.1", int(proxy.base_url.rstrip("/").rpartition(":")[2])))
            there, _ = server.accept()
            with client, there:
                sent = (b"PROPFI", b"ND / HTTP/1.1\r\nHost: a\r\n\r\nPUT it back\r\nPUT /b HTTP/1.1\r", b"\n\r\n")
                received = b""
                for part in sent:
                    client.sendall(part)
                    while not received.endswith(part):
                        received += there.recv(1000)
                assert received == b"".join(sent)
                there.sendall(b"HTTP/1.1 207 Fine\r\n\r\n")
                assert client.recv(1000) == b"HTTP/1.1 207 Fine\r\n\r\n"
                assert proxy.take() == {"PROPFIND": 1, "PUT": 1}
                assert proxy.take() == {}


@pytest.mark.server
def test_our_side_is_measured_as_a_command_and_warm(tmp_path: Path) -> None:
    pytest.importorskip("radicale", reason="the servers that are measured are Radicales")
    side = Calsync(str(Path(sys.executable).with_name("calsync")), tmp_path, RadicaleServer(), RadicaleServer())
    try:
        side.start(2)
        seconds, cpu, requests = side.command(*side.beginnings)
        assert side.copied() == requests["PUT"] == 2
        assert seconds > 0
        assert cpu > 0
        # Each calendar is asked once.
        assert side.warm(side.sync)[2] == {"REPORT": 2}
    finally:
        side.close()


def test_medians_and_ratios_stand_beside_each_other() -> None:
    line = Line("radicale", 5, "calsync", "command", "no change", 0, seconds=1.0, cpu=0.5, requests={"REPORT": 2})
    theirs = evolve(line, tool="vdirsyncer", seconds=3.0, cpu=1.0, requests={"PROPFIND": 2, "REPORT": 1})
    assert "| radicale | no change | command | 2 / 3 | 1.00 / 3.00 | 0.50 / 1.00 | 3.0 × |" in table([line, theirs])


def test_the_kept_results_can_be_read() -> None:
    lines = [Line(**json.loads(line)) for line in versus.RESULTS.read_text(encoding="utf-8").splitlines()]
    assert {(line.tool, line.step) for line in lines} == {
        (tool, step) for tool in ("calsync", "vdirsyncer") for step in versus.STEPS
    }
