"""Connections through httpx."""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Mapping
from functools import cache

import httpx

from calsync_core.models import BearerToken, Credential
from calsync_core.transport.link import PACKED, Answer, deadline, gather

__all__ = ["HttpxConnection", "ask_once", "trust"]


@cache
def trust() -> ssl.SSLContext:
    """Whom we trust, for all connections: made for each, it took 20 ms and most of a megabyte for each account.

    The authorities that httpx brings, and those of this machine: a calendar server of one's own may have a certificate
    from an authority of one's own.
    """
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


class HttpxConnection:
    """One httpx client with one credential.

    Args:
        credential: A bearer token, or a user name and password for basic authentication; None: none is sent.
        timeout: Seconds between two bytes; the deadline of the whole request is ``Link``'s.
        transport: For services that are not across a network: a simulator's.
        headers: That belong to the credential and go out with it.
        secret_paths: The URLs themselves are secrets. httpx writes each URL to its log, so it is told the host, and the
            path beside it.
    """

    def __init__(
        self,
        credential: Credential | None,
        timeout: float,
        transport: httpx.BaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        secret_paths: bool = False,
    ) -> None:
        self._secret_paths = secret_paths
        self._auth: httpx.Auth | None = None
        self._headers = dict(headers or {})
        if isinstance(credential, BearerToken):
            self._headers["Authorization"] = f"Bearer {credential.token}"
        elif credential is not None:
            # Sent unasked: Cyrus answers 207 to a request without a login, so a client that waits for a 401 sees no
            # calendars and takes any password.
            self._auth = httpx.BasicAuth(credential.username, credential.password)
        self._client = httpx.Client(verify=trust(), timeout=timeout, transport=transport, follow_redirects=False)
        # Sockets are closed when the connection is dropped, wherever that happens: account gone, provider gone, exit.
        weakref.finalize(self, self._client.close)

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """See ``Connection``."""
        sent = {**headers, **self._headers}
        asked, target = httpx.URL(url), {}
        if self._secret_paths:
            asked, target = asked.copy_with(raw_path=b"/"), {"target": asked.raw_path}
        with self._client.stream(
            method, asked, headers=sent, content=body or None, auth=self._auth, extensions=target, timeout=timeout
        ) as response:
            content = gather(response.iter_bytes(), timeout, response.headers.get("content-encoding", ""))
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, received, content, url)

    def close(self) -> None:
        """See ``Connection``."""
        self._client.close()


def ask_once(
    client: httpx.Client,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    timeout: float,
    params: Mapping[str, str] | None = None,
) -> Answer:
    """One request by itself, as token servers are asked: with an end to all of it, and to the answer's size (I-34).

    Args:
        client: Closed when the time is over.
        method: HTTP method.
        url: Absolute.
        headers: All of them.
        body: None for none.
        timeout: Seconds in all.
        params: Added to the URL's query.

    Raises:
        ProviderError: too slow or too large.
        httpx.HTTPError: and whatever else httpx raises.
    """
    with (
        deadline(client.close, timeout),
        client.stream(method, url, headers={**PACKED, **headers}, content=body, params=params) as response,
    ):
        content = gather(response.iter_bytes(), timeout, response.headers.get("content-encoding", ""))
    received = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, received, content, url)
