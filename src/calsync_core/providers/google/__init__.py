"""Google Calendar. Needs the extra ``google``."""

from calsync_core.errors import ConfigurationError

try:
    import google.auth
except ModuleNotFoundError as missing:
    raise ConfigurationError(f"{missing.name} is not installed: pip install 'calsync-core[google]'") from None
del google

from calsync_core.providers.google.adapter import GoogleProvider  # noqa: E402  (after the extra was looked for)
from calsync_core.providers.google.auth import READ_SCOPES, WRITE_SCOPES  # noqa: E402  (after the extra was looked for)

__all__ = ["READ_SCOPES", "WRITE_SCOPES", "GoogleProvider"]
