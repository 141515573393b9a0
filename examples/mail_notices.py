"""A notifier that mails: whoever runs the installation hears of what needs a person, and of nothing else.

A notice is delivered at least once, and what a notifier raises has it delivered again later: so this one just lets the
mail server's errors through. The message says which owner, account and calendar by id; there are no titles in notices.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from email.message import EmailMessage

from attrs import frozen

from calsync_core import Notice, NoticeKind

WORTH_A_MAIL = {
    NoticeKind.REAUTHORIZATION_NEEDED: "an account must be connected again",
    NoticeKind.IDENTITY_CHANGED: "a login turned out to be somebody else's",
    NoticeKind.DELETIONS_HELD: "deletions wait for a decision",
    NoticeKind.TARGET_READ_ONLY: "a calendar can no longer be written to",
    NoticeKind.CALENDAR_VANISHED: "a calendar is gone",
    NoticeKind.PUSH_DEGRADED: "push fails; polling has taken over",
    NoticeKind.PUSH_SUSPENDED: "push is given up but for a slow probe",
    NoticeKind.PUSH_RECOVERED: "push works again",
    NoticeKind.NOTIFICATIONS_FAILED: "what a push announced could not be read",
    NoticeKind.AUDIT_FAILED: "an audit found something wrong and repaired it",
}


@frozen
class MailNotifier:
    """Sends one mail for each notice that is worth one.

    Attributes:
        sender: Address of the installation.
        recipient: Address of whoever looks after it.
        connect: Opens a connection to the mail server.
    """

    sender: str
    recipient: str
    connect: Callable[[], smtplib.SMTP] = lambda: smtplib.SMTP("localhost")

    def notify(self, notice: Notice) -> None:
        """See ``Notifier``. Raises smtplib.SMTPException or OSError: the notice comes again later."""
        what = WORTH_A_MAIL.get(notice.kind)
        if what is None:
            return
        mail = EmailMessage()
        mail["From"], mail["To"] = self.sender, self.recipient
        mail["Subject"] = f"calsync: {what} ({notice.owner})"
        told = {"account": notice.account, "calendar": notice.calendar, **notice.detail}
        lines = [f"{name}: {value}" for name, value in told.items() if value is not None]
        mail.set_content("\n".join([f"{notice.at:%Y-%m-%d %H:%M} UTC  {notice.kind}", *lines]))
        with self.connect() as server:
            server.send_message(mail)
