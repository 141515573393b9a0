"""The examples do what they say."""

from __future__ import annotations

import smtplib
import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from examples.mail_notices import MailNotifier

from calsync_core.models import NoticeKind
from world import World


class _Session(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs to hand over a mail."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, MailServer)
        self._say("220 ready")
        while line := self.rfile.readline().decode().strip():
            verb = line.upper().split(":")[0].split(" ")[0]
            if verb == "DATA":
                self._say("354 go on")
                server.mails.append("".join(iter(lambda: self.rfile.readline().decode(), ".\r\n")))
            if verb == "MAIL" and server.full:
                self._say("452 no space")
                continue
            self._say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mails, unless it is full."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[str] = []
        self.full = False

    def connect(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.server_address[1], timeout=10)


@pytest.fixture
def post() -> Iterator[MailServer]:
    server = MailServer()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_needs_a_person_is_mailed_even_if_the_mail_server_was_full(post: MailServer) -> None:
    world = World(("work", "home"))
    world.engine._context.notifier = MailNotifier("calsync@example.com", "ops@example.com", post.connect)
    post.full = True
    world.memory.set_password("ana-work", "another")
    world.engine.sync_calendars_needing_polling()
    assert post.mails == []
    post.full = False
    world.clock.advance(timedelta(minutes=2))
    world.engine.deliver_notices()
    (mail,) = post.mails
    assert "Subject: calsync: an account must be connected again (ana)" in mail
    assert str(NoticeKind.REAUTHORIZATION_NEEDED) in mail
    assert world.engine.vitals().notices == 0
