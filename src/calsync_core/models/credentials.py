"""What a login is proven with. Redacted in every repr."""

from __future__ import annotations

from typing import TypeAlias

from attrs import field, frozen

__all__ = ["BearerToken", "Credential", "Password"]


@frozen
class Password:
    """A user name and a password, or an app-specific password."""

    username: str
    password: str = field(repr=False)


@frozen
class BearerToken:
    """An OAuth access token."""

    token: str = field(repr=False)


Credential: TypeAlias = Password | BearerToken
