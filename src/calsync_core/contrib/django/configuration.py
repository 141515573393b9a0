"""``settings.CALSYNC``, read and judged: each mistake is one message that names its key (I-44).

Reading it opens nothing and makes no provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, fields, frozen
from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from calsync_core.core.identity import Keyring
from calsync_core.credentials import check_keys
from calsync_core.errors import ConfigurationError, InvalidValue
from calsync_core.extensions import has_provider, known_providers, load_provider
from calsync_core.models import OAuthClient, SyncPolicy
from calsync_core.protocols import PublishingProvider
from calsync_core.transport.addresses import problem_with
from calsync_core.web.connect import Pages
from calsync_core.web.receiver import MAX_BODY

__all__ = ["Configuration", "ConnectPages", "MakeProvider", "problems", "read_configuration"]

MakeProvider = Callable[[], PublishingProvider]


@frozen(kw_only=True)
class ConnectPages:
    """What ``CALSYNC["connect"]`` says; see ``calsync_core.web.connect.Connector``.

    Attributes:
        public_url: Where browsers find them; unless said, ``connect`` below ``CALSYNC["public_url"]``.
        clients: The project's applications, by the provider's name.
        done: Where people go when they have chosen their calendars: a path, or the name of a URL pattern.
        pages: What they look like.
        private_servers: People may name calendar servers in the project's own network.
    """

    public_url: str
    clients: Mapping[str, OAuthClient] = field(factory=dict)
    done: str = "/"
    pages: Pages | None = None
    private_servers: bool = False


@frozen(kw_only=True)
class Configuration:
    """What ``CALSYNC`` says.

    Attributes:
        secret: The installation's; of several, the first one signs.
        encryption_key: Seals the logins that the store keeps; of several, the first one does. None: it keeps none.
        public_url: Where pushes can reach ``calsync_core.contrib.django.urls``; None: polling only.
        policy: What holds for the whole installation.
        providers: What makes each, by the name that accounts use.
        database: Key of ``DATABASES``.
        connect: How the pages are served on which people connect their accounts; None: they are not.
        tokens: See ``SyncEngine``.
        notifier: Gets each notice in place of the signal.
        owner: Whose calendars a user's are: called with ``request.user``.
        max_workers: See ``SyncEngine``.
        drain: Have web processes work the inbox off, too; a scheduler or Celery does it otherwise.
        metrics: Serve ``metrics`` beside the webhooks.
        status: Serve the status page there to those requests for which this is true; None: to nobody.
        rate_limit: See ``calsync_core.web.receiver.Receiver``.
        max_body: See there, in bytes.
        on_accepted: See there.
    """

    secret: tuple[str, ...] = field(repr=False)
    encryption_key: tuple[str, ...] | None = field(default=None, repr=False)
    public_url: str | None = None
    policy: SyncPolicy = field(factory=SyncPolicy)
    providers: Mapping[str, MakeProvider]
    database: str = "default"
    connect: ConnectPages | None = None
    tokens: Callable[..., Any] | None = None
    notifier: Callable[..., Any] | None = None
    owner: Callable[..., str] | None = None
    max_workers: int = 8
    drain: bool = False
    metrics: bool = False
    status: Callable[[HttpRequest], bool] | None = None
    rate_limit: int | None = None
    max_body: int = MAX_BODY
    on_accepted: Callable[..., Any] | None = None


def read_configuration() -> Configuration:
    """Read the settings.

    Raises:
        ConfigurationError: says all that is wrong, one line for each mistake.
    """
    found, wrong = _read()
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return Configuration(**found)


def problems() -> list[str]:
    """What is wrong with the settings."""
    return _read()[1]


def _read() -> tuple[dict[str, Any], list[str]]:
    given = getattr(settings, "CALSYNC", None)
    if not isinstance(given, Mapping):
        state = "is missing from the settings" if given is None else "must be a dictionary"
        return {}, [f"CALSYNC: {state}: it needs at least a 'secret' and 'providers'"]
    known = [each.name for each in fields(Configuration)]
    wrong = [f"CALSYNC[{name!r}]: is no setting (known: {', '.join(known)})" for name in given if name not in known]
    found: dict[str, Any] = {}
    for name in known:
        if name in given or name in _REQUIRED:
            try:
                found[name] = _connect(given.get(name), given) if name == "connect" else _ALONE[name](given.get(name))
            except (ConfigurationError, InvalidValue) as error:
                wrong.append(f"CALSYNC[{name!r}]: {error}")
    return found, wrong


def _connect(value: Any, given: Mapping[str, Any]) -> ConnectPages | None:
    if value is None:
        return None
    said = _only(value, ConnectPages)
    if "public_url" not in said:
        if not isinstance(given.get("public_url"), str):
            raise ConfigurationError("public_url: is missing: where browsers find the pages")
        said["public_url"] = f"{given['public_url'].rstrip('/')}/connect"
    for name, read in _CONNECT.items():
        if name in said:
            try:
                said[name] = read(said[name])
            except (ConfigurationError, InvalidValue) as error:
                raise ConfigurationError(f"{name}: {error}") from None
    return ConnectPages(**said)


def _only(value: Any, kind: type) -> dict[str, Any]:
    """A dictionary with fields of this class only."""
    if not isinstance(value, Mapping):
        raise ConfigurationError("must be a dictionary")
    names = [each.name for each in fields(kind)]
    for name in value:
        if name not in names:
            raise ConfigurationError(f"{name}: is not known here (known: {', '.join(names)})")
    return dict(value)


def _clients(value: Any) -> Mapping[str, OAuthClient]:
    if not isinstance(value, Mapping):
        raise ConfigurationError("must be a dictionary of applications, by the provider's name")
    return {
        name: each if isinstance(each, OAuthClient) else OAuthClient(**{"client_id": "", **_only(each, OAuthClient)})
        for name, each in value.items()
    }


def _done(value: Any) -> str:
    if not isinstance(value, str | Promise) or not value:
        raise ConfigurationError("must be a path, or the name of a URL pattern")
    return value  # type: ignore[return-value]  # a lazy text is one by the time it is used


def _pages(value: Any) -> Pages | None:
    made: Any = _imported("", value) if isinstance(value, str) else value
    if isinstance(made, type):
        made = made()
    return made  # type: ignore[no-any-return]  # a protocol without a run-time check


def _secret(value: Any) -> tuple[str, ...]:
    if not value:
        raise ConfigurationError("is missing: 16 characters or more that only this installation knows")
    texts = _texts(value)
    try:
        Keyring.of(texts)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).partition(": ")[2]) from None
    return texts


def _encryption_key(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    try:
        return check_keys(_texts(value))
    except ConfigurationError as error:
        raise ConfigurationError(str(error).rpartition("]: ")[2]) from None


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple):
        raise ConfigurationError("must be a text, or a list of them")
    return (value,) if isinstance(value, str) else tuple(value)


def _public_url(value: Any) -> str | None:
    problem = None if value is None else problem_with(value) if isinstance(value, str) else "must be a URL, as text"
    if problem is not None:
        raise ConfigurationError(problem)
    return value if value is None else str(value)


def _policy(value: Any) -> SyncPolicy:
    if isinstance(value, SyncPolicy):
        return value
    return SyncPolicy(**_only(value, SyncPolicy))


def _providers(value: Any) -> Mapping[str, MakeProvider]:
    if isinstance(value, Mapping):
        return {_provider_name(name): _maker(name, each) for name, each in value.items()}
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ConfigurationError("must be a list of names, or a dictionary of what makes each")
    return {_provider_name(name): _shipped(name) for name in value}


def _provider_name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigurationError("names are text")
    return name


def _shipped(name: str) -> MakeProvider:
    if not has_provider(name):
        raise ConfigurationError(f"unknown provider {name!r} (known: {', '.join(sorted(known_providers()))})")
    return lambda: load_provider(name)


def _maker(name: str, value: Any) -> MakeProvider:
    """From a dotted path, a class or function, or a provider."""
    if isinstance(value, str):
        value = _imported(f"{name}: ", value)
    if isinstance(value, PublishingProvider) and not isinstance(value, type):
        return lambda: value
    if not callable(value):
        raise ConfigurationError(f"{name}: must be a provider, what makes one, or the dotted path of that")

    def make() -> PublishingProvider:
        try:
            made = value()
        except Exception as error:
            kind = type(error).__name__
            raise ConfigurationError(f"CALSYNC['providers']: {name}: could not be made: {kind}") from error
        if not isinstance(made, PublishingProvider):
            raise ConfigurationError(f"CALSYNC['providers']: {name}: made a {type(made).__name__}, not a provider")
        return made

    return make


def _database(value: Any) -> str:
    if not isinstance(value, str) or value not in settings.DATABASES:
        known = ", ".join(sorted(settings.DATABASES))
        raise ConfigurationError(f"there is no {value!r} in DATABASES (known: {known})")
    return value


def _function(value: Any) -> Callable[..., Any] | None:
    if isinstance(value, str):
        value = _imported("", value)
    if value is not None and not callable(value):
        raise ConfigurationError("must be a function, or the dotted path of one")
    return value  # type: ignore[no-any-return]  # it is callable


def _status(value: Any) -> Callable[[HttpRequest], bool] | None:
    return _is_staff if value == "staff" else _function(value)


def _is_staff(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)  # without Django's middleware there is none
    return user is not None and user.is_active and user.is_staff


def _imported(place: str, path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise ConfigurationError(f"{place}{path!r} can't be imported: {error}") from None


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"must be True or False, got {value!r}")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"must be a whole number from 1, got {value!r}")
    return value


_REQUIRED = ("secret", "providers")
_ALONE: Mapping[str, Callable[[Any], Any]] = {
    "secret": _secret,
    "encryption_key": _encryption_key,
    "public_url": _public_url,
    "policy": _policy,
    "providers": _providers,
    "database": _database,
    "tokens": _function,
    "notifier": _function,
    "owner": _function,
    "max_workers": _count,
    "drain": _flag,
    "metrics": _flag,
    "status": _status,
    "rate_limit": lambda value: None if value is None else _count(value),
    "max_body": _count,
    "on_accepted": _function,
}
_CONNECT: Mapping[str, Callable[[Any], Any]] = {
    "public_url": _public_url,
    "clients": _clients,
    "done": _done,
    "pages": _pages,
    "private_servers": _flag,
}
