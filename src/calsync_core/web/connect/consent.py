"""To a provider's consent page and back: state, PKCE and the browser's own cookie (RFC 9700, 2.1 and 4)."""

from __future__ import annotations

from collections.abc import Mapping

from calsync_core.errors import CalsyncError
from calsync_core.log import Logger
from calsync_core.models import Account
from calsync_core.protocols import AuthorizationRequest, same_state
from calsync_core.web.connect.accounts import settle
from calsync_core.web.connect.answers import Outcome, go
from calsync_core.web.connect.desk import Consenting, Desk, problem_in
from calsync_core.web.connect.pages import Problem
from calsync_core.web.connect.seals import Flow
from calsync_core.web.connect.words import permissions, problem_of

__all__ = ["begin", "finish"]

log = Logger("calsync_core.web")


def begin(desk: Desk, owner: str, name: str, found: Consenting, *, again: Account | None, write: bool) -> Outcome:
    """Send the person to the provider's consent page."""
    provider, client = found
    request = AuthorizationRequest(
        redirect_uri=desk.site.callback(name),
        scopes=provider.write_scopes if write else provider.read_scopes,
        state=desk.seals.state(owner, name),
        login_hint=None if again is None else again.email,
    )
    account = None if again is None else again.key
    try:
        begun = provider.begin_authorization(client, request, desk.engine.clock)
        kept = desk.seals.keep(Flow(owner, name, account, begun.record))
    except CalsyncError as error:
        log.warning("connection_failed", provider=name, kind=type(error).__name__)
        return desk.trouble(problem_in(error), provider=name, account=account)
    log.info("connection_begun", provider=name, account=account)
    return go(begun.url, kept)


def finish(desk: Desk, owner: str, name: str, answer: Mapping[str, str], cookies: Mapping[str, str]) -> Outcome:
    """They are back. Whatever comes of it, the browser forgets that it was begun.

    Not for an answer to something else: anybody can have the browser sent here, and an older tab may be late.
    """
    flow, found = desk.seals.kept(cookies, name), desk.consenting(name)
    if flow is None or found is None or not _belongs(desk, flow, owner, name, answer):
        ours = desk.seals.is_ours(answer.get("state", ""), owner, name)
        log.info("connection_refused", provider=name, reason="lost" if ours else "forged")
        return desk.trouble(Problem.STALE)
    forget = desk.seals.forget(name)
    provider, client = found
    refusal = provider.read_refusal(answer)
    if refusal is not None:
        log.info("connection_refused", provider=name, reason=refusal.value)
        return desk.trouble(problem_of(refusal), forget, provider=name, account=flow.account)
    try:
        grant = provider.finish_authorization(client, flow.record, answer, desk.engine.clock)
        missing = provider.missing_scopes(grant.scopes)
        if missing:
            log.info("connection_refused", provider=name, reason="scopes")
            lacks = permissions(missing)
            return desk.trouble(Problem.SCOPES, forget, provider=name, account=flow.account, missing=lacks)
        again = None if flow.account is None else desk.owned(owner, flow.account)
        account = settle(desk.engine, owner, name, grant, ends=desk.ends(), again=again)
    except CalsyncError as error:
        log.warning("connection_failed", provider=name, account=flow.account, kind=type(error).__name__)
        return desk.trouble(problem_in(error), forget, provider=name, account=flow.account)
    log.info("account_connected", provider=name, account=account.id)
    return go(desk.site.calendars(account.key), forget)


def _belongs(desk: Desk, flow: Flow, owner: str, name: str, answer: Mapping[str, str]) -> bool:
    """Whether the answer is to what this browser, this owner and this provider began."""
    mine = (flow.owner, flow.provider) == (owner, name) and same_state(flow.record, answer)
    return mine and desk.seals.is_ours(answer["state"], owner, name)
