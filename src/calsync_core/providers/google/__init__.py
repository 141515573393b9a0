"""Google Calendar. Needs the extra ``google``."""

from calsync_core.errors import ConfigurationError

try:
    import google.auth
except ModuleNotFoundError as missing:
    raise ConfigurationError(f"{missing.name} is not installed: pip install 'calsync-core[google]'") from None
del google

from calsync_core.providers.google.adapter import GoogleProvider  # noqa: E402  (after the extra was looked for)
from calsync_core.providers.google.auth import (  # noqa: E402  (after the extra was looked for)
    READ_SCOPES,
    WRITE_SCOPES,
    AuthorizationRequest,
    authorization_request,
    exchange_code,
)

__all__ = [
    "READ_SCOPES",
    "WRITE_SCOPES",
    "AuthorizationRequest",
    "GoogleProvider",
    "authorization_request",
    "exchange_code",
]
