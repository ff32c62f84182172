"""The written cases of the differential: calls of the functions in tests/localnet/programs."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.move_differential import Case
from support.move_world import address

TOP = 2**64 - 1


def written() -> Iterator[Case]:
    yield from _shapes()
    yield from _references()
    yield from _generics()
    yield from _vectors()
    yield from _texts()
    yield from _aborts()
    yield from _fields()


def _each(function: str, *arguments: tuple[object, ...]) -> Iterator[Case]:
    return (Case(function, one) for one in arguments)


def _shapes() -> Iterator[Case]:
    for kind in range(4):
        yield from _each("shapes::make", (kind, 3))
        yield from _each("shapes::area", (kind, 5))
        yield from _each("shapes::grown", (kind, 4, 6), (kind, 60, 1))
        yield from _each("shapes::wrong", (kind,))
        yield from _each("shapes::same", (kind, 2, kind, 2), (kind, 2, kind, 3), (kind, 2, (kind + 1) % 4, 2))
    yield from _each("shapes::area", (1, TOP), (2, 2**32 - 1), (2, 2**32), (3, 256))
    yield from _each("shapes::many", (0,), (6,))
    yield from _each("shapes::tree", (9, 7), (3, 2), (5, 4))
    yield from _each("shapes::weight", (9, 101), (9, 50), (2, 2), (2, 9))
    yield from _each("shapes::generic", (4,), (5,))
    yield from _each("shapes::replaced", (0,), (3,))


def _references() -> Iterator[Case]:
    yield from _each("refs::copies", (0,), (1,), (4,), (256,))
    yield from _each("refs::picked", (3, False), (2, True), (1, True))
    yield from _each("refs::locals", (0,), (7,))
    yield from _each("refs::generic", (3,), (254,), (255,), (TOP,))
    yield from _each("refs::swapped", (1, 2))
    yield from _each("refs::equal", (2, 2), (2, 3), (0, 0))
    yield from _each("refs::by_element", (0,), (1,), (5,))
    yield from _each("refs::moved", (2,), (3,))


def _generics() -> Iterator[Case]:
    yield from _each("generics::flipped", (200, 2**40))
    yield from _each("generics::bytes", (9, 0), (9, 4))
    yield from _each("generics::boxes", (9, 0), (9, 3))
    yield from _each("generics::words", (0,), (2,))
    yield from _each("generics::wide", (2**256 - 1, 2))
    yield from _each("generics::flags", (True,), (False,))
    yield from _each("generics::deep", (0,), (50,))
    for name, value in (("u8", 4), ("u256", 2**255), ("bool", True), ("address", address(77)), ("vector<u8>", b"abc")):
        yield Case("generics::identity", (value,), (name,))
        yield Case("generics::name_of", (), (name,))
        yield Case("generics::name_of_pair", (), (name, "vector<vector<u64>>"))
        yield Case("generics::id_of", (), (name,))
        yield Case("generics::module_of", (), (name,))
        yield Case("generics::contains", ((value,), value), (name,))
    yield Case("generics::contains", (b"abc", 98), ("u8",))
    yield Case("generics::contains", (b"", 98), ("u8",))
    yield Case("generics::contains", ((b"", b"q"), b"q"), ("vector<u8>",))
    for name in ("sui::sui::SUI", "std::string::String"):
        yield Case("generics::name_of", (), (name,))
        yield Case("generics::id_of", (), (name,))
        yield Case("generics::module_of", (), (name,))


def _vectors() -> Iterator[Case]:
    # The test VM is built for 32 bits: a larger index is another failure there than on a node.
    for index in (0, 2, 3, 2**32 - 1):
        yield from _each("vectors::at", (3, index))
        yield from _each("vectors::at_item", (3, index))
        yield from _each("vectors::byte_at", (b"abc", index))
        yield from _each("vectors::set", (3, index, 9))
        yield from _each("vectors::set_byte", (b"abc", index, 9))
        yield from _each("vectors::swap", (3, index, 1))
        yield from _each("vectors::swap_bytes", (b"abc", 1, index))
        yield from _each("vectors::remove", (3, index))
        yield from _each("vectors::swap_remove", (3, index))
        yield from _each("vectors::insert", (3, index))
        yield from _each("vectors::insert_byte", (b"abc", 7, index))
    yield from _each("vectors::pop", (3, 2), (3, 3), (3, 4))
    yield from _each("vectors::pop_byte", (b"",), (b"z",))
    yield from _each("vectors::reverse", (0,), (4,), (5,))
    yield from _each("vectors::append", (b"", b""), (b"ab", b"c"))
    yield from _each("vectors::find", (b"", 1), (b"abc", 99), (b"abc", 100))
    yield from _each("vectors::has", (4, 3), (4, 4))
    yield from _each("vectors::sum", (0,), (20,))
    yield from _each("vectors::chosen", (6, 4))
    yield from _each("vectors::skip", (5, 2), (5, 9))
    yield from _each("vectors::take", (5, 2), (5, 9))
    yield from _each("vectors::empty", (0,), (2,))
    yield from _each("vectors::pushed", (0,), (300,))
    yield from _each("vectors::flatten", (4,))
    yield from _each("vectors::less", (b"a", b"a"), (b"", b"a"))
    yield from _each("vectors::literal", (1,), (255,))
    yield from _each("vectors::sorted", ((5, 1, 9, 1),), ((),))


def _texts() -> Iterator[Case]:
    yield from _each("texts::all", (0,), (3,), (77,))
    yield from _each("texts::bytes_of", (5,), (128,), (300,))
    yield from _each("texts::twice", (6,))
    whole = (7).to_bytes(8, "little") + b"\x02ab" + b"\x01" + b"\x01\x10\x00" + b"rest"
    yield from _each("texts::peel", (whole,), (whole[:9],), (whole[:11] + b"\x02" + whole[12:],), (whole[:7],), (b"",))
    yield from _each("texts::peel", (whole[:12] + b"\x00",), (whole[:8] + b"\x81\x80\x80\x80\x80\x80\x01",))
    yield from _each("texts::peel_wide", (bytes(range(48)),), (bytes(47),))
    for bytes_ in (
        b"",
        b"plain",
        "é€😀".encode(),
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"ab\xe2\x82",
    ):
        yield from _each("texts::utf8", (bytes_,))
        yield from _each("texts::try_utf8", (bytes_,))
        yield from _each("texts::ascii", (bytes_,))
    text = "aé€z".encode()
    yield from _each("texts::part", (text, 0, 3), (text, 1, 1), (text, 0, 7), (text, 2, 3), (text, 3, 1), (text, 0, 8))
    yield from _each("texts::index", (text, b"z"), (text, b""), (text, b"q"), (b"", b"a"))
    yield from _each("texts::insert", (text, 0), (text, 3), (text, 2), (text, 7), (text, 8))
    yield from _each("texts::upper", (b"aBz{1",))
    yield from _each("texts::number", (0,), (TOP,))
    yield from _each("texts::wide_number", (2**128 - 1,))
    for hashed in ("sha2", "sha3", "blake", "keccak"):
        yield from _each(f"texts::{hashed}", (b"",), (b"abc",), (bytes(135),), (bytes(136),), (bytes(300),))
    yield from _each("texts::hmac", (b"key", b"message"), (bytes(200), b""))
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"message")
    yield from _each("texts::signed", (signature, public, b"message"), (signature, public, b"massage"))
    yield from _each("texts::signed", (signature[:63], public, b"message"), (signature, public[:31], b"message"))
    yield from _each("texts::signed", (signature, bytes(32)[:31] + b"\xff", b"message"), (bytes(64), public, b""))
    yield from _each("texts::to_address", (bytes(range(32)),), (bytes(31),), (bytes(33),))
    yield from _each("texts::address_number", (address(2**255),), (b"\xff" * 32,))
    yield from _each("texts::address_text", (address(0xABC),))
    yield from _each("texts::hex", (b"",), (b"\x00\xff",))
    yield from _each("texts::from_hex", (b"0aF9",), (b"0",), (b"0g",))
    yield from _each("texts::option", (0,), (5,))
    yield from _each("texts::unwrap", (0,), (5,))
    yield from _each("texts::mapped", (5,), (6,))
    yield from _each("texts::sqrt", (0,), (99,), (TOP,))
    yield from _each("texts::power", (2, 63), (2, 64), (0, 0))
    yield from _each("texts::fixed", (3, 4), (3, 0), (TOP, 1))


def _aborts() -> Iterator[Case]:
    yield from _each("aborts::code", (0,), (7,), (TOP,))
    yield from _each("aborts::constant", (3,), (4,))
    yield from _each("aborts::nested", (9,), (10,))
    yield from _each("aborts::far", (2, 1), (1, 2))
    yield from _each("aborts::element", (3,), (2,))
    yield from _each("aborts::order", (0,), (1,), (2,), (3,), (9,), (11,))
    yield from _each("aborts::unpack", (0,), (1,), (2,))
    yield from _each("aborts::both", (True, 2), (True, 0), (False, 0), (False, 3))
    yield from _each("aborts::fibonacci", (0,), (12,))
    yield from _each("aborts::ackermann", (2, 3))
    yield from _each("aborts::collatz", (27,), (0,))
    yield from _each("aborts::labels", (0,), (20,), (500,))
    for depth in (500, 1_020, 1_021, 1_022, 1_023, 1_024, 1_025, 5_000):
        yield Case("aborts::down_from", (depth,), judged="aborts::down")
        yield Case("aborts::recursion_from", (depth,), judged="aborts::recursion")


def _fields() -> Iterator[Case]:
    yield from _each("fields::in_table", (0, 0), (4, 2), (4, 9))
    yield from _each("fields::missing", (3, 2), (3, 3))
    yield from _each("fields::not_there", (1,), (2,))
    yield from _each("fields::again", (1, 2), (1, 1))
    yield from _each("fields::full", (0,), (1,))
    yield from _each("fields::typed", (False,), (True,))
    yield from _each("fields::in_bag", (0,), (5,))
    yield from _each("fields::objects", (0,), (3,))
    yield from _each("fields::ids", (4,))
    yield from _each("fields::child", (6,))
    yield from _each("fields::derived", (1,))
    yield from _each("fields::derived_plain", (1,))
    yield from _each("fields::derived_vector", (1,))
    yield from _each("fields::map", (4, 3), (4, 4))
    yield from _each("fields::set", (3, 4), (3, 1))
