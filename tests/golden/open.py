"""Opens tokens without a line of the filter's code: a token on each line in, its session as JSON on each line out.

python3 tests/golden/open.py SECRET SERVICE KIND NAME CLUSTER... An empty SECRET means tokens without keys. The clusters are
those that a token can name. Needs what tokens.py needs.
"""

import base64
import ipaddress
import json
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tokens import ENCRYPTED, ENDPOINT, HTTPS, LAST_USE, UNENCRYPTED, hash64, hchacha20


def decrypt(secret, nonce, sealed, associated_data):
    subkey = HKDF(hashes.SHA256(), 32, None, b"session-affinity token v1").derive(secret)
    cipher = ChaCha20Poly1305(hchacha20(subkey, nonce[:16]))
    return cipher.decrypt(bytes(4) + nonce[16:], sealed, associated_data)


def payload(token, secret, binding):
    token = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    if secret:
        assert token[:1] == ENCRYPTED
        return decrypt(secret, token[1:25], token[25:], ENCRYPTED + binding)
    assert token[:1] == UNENCRYPTED
    checksum = hash64(UNENCRYPTED + binding + b"\0" + token[:-8])
    assert checksum == int.from_bytes(token[-8:], "big")
    return token[1:-8]


def opened(rest, clusters):
    def take(length):
        nonlocal rest
        taken, rest = rest[:length], rest[length:]
        assert len(taken) == length
        return taken

    def number():
        return int.from_bytes(take(8), "big")

    flags = take(1)[0]
    assert flags & ~(HTTPS | LAST_USE | ENDPOINT) == 0
    found = {"start": number(), "backend": clusters[number()], "seed": number(), "https": bool(flags & HTTPS)}
    found["lastUse"] = number() if flags & LAST_USE else None
    found["endpoint"] = None
    if flags & ENDPOINT:
        version, address, port = take(1)[0], take(16), int.from_bytes(take(2), "big")
        if version == 4:
            assert address[:12] == bytes(10) + b"\xff\xff"
            found["endpoint"] = f"{ipaddress.ip_address(address[12:])}:{port}"
        elif version == 6:
            found["endpoint"] = f"[{ipaddress.ip_address(address)}]:{port}"
        else:
            assert version == 0
    return found | {"value": rest.decode()}


def main():
    secret, service, kind, name, *clusters = sys.argv[1:]
    clusters = {hash64(cluster.encode()): cluster for cluster in clusters}
    binding = "\0".join([service, kind, name]).encode()
    for line in sys.stdin:
        print(json.dumps(opened(payload(line.strip(), base64.b64decode(secret), binding), clusters)))


if __name__ == "__main__":
    main()
