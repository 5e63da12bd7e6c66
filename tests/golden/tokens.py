"""Makes the golden values of the unit tests, from the papers and RFCs and without a line of the crate's code.

Prints the values that the tests of these modules contain: balance/hash.rs, balance/candidates.rs,
balance/client_address.rs, session/token/tests.rs. Needs Python 3 and the package `cryptography`.
"""

import base64
import ipaddress
import math
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

U64 = (1 << 64) - 1
U32 = (1 << 32) - 1


def mix(bits):
    """The 64-bit finalizer of MurmurHash3."""
    bits ^= bits >> 33
    bits = bits * 0xFF51AFD7ED558CCD & U64
    bits ^= bits >> 33
    bits = bits * 0xC4CEB9FE1A85EC53 & U64
    return bits ^ (bits >> 33)


def hash64(data):
    """FNV-1a, then the finalizer."""
    bits = 0xCBF29CE484222325
    for byte in data:
        bits = (bits ^ byte) * 0x100000001B3 & U64
    return mix(bits)


def choose(key, weights):
    """Weighted rendezvous hashing: the exponential clock that rings first."""

    def rings(cluster):
        unit = ((mix(key ^ hash64(cluster.encode())) >> 11) + 0.5) / 2**53
        return -math.log(unit) / weights[cluster]

    return min(weights, key=rings)


def hchacha20(key, nonce):
    """draft-irtf-cfrg-xchacha-03, section 2.2."""

    def quarter(a, b, c, d):
        for one, other, third, shift in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
            state[one] = (state[one] + state[other]) & U32
            bits = state[third] ^ state[one]
            state[third] = (bits << shift | bits >> (32 - shift)) & U32

    state = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), *struct.unpack("<4I", nonce)]
    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for row in range(4):
            quarter(row, 4 + (row + 1) % 4, 8 + (row + 2) % 4, 12 + (row + 3) % 4)
    return struct.pack("<8I", *state[:4], *state[12:])


def encrypt(secret, nonce, payload, associated_data):
    """XChaCha20-Poly1305, with a subkey by HKDF-SHA256."""
    subkey = HKDF(hashes.SHA256(), 32, None, b"session-affinity token v1").derive(secret)
    cipher = ChaCha20Poly1305(hchacha20(subkey, nonce[:16]))
    return cipher.encrypt(bytes(4) + nonce[16:], payload, associated_data)


# The test vector of the draft, section 2.2.1.
assert hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")).hex().startswith("82413b42")


WEIGHTS = {"neg-demo-0": 1, "neg-demo-1": 2, "neg-demo-2": 3}


ENCRYPTED, UNENCRYPTED = b"\x01", b"\x02"
HTTPS, LAST_USE, ENDPOINT = 1, 2, 4
START, LAST_USED, SEED = 1_700_000_000_123, 1_700_000_010_456, 0x0123456789ABCDEF
NONCE = bytes(range(24))
SECRET = b" 32 bytes that nobody shall see!"


def endpoint(address, port):
    if address is None:
        return bytes(19)
    ip = ipaddress.ip_address(address)
    mapped = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
    return bytes([ip.version]) + mapped + port.to_bytes(2, "big")


PINNED = endpoint("10.1.2.3", 8080)


def session(flags, last=PINNED):
    """The session; `last` stands where the flags say that an endpoint follows."""
    numbers = [START, hash64(b"neg-demo-0"), SEED] + [LAST_USED] * bool(flags & LAST_USE)
    payload = bytes([flags]) + b"".join(number.to_bytes(8, "big") for number in numbers)
    return payload + last * bool(flags & ENDPOINT)


def text(token):
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def binding(version, kind, name):
    return version + b"\0".join([b"shop", kind, name])


def without_keys(payload, kind=b"cookie", name=b"GCLB", version=UNENCRYPTED):
    token = version + payload
    return text(token + hash64(binding(UNENCRYPTED, kind, name) + b"\0" + token).to_bytes(8, "big"))


def with_keys(payload, kind=b"cookie", name=b"GCLB"):
    return text(ENCRYPTED + NONCE + encrypt(SECRET, NONCE, payload, binding(ENCRYPTED, kind, name)))


LAYOUTS = [HTTPS, HTTPS | LAST_USE, HTTPS | ENDPOINT, HTTPS | LAST_USE | ENDPOINT]
ALL = LAYOUTS[-1]
HEADER = b"header", b"x-session"
ENVELOPE = b"header envelope", b"mcp-session-id"
VALUE = b"0f36a8a5-\xff"


def print_values():
    """Prints the golden values of the unit tests."""
    print("hashes")
    for name in ["", "neg-demo-0", "neg-demo-1", "blue", "outbound|80||shop.default.svc.cluster.local"]:
        print(f"  {name} {hash64(name.encode()):#018x}")
    print("choices", "".join(choose(mix(index), WEIGHTS)[-1] for index in range(1, 41)))
    print("addresses")
    for address in ["127.0.0.1", "2001:db8::1", "2001:db8::"]:
        print(f"  {address} {hash64(ipaddress.ip_address(address).packed):#018x}")
    for make in [without_keys, with_keys]:
        print("tokens", make.__name__)
        for flags in LAYOUTS:
            print(f"  flags {flags}", make(session(flags)))
        print("  on an IPv6 endpoint", make(session(ALL, endpoint("2001:db8::1", 443))))
        print("  on no known endpoint", make(session(ALL, endpoint(None, 0))))
        print("  over http", make(session(0)))
        print("  in a header", make(session(HTTPS), *HEADER))
        print("  as an envelope", make(session(HTTPS) + VALUE, *ENVELOPE))
        print("  as an envelope with everything", make(session(ALL) + VALUE, *ENVELOPE))
    print("malformed tokens, with a right checksum")
    print("  an unknown flag", without_keys(session(HTTPS | 8)))
    print("  a missing last use", without_keys(bytes([HTTPS | LAST_USE]) + session(HTTPS)[1:]))
    print("  a missing endpoint", without_keys(bytes([HTTPS | ENDPOINT]) + session(HTTPS)[1:]))
    print("  a last use without its flag", without_keys(bytes([HTTPS]) + session(HTTPS | LAST_USE)[1:]))
    for version in [1, 5, 7, 255]:
        print(f"  IP version {version}", without_keys(session(ALL, bytes([version]) + bytes(18))))
    print("  no IPv4 address", without_keys(session(ALL, bytes([4]) + bytes(18))))
    print("  nothing", without_keys(b""))
    print("  another version", without_keys(session(HTTPS), version=b"\x03"))
    print("  an envelope without its endpoint", without_keys(bytes([ALL]) + session(HTTPS)[1:] + VALUE, *ENVELOPE))


if __name__ == "__main__":
    print_values()
