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


def backend_id(cluster):
    """40 bits of the name's hash."""
    return hash64(cluster.encode()) >> 24


def choose(key, weights):
    """Weighted rendezvous hashing: the exponential clock that rings first."""

    def rings(cluster):
        unit = ((mix(key ^ backend_id(cluster)) >> 11) + 0.5) / 2**53
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


def subkey(secret, purpose, length=32):
    """By HKDF-SHA256."""
    return HKDF(hashes.SHA256(), length, None, b"session-affinity/v1/" + purpose).derive(secret)


def seal(secret, nonce, payload, associated, purpose=b"token"):
    """XChaCha20-Poly1305."""
    cipher = ChaCha20Poly1305(hchacha20(subkey(secret, purpose), nonce[:16]))
    return cipher.encrypt(bytes(4) + nonce[16:], payload, associated)


def text(token):
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


# The test vector of the draft, section 2.2.1.
assert hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")).hex().startswith("82413b42")

print("ids")
for name in ["neg-demo-0", "neg-demo-1", "blue", "outbound|80||shop.default.svc.cluster.local"]:
    print(f"  {name} {backend_id(name):#x}")

WEIGHTS = {"neg-demo-0": 1, "neg-demo-1": 2, "neg-demo-2": 3}
print("choices", "".join(choose(mix(index), WEIGHTS)[-1] for index in range(1, 41)))

print("addresses")
for address in ["127.0.0.1", "2001:db8::1", "2001:db8::"]:
    print(f"  {address} {hash64(ipaddress.ip_address(address).packed):#x}")

# Start in hundredths of a second, backend, last use in quarter seconds.
SESSION = [(170_000_000_012, 5), (backend_id("neg-demo-0"), 5), (42, 4)]
SEED = 0x0123456789ABCDEF
HTTPS, USE, ENDPOINT = 1, 2, 4


def binding(carrier, name):
    return b"\0".join([b"shop", carrier, name])


BINDING = binding(b"cookie", b"GCLB")


def payload(flags):
    """What the flags say; the endpoint aside."""
    there = [True, True, flags & USE]
    return b"".join(number.to_bytes(length, "big") for (number, length), is_there in zip(SESSION, there) if is_there)


def with_endpoint(address, port):
    """Known: 1; known and IPv6: 3."""
    if address is None:
        return payload(HTTPS | USE) + bytes(19)
    ip = ipaddress.ip_address(address)
    mapped = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
    return payload(HTTPS | USE) + bytes([3 if ip.version == 6 else 1]) + mapped + port.to_bytes(2, "big")


def plain(flags, payload, binding=BINDING):
    token = bytes([0x40 | flags]) + SEED.to_bytes(8, "big") + payload
    return text(token + hash64(binding + b"\0" + token).to_bytes(8, "big"))


KEY_ID = b"k1"
SECRET = b" 32 bytes that nobody shall see!"
MASK = int.from_bytes(subkey(SECRET, b"seed", 8), "big")
NONCE = (SEED ^ MASK).to_bytes(8, "big") + bytes(range(8, 24))


def sealed(flags, payload, binding=BINDING, purpose=b"token"):
    first = bytes([0x80 | hash64(KEY_ID) >> 62 << 4 | flags])
    return text(first + NONCE + seal(SECRET, NONCE, payload, first + KEY_ID + b"\0" + binding, purpose))


print(f"the seed of a nonce that begins with 0 to 7: {int.from_bytes(bytes(range(8)), 'big') ^ MASK:#x}")
BOTH = HTTPS | USE
for name, make in [("without keys", plain), ("with keys", sealed)]:
    print("tokens", name)
    print("  with the last use", make(BOTH, payload(BOTH)))
    print("  without it", make(HTTPS, payload(HTTPS)))
print("tokens without keys that are none")
print("  an unknown flag", plain(BOTH | 8, payload(BOTH)))
print("  an endpoint is promised", plain(BOTH | ENDPOINT, payload(BOTH)))
print("  a last use is promised", plain(BOTH, payload(HTTPS)))
for kind in [2, 4, 255]:
    room = bytes([kind]) + bytes(18)
    print(f"  an endpoint of kind {kind}", plain(BOTH | ENDPOINT, payload(BOTH) + room))
print("  no IPv4 address", plain(BOTH | ENDPOINT, payload(BOTH) + bytes([1]) + bytes(18)))

print("tokens with keys and room for an endpoint")
for address, port in [("10.1.2.3", 8080), ("2001:db8::1", 443), (None, 0)]:
    print(f"  {address} {port}", sealed(BOTH | ENDPOINT, with_endpoint(address, port)))

ENVELOPE = binding(b"envelope", b"mcp-session-id")
VALUE = b"0f36a8a5-\xff"
print("envelopes")
print("  without keys", plain(BOTH, payload(BOTH) + VALUE, ENVELOPE))
print("  with keys", sealed(BOTH, payload(BOTH) + VALUE, ENVELOPE, b"envelope"))
endpoint = with_endpoint("10.1.2.3", 8080) + VALUE
print("  with an endpoint", sealed(BOTH | ENDPOINT, endpoint, ENVELOPE, b"envelope"))
print("  that promise an endpoint that is not there", plain(BOTH | ENDPOINT, payload(BOTH) + VALUE, ENVELOPE))
