"""What travels through the browser: the record of a connection that was begun, its state, and the forms' tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from attrs import asdict, field, frozen

from calsync_core.credentials import Sealer
from calsync_core.errors import InvalidValue
from calsync_core.models import AccountId
from calsync_core.protocols import new_state
from calsync_core.web.connect.sites import Site

__all__ = ["FLOW_SECONDS", "FORM_SECONDS", "Flow", "Seals"]

_COOKIE_BYTES = 4_096
"""What browsers keep of one, name and value (RFC 6265, 6.1); of a longer one nothing, silently."""

FLOW_SECONDS = 600
"""How long a person may take at the provider."""
FORM_SECONDS = 7_200
"""How long a page with a form may stay open."""


@frozen
class Flow:
    """A connection that was begun.

    Attributes:
        account: It is to be connected again; None: a new one.
        record: The provider's, see ``Authorization``.
    """

    owner: str
    provider: str
    account: AccountId | None
    record: Mapping[str, Any] = field(repr=False)


class Seals:
    """Makes and reads them. Thread-safe.

    Args:
        sealer: Of the installation, for this purpose only.
        site: Where the cookies belong.
    """

    def __init__(self, sealer: Sealer, site: Site) -> None:
        self._sealer = sealer
        self._site = site

    def state(self, owner: str, provider: str) -> str:
        """A state that nobody can guess, and that only this installation can have made for this owner and provider."""
        nonce = new_state()
        return f"{nonce}.{self._sealer.sign('state', nonce, owner, provider)}"

    def is_ours(self, state: str, owner: str, provider: str) -> bool:
        """Whether it did."""
        nonce, _, signature = state.partition(".")
        return self._sealer.signed(signature, "state", nonce, owner, provider)

    def keep(self, flow: Flow) -> tuple[str, str]:
        """The header that has the browser keep a flow, for ten minutes, in place of an earlier one at this provider.

        Raises:
            InvalidValue: no browser would.
        """
        sealed = self._sealer.seal({"flow": asdict(flow)})
        if len(f"{self._name(flow.provider)}={sealed}") > _COOKIE_BYTES:
            raise InvalidValue("flow: is too long for a cookie")
        return self._cookie(flow.provider, sealed, FLOW_SECONDS)

    def forget(self, provider: str) -> tuple[str, str]:
        """The header that has it forget."""
        return self._cookie(provider, "", 0)

    def kept(self, cookies: Mapping[str, str], provider: str) -> Flow | None:
        """The flow that this browser keeps; None: there is none, or not any more."""
        found = self._sealer.unseal(cookies.get(self._name(provider), ""), seconds=FLOW_SECONDS)
        return Flow(**found["flow"]) if found is not None and "flow" in found else None

    def token(self, owner: str) -> str:
        """What proves that a form came from a page that was made for this owner."""
        return self._sealer.seal({"form": owner})

    def is_token(self, token: str, owner: str) -> bool:
        """Whether it does."""
        found = self._sealer.unseal(token, seconds=FORM_SECONDS)
        return found is not None and found.get("form") == owner

    def _cookie(self, provider: str, value: str, seconds: int) -> tuple[str, str]:
        # Lax: it comes along when the provider's page sends the person back, and with nobody else's forms or frames.
        secure = "; Secure" if self._site.secure else ""
        return (
            "Set-Cookie",
            f"{self._name(provider)}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{secure}",
        )

    def _name(self, provider: str) -> str:
        # The prefix has browsers take it from this very host over https only, and from no sibling.
        prefix = "__Host-" if self._site.secure else ""
        return f"{prefix}calsync-connect-{hashlib.sha256(provider.encode()).hexdigest()[:12]}"
