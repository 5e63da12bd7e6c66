"""Makes the golden values of this directory, from the papers and RFCs and without a line of the crate's code.

Needs Python 3 and the package `cryptography`.
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
    """FNV-1a, mixed."""
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


def seal(secret, nonce, payload, associated, purpose=b"token"):
    """XChaCha20-Poly1305 with a subkey by HKDF-SHA256."""
    key = HKDF(hashes.SHA256(), 32, None, b"session-affinity/v1/" + purpose).derive(secret)
    cipher = ChaCha20Poly1305(hchacha20(key, nonce[:16]))
    return cipher.encrypt(bytes(4) + nonce[16:], payload, associated)


def text(token):
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


# The test vector of the draft, section 2.2.1.
assert hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")).hex().startswith("82413b42")

print("ids")
for name in ["neg-demo-0", "neg-demo-1", "blue", "outbound|80||shop.default.svc.cluster.local"]:
    print(f"  {name} {hash64(name.encode()):#x}")

WEIGHTS = {"neg-demo-0": 1, "neg-demo-1": 2, "neg-demo-2": 3}
print("choices", "".join(choose(mix(index), WEIGHTS)[-1] for index in range(1, 41)))

print("addresses")
for address in ["127.0.0.1", "2001:db8::1", "2001:db8::"]:
    print(f"  {address} {hash64(ipaddress.ip_address(address).packed):#x}")

# Over https, start, last use in quarter seconds, seed, backend.
SESSION = [(1_700_000_000_123, 6), (42, 4), (0x0123456789ABCDEF, 8), (hash64(b"neg-demo-0"), 8)]


def binding(carrier, name):
    return b"\0".join([b"shop", carrier, name])


BINDING = binding(b"cookie", b"GCLB")


def payload(flags):
    return bytes([flags]) + b"".join(number.to_bytes(length, "big") for number, length in SESSION)


def with_endpoint(address, port):
    """Room for an endpoint: flag 2. It is known: 4. It is IPv6: 8."""
    if address is None:
        return payload(1 | 2) + bytes(18)
    ip = ipaddress.ip_address(address)
    mapped = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
    return payload(1 | 2 | 4 | (8 if ip.version == 6 else 0)) + mapped + port.to_bytes(2, "big")


def plain(payload, binding=BINDING):
    checksum = hash64(b"\1" + binding + b"\0" + payload)
    return text(b"\1" + payload + checksum.to_bytes(8, "big"))


print("token without keys", plain(payload(1)))
for flags in [2, 6, 16, 32, 64, 128]:
    print(f"  with flags {flags} and no room for an endpoint", plain(payload(flags)))
HEADER = b"\2\2k1"
NONCE = bytes(range(24))
SECRET = b" 32 bytes that nobody shall see!"


def sealed(payload, binding=BINDING, purpose=b"token"):
    return text(HEADER + NONCE + seal(SECRET, NONCE, payload, HEADER + binding, purpose))


print("token with keys", sealed(payload(1)))

print("tokens with keys and room for an endpoint")
for address, port in [("10.1.2.3", 8080), ("2001:db8::1", 443), (None, 0)]:
    print(f"  {address} {port}", sealed(with_endpoint(address, port)))

ENVELOPE = binding(b"envelope", b"mcp-session-id")
VALUE = b"0f36a8a5-\xff"
print("envelopes")
print("  without keys", plain(payload(1) + VALUE, ENVELOPE))
print("  with keys", sealed(payload(1) + VALUE, ENVELOPE, b"envelope"))
print("  with an endpoint", sealed(with_endpoint("10.1.2.3", 8080) + VALUE, ENVELOPE, b"envelope"))
print("  whose flags promise an endpoint that is not there", plain(payload(6) + VALUE, ENVELOPE))
