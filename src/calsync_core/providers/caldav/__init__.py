"""CalDAV servers, and iCloud as one of them. Needs the extra ``caldav``."""

from calsync_core.errors import ConfigurationError

try:
    import lxml
except ModuleNotFoundError as missing:
    raise ConfigurationError(f"{missing.name} is not installed: pip install 'calsync-core[caldav]'") from None
del lxml

from calsync_core.providers.caldav.adapter import CalDAVProvider, ICloudProvider  # noqa: E402  (after the extra was looked for)

__all__ = ["CalDAVProvider", "ICloudProvider"]
