"""Microsoft 365 and Outlook.com, through Graph. Needs the extra ``microsoft``."""

from calsync_core.errors import ConfigurationError

try:
    import msal
except ModuleNotFoundError as missing:
    raise ConfigurationError(f"{missing.name} is not installed: pip install 'calsync-core[microsoft]'") from None
del msal

from calsync_core.providers.microsoft.adapter import MicrosoftProvider  # noqa: E402  (after the extra was looked for)
from calsync_core.providers.microsoft.auth import (  # noqa: E402  (after the extra was looked for)
    READ_SCOPES,
    WRITE_SCOPES,
    DeviceCode,
    begin_device_login,
    finish_device_login,
)

__all__ = [
    "READ_SCOPES",
    "WRITE_SCOPES",
    "DeviceCode",
    "MicrosoftProvider",
    "begin_device_login",
    "finish_device_login",
]
