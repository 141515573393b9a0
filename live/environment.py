"""Accounts to run with, from the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import field, frozen

from calsync_core.models import BearerToken, Login, OAuthGrant, Password

__all__ = ["Missing", "Setup", "read_setup"]

_PREFIX = "CALSYNC_LIVE_"
_GRANTED = frozenset({"google", "microsoft"})
_NEEDED = {
    "google": "CALSYNC_LIVE_GOOGLE_TOKEN, or …_CLIENT_ID, …_CLIENT_SECRET and …_REFRESH_TOKEN",
    "microsoft": "CALSYNC_LIVE_MICROSOFT_TOKEN, or …_CLIENT_ID and …_REFRESH_TOKEN",
    "icloud": "CALSYNC_LIVE_ICLOUD_USERNAME and …_PASSWORD",
    "caldav": "CALSYNC_LIVE_CALDAV_URL, …_USERNAME and …_PASSWORD",
}


@frozen
class Missing:
    """Why a service is skipped."""

    reason: str


@frozen
class Setup:
    """One service's account, and what else the environment says about it.

    Attributes:
        base_url: None: the service's own.
        webhook: An HTTPS address that answers the service's handshake; without it nothing is subscribed to.
        read_only: Id of a calendar that the account may read only; one test tries, in vain, to write to it.
        secrets: What must not be printed, whatever happens.
    """

    service: str
    login: Login = field(repr=False)
    base_url: str | None
    webhook: str | None
    read_only: str | None
    secrets: tuple[str, ...] = field(repr=False)


def read_setup(service: str, environ: Mapping[str, str]) -> Setup | Missing:
    """What the environment has for ``google``, ``microsoft``, ``icloud`` or ``caldav``."""
    prefix = f"{_PREFIX}{service.upper()}_"
    own = {name.removeprefix(prefix): value for name, value in environ.items() if name.startswith(prefix) and value}
    login = _granted(own) if service in _GRANTED else _with_password(service, own)
    if login is None:
        return Missing(f"{service}: no credentials: set {_NEEDED[service]}")
    base_url = own.get("BASE_URL", own.get("URL"))
    return Setup(service, login, base_url, own.get("WEBHOOK"), own.get("READ_ONLY"), tuple(_secrets(own)))


def _granted(own: Mapping[str, str]) -> Login | None:
    if "TOKEN" in own:
        return BearerToken(own["TOKEN"])
    if not {"CLIENT_ID", "REFRESH_TOKEN"} <= own.keys():
        return None
    return OAuthGrant(
        client_id=own["CLIENT_ID"],
        client_secret=own.get("CLIENT_SECRET"),
        refresh_token=own["REFRESH_TOKEN"],
        token_url=own.get("TOKEN_URL"),
    )


def _with_password(service: str, own: Mapping[str, str]) -> Login | None:
    wanted = {"USERNAME", "PASSWORD"} if service == "icloud" else {"URL", "USERNAME", "PASSWORD"}
    return Password(own["USERNAME"], own["PASSWORD"]) if wanted <= own.keys() else None


def _secrets(own: Mapping[str, str]) -> Iterator[str]:
    """Everything but the public addresses; too short ones would be found in every line."""
    return (value for name, value in own.items() if name not in {"URL", "BASE_URL", "TOKEN_URL"} and len(value) > 3)
