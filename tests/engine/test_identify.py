"""Whose a login is can be asked before anything is connected."""

from __future__ import annotations

import pytest

from calsync_core import Account, AuthExpired, BearerToken, SyncEngine
from calsync_core.credentials import new_key
from calsync_core.errors import ConfigurationError
from calsync_core.models import AccountStatus, Notice
from calsync_core.notifiers import CallbackNotifier
from calsync_core.providers.google import GoogleProvider
from calsync_core.stores import MemoryStore
from calsync_core.testing import GoogleSimulator, VirtualClock
from planted import secret

ANA, BO = "ana@example.com", "bo@example.com"


def test_asking_whose_a_login_is_changes_nothing() -> None:  # I-46
    google, told = GoogleSimulator(VirtualClock()), list[Notice]()
    for address in (ANA, BO):
        google.add_user(address)
    engine = SyncEngine(
        store=MemoryStore(),
        providers={"google": GoogleProvider(transport=google.transport())},
        secret="a secret for tests only",
        clock=google.clock,
        encryption_key=new_key(),
        notifier=CallbackNotifier(told.append),
    )
    new = Account(owner="ana", provider="google", name="anything")
    assert engine.identify(new, BearerToken(google.issue_token(ANA))).email == ANA
    assert engine.accounts() == []
    connected = engine.connect(new, BearerToken(google.issue_token(ANA)))
    assert engine.identify(connected, BearerToken(google.issue_token(BO))).subject == BO
    [kept] = engine.accounts("ana")
    assert (kept.status, kept.subject, told) == (AccountStatus.ACTIVE, ANA, [])
    assert [calendar.remote_id for calendar in engine.discover(kept.key)] == [ANA]
    assert engine.calendars(account_id=kept.key) == engine.calendars("ana") == engine.calendars()
    assert engine.accounts("bo") == []
    assert engine.calendars("bo") == []
    with pytest.raises(AuthExpired):
        engine.identify(connected, BearerToken(secret("made up")))
    with pytest.raises(ConfigurationError):
        engine.identify(Account(owner="ana", provider="gogle", name="x"), BearerToken(secret("made up")))


def test_the_engine_s_providers_are_its_own() -> None:
    provider = GoogleProvider()
    engine = SyncEngine(store=MemoryStore(), providers={"google": provider}, secret="a secret for tests only")
    assert engine.providers == {"google": provider}
    with pytest.raises(TypeError):
        engine.providers["other"] = provider  # type: ignore[index]  # it is what is tested
