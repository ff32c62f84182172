"""Documents with one certificate of the chain changed and signed again, for the rules and for chance."""

from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec

from support import sui_certificates as sc
from support.sui_certificates import Chain, Spec
from support.sui_mutants import document

DAY_S = 86_400


def issue(chain: Chain, changes: dict[int, Callable[[Spec], Spec]]) -> tuple[bytes, ...]:
    """The chain made again with some certificates changed, each signed by the key above it."""
    specs = [changes.get(at, lambda spec: spec)(spec) for at, spec in enumerate(chain.specs)]
    return tuple(
        sc.certificate(spec.to_be_signed(), chain.keys[max(at - 1, 0)]) if at in changes else chain.ders[at]
        for at, spec in enumerate(specs)
    )


def one(at: int, **changes: object) -> bytes:
    """A document whose certificate `at` (root 0, leaf 4) has these fields, signed for real."""
    return document(issue(sc.good_chain(), {at: lambda spec: replace(spec, **changes)}))  # type: ignore[arg-type]


def with_extensions(at: int, *extensions: bytes) -> bytes:
    return one(at, extensions=extensions)


def resigned_leaf(spki: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A document under a leaf with this key information."""
    ders = issue(sc.good_chain(), {4: lambda spec: replace(spec, public_key=spki)})
    return document(ders, key)


def linked(count: int, path_lengths: tuple[int | None, ...], root: bool = True) -> bytes:
    """A chain of `count` CAs below the root, path lengths from the top down."""
    ders: list[bytes] = [sc.good_chain().ders[0]] if root else []
    above_key, above = sc.key_of("root"), sc.name("root")
    for number in range(count):
        key, subject = sc.key_of(f"ca {number}"), sc.name(f"ca {number}")
        extensions = (sc.basic_constraints(True, path_lengths[number]), sc.key_usage(sc.CERT_SIGN))
        ders.append(sc.certificate(Spec(subject, above, sc.spki(key), extensions).to_be_signed(), above_key))
        above_key, above = key, subject
    leaf = Spec(sc.name("leaf"), above, sc.spki(sc.key_of("leaf")), sc.LEAF_EXTENSIONS)
    return document((*ders, sc.certificate(leaf.to_be_signed(), above_key)))
