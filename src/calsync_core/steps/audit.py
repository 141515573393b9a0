"""Audit: list every calendar afresh, compare with what should be, and repair if asked to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from calsync_core.core.auditing import EXCEPTIONS, compare
from calsync_core.models import AuditFinding, AuditReport, Calendar, Mode, NoticeKind, SyncType
from calsync_core.steps.context import Context
from calsync_core.steps.gather import gather_all
from calsync_core.steps.run import Run
from calsync_core.steps.sync import converge, read_all

__all__ = ["audit"]


def audit(context: Context, owners: Collection[str], calendars: Collection[Calendar], *, repair: bool) -> AuditReport:
    """Compare each owner's calendars, as a fresh listing shows them, with what the rules want.

    A listing here fetches every event again, whatever its etag says. A calendar that can't be listed makes the audit
    fail. With ``repair`` everything is planned again and written, and compared once more.
    """
    run = Run(SyncType.FULL)
    read_all(context, run, calendars, full=True, afresh=True)
    findings, checked = _findings(context, owners)
    _tell(context, calendars, findings)
    repaired = 0
    if repair and any(finding.kind not in EXCEPTIONS for finding in findings):
        for owner in owners:
            context.store.reset_plan(owner)
        converge(context, run, owners)
        read_all(context, run, calendars, full=True, afresh=True)
        broken = sum(finding.kind not in EXCEPTIONS for finding in findings)
        findings, checked = _findings(context, owners)
        repaired = broken - sum(finding.kind not in EXCEPTIONS for finding in findings)
    kinds = Counter(finding.kind for finding in findings)
    return AuditReport(
        missing=kinds["missing"],
        extra=kinds["extra"],
        wrong=kinds["wrong"],
        excepted=sum(kinds[kind] for kind in EXCEPTIONS),
        checked=checked,
        repaired=repaired,
        stopped=run.stopped,
        findings=tuple(findings),
        errors=tuple(run.failures),
        api_calls=run.meter.sent,
    )


def _tell(context: Context, calendars: Collection[Calendar], findings: Sequence[AuditFinding]) -> None:
    """A notice for each owner of whose calendars one is not as it should be, though they are written for."""
    owners = {calendar.key: calendar.owner for calendar in calendars}
    for owner in sorted(set(owners.values())):
        if context.store.load_mode(owner) is Mode.OBSERVE:
            continue
        kinds = Counter(one.kind for one in findings if owners.get(one.calendar) == owner)
        broken = {kind: kinds[kind] for kind in ("missing", "extra", "wrong") if kinds[kind]}
        if broken:
            context.tell(NoticeKind.AUDIT_FAILED, owner, **broken)


def _findings(context: Context, owners: Collection[str]) -> tuple[list[AuditFinding], int]:
    findings: list[AuditFinding] = []
    checked = 0
    for owner in sorted(owners):
        for situation in gather_all(context, owner):
            findings += compare(situation)
            checked += len(situation.wanted)
    return findings, checked
