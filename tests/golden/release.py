"""Writes the golden tokens of a release as JSON: python3 tests/golden/release.py 0.2.0 > tests/golden/0.2.0.json

A later version of the filter reads these tokens for ever. Needs what tokens.py needs.
"""

import base64
import json
import sys

from tokens import (
    ALL, ENDPOINT, ENVELOPE, HEADER, HTTPS, LAST_USE, LAST_USED, LAYOUTS, PINNED, SECRET, SEED, START, endpoint, session,
    with_keys, without_keys,
)

COOKIE = b"cookie", b"GCLB"
COOKIE_ENVELOPE = b"cookie envelope", b"JSESSIONID"
VALUE = b"node0~0f36/a8+a5=="
IPV6 = endpoint("2001:db8::1", 443)
ADDRESSES = {PINNED: "10.1.2.3:8080", IPV6: "[2001:db8::1]:443"}


def entry(keyed, flags, carrier=COOKIE, last=PINNED, value=b""):
    make = with_keys if keyed else without_keys
    return {
        "secret": base64.b64encode(SECRET).decode() if keyed else None,
        "service": "shop",
        "carrier": carrier[0].decode(),
        "name": carrier[1].decode(),
        "start": START,
        "lastUse": LAST_USED if flags & LAST_USE else None,
        "seed": SEED,
        "backend": "neg-demo-0",
        "endpoint": ADDRESSES.get(last) if flags & ENDPOINT else None,
        "https": bool(flags & HTTPS),
        "value": value.decode(),
        "token": make(session(flags, last) + value, *carrier),
    }


def tokens():
    for keyed in [False, True]:
        for flags in [0, *LAYOUTS]:
            yield entry(keyed, flags)
        for last in [IPV6, endpoint(None, 0)]:
            yield entry(keyed, ALL, last=last)
        yield entry(keyed, HTTPS, HEADER)
        for carrier in [ENVELOPE, COOKIE_ENVELOPE]:
            for flags in [HTTPS, ALL]:
                yield entry(keyed, flags, carrier, value=VALUE)


print(json.dumps({"release": sys.argv[1], "tokens": list(tokens())}, indent=1))
