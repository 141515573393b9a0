"""The examples do what they say."""

from __future__ import annotations

import json
import smtplib
import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from examples.mail_notices import MailNotifier
from examples.webhook_notices import WebhookNotifier, chat_line

from calsync_core.models import Notice, NoticeKind
from scripted_server import Reply, Request, scripted
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


def test_a_notice_whose_answer_was_lost_is_posted_again_under_the_same_key() -> None:
    kept: dict[str, dict[str, object]] = {}

    def receive(request: Request) -> Reply:
        first = request.headers["idempotency-key"] not in kept
        kept.setdefault(request.headers["idempotency-key"], json.loads(request.body))
        return Reply(503 if first else 204)

    with scripted(receive) as server:
        world = World(("work", "home"))
        world.engine._context.notifier = WebhookNotifier(f"{server.root}/calsync")
        world.memory.set_password("ana-work", "another")
        world.engine.sync_calendars_needing_polling()
        waited = world.engine.vitals().notices
        assert waited
        for _ in range(2 * waited):
            world.clock.advance(timedelta(minutes=5))
            world.engine.deliver_notices()
    assert world.engine.vitals().notices == 0
    assert len(kept) == waited < len(server.requests)
    assert str(NoticeKind.REAUTHORIZATION_NEEDED) in {notice["kind"] for notice in kept.values()}
    assert {f"calsync-{notice['id']}" for notice in kept.values()} == set(kept)


def test_a_chat_hears_ids_and_no_titles() -> None:
    at = World(()).clock.now()
    assert chat_line(Notice(NoticeKind.TARGET_READ_ONLY, "ana", at, calendar=3))["text"].endswith("(ana, calendar 3)")
    assert chat_line(Notice(NoticeKind.AUDIT_FAILED, "ana", at)) == {"text": "calsync: audit_failed (ana)"}
