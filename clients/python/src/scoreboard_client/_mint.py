from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

#: The default of ACTION_TOKEN_TTL, which is the most that the service accepts.
TOKEN_LIFE_S = 300
#: By how much this clock may be ahead of the service's.
CLOCK_ERROR_S = 30
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def mint(secret: str, user_id: str, action: str, min_points: int, max_points: int) -> str:
    """Signs the token of an action of a user without a call, for points between the two.

    The secret is ACTION_TOKEN_SECRET of the service: its holder can give any points to any user.
    """
    now = int(time.time()) - CLOCK_ERROR_S
    claims = {
        "iss": "scoreboard-api",
        "aud": "scoreboard-action",
        "sub": user_id,
        "jti": _token_id(),
        "act": action,
        "pts": [min_points, max_points],
        "iat": now,
        "nbf": now,
        "exp": now + TOKEN_LIFE_S,
    }
    text = f"{_json({'alg': 'HS256', 'typ': 'action+jwt'})}.{_json(claims)}"
    return f"{text}.{_base64(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}"


def _token_id() -> str:
    """A TypeID: a prefix, and a UUIDv7 in base32."""
    random = secrets.randbits(80)
    version, variant = 0x7 << 76, 0x2 << 62
    number = int(time.time() * 1_000) << 80 | random & ~(0xF << 76) & ~(0x3 << 62) | version | variant
    return "tok_" + "".join(DIGITS[number >> 5 * place & 31] for place in reversed(range(26)))


def _json(value: Any) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
