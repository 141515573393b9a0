"""Logins: sealed where they are stored, renewed by one worker at a time (I-36, I-39).

What a host needs of it goes through the engine (``encryption_key``, ``connect``, ``rotate_credentials``);
``new_key`` makes a key, and ``Vault`` seals for whoever keeps logins elsewhere. Sealing needs the extra
``credentials``.
"""

from calsync_core.credentials.kept import KeptLogin, carry_on, fingerprint
from calsync_core.credentials.logins import Ask, Credentials, Logins
from calsync_core.credentials.sealing import Sealer
from calsync_core.credentials.stored import StoredLogin
from calsync_core.credentials.tokens import LoginTokens
from calsync_core.credentials.vault import Vault, check_keys, new_key

__all__ = [
    "Ask",
    "Credentials",
    "KeptLogin",
    "LoginTokens",
    "Logins",
    "Sealer",
    "StoredLogin",
    "Vault",
    "carry_on",
    "check_keys",
    "fingerprint",
    "new_key",
]
