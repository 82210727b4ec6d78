"""Access control: the token, compared in constant time, and the Host header, against DNS rebinding."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Final

_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


class Admission:
    """Admits or refuses requests by their headers.

    Args:
        token: The required token; empty for none.
        hosts: Accepted host names besides those of the local machine; None accepts any, if the pages are mounted in an
            application with its own policy.
    """

    def __init__(self, token: str, hosts: frozenset[str] | None) -> None:
        self._token = token.encode("utf-8", "surrogateescape")
        self._hosts = hosts

    def refusal(self, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return status and text of a refusal, or None if the request is admitted."""
        if self._hosts is not None and not self._is_our_host(headers.get("host", "")):
            return 421, "This address is not served under that Host name.\n"
        if self._token and not self._knows_token(headers.get("authorization", "")):
            return 401, "A token is required: send it as Bearer token or as the password of any user.\n"
        return None

    def _is_our_host(self, host: str) -> bool:
        name = host.strip().lower()
        if name.endswith("]"):
            bare = name
        else:
            bare, colon, port = name.rpartition(":")
            if not colon or not port.isdigit():
                bare = name
        return bare in _LOCAL_NAMES or (self._hosts is not None and bare in self._hosts)

    def _knows_token(self, authorization: str) -> bool:
        scheme, _, given = authorization.strip().partition(" ")
        if scheme.lower() == "bearer":
            said = given.strip().encode("utf-8", "surrogateescape")
        elif scheme.lower() == "basic":
            try:
                said = base64.b64decode(given.strip(), validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                said = b""
        else:
            said = b""
        return hmac.compare_digest(said, self._token)
