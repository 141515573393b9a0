"""The documents in which the identity platform tells where it is."""

from __future__ import annotations

from typing import Any

from calsync_core.testing.simulators.messages import Request

__all__ = ["OIDC_SCOPES", "configuration", "instances"]

OIDC_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})
"""Those of OpenID Connect itself; all others are a resource's."""


def configuration(base: str, tenant: str) -> dict[str, Any]:
    """OpenID Connect's: where a tenant's endpoints are, and what they take."""
    root = f"{base}/{tenant}"
    return {
        "issuer": f"{root}/v2.0",
        "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
        "token_endpoint": f"{root}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "scopes_supported": sorted(OIDC_SCOPES),
        "jwks_uri": f"{root}/discovery/v2.0/keys",
    }


def instances(request: Request, tenant: str) -> dict[str, Any]:
    """Microsoft's: that this host is one of its clouds, and where the tenant's document is."""
    host = request.base.partition("://")[2]
    names = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
    document = f"{request.base}/{tenant}/v2.0/.well-known/openid-configuration"
    return {"tenant_discovery_endpoint": document, "api-version": "1.1", "metadata": [names]}
