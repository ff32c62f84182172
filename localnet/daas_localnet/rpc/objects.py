"""Objects as messages.

Invariant: a field is computed when the mask asks for it, and only then.
"""

from __future__ import annotations

from daas_chain.sui.objects import OBJECT, MoveObject, MovePackage
from daas_chain.sui.types import StructTag
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.packages import Packages

from . import parts
from .mask import ALL, Mask
from .move_json import to_json
from .proto import v2
from .texts import digest_text, hexadecimal, type_text

PACKAGE_TYPE = "package"
_FRAMEWORK = (2).to_bytes(32, "big")


def object_type(found: Stored) -> str:
    return PACKAGE_TYPE if found.type is None else type_text(found.type)


def is_coin(tag: StructTag | None) -> bool:
    return tag is not None and (tag.address, tag.module, tag.name) == (_FRAMEWORK, "coin", "Coin")


def balance(held: MoveObject) -> int:
    """Of a coin."""
    return int.from_bytes(held.contents[32:40], "little")


def render(found: Stored, mask: Mask, packages: Packages) -> v2.Object:
    message = v2.Object()
    if (submask := mask.get("bcs")) is not None:
        message.bcs = parts.bcs("Object", OBJECT.encode(found.value), submask)
    if "object_id" in mask:
        message.object_id = hexadecimal(found.object_id)
    if "version" in mask:
        message.version = found.version
    if "digest" in mask:
        message.digest = digest_text(found.digest)
    if "owner" in mask:
        message.owner = parts.owner(found.owner)
    if "object_type" in mask:
        message.object_type = object_type(found)
    if "previous_transaction" in mask:
        message.previous_transaction = digest_text(found.value.previous_transaction)
    if "storage_rebate" in mask:
        message.storage_rebate = found.value.storage_rebate
    match found.value.data:
        case MoveObject() as held:
            _move(message, found, held, mask, packages)
        case MovePackage() as package:
            if (submask := mask.get("package")) is not None:
                message.package = package_of(package, packages, submask)
    return message


def _move(message: v2.Object, found: Stored, held: MoveObject, mask: Mask, packages: Packages) -> None:
    tag = found.type
    assert tag is not None
    if "has_public_transfer" in mask:
        message.has_public_transfer = held.has_public_transfer
    if (submask := mask.get("contents")) is not None:
        message.contents = parts.bcs(type_text(tag), held.contents, submask)
    if "balance" in mask and is_coin(tag):
        message.balance = balance(held)
    if "json" in mask:
        message.json = to_json(packages, tag, held.contents)


def package_of(package: MovePackage, packages: Packages, mask: Mask = ALL) -> v2.Package:
    """Names and bytes; what is in the modules is for the package service to say."""
    message = v2.Package()
    if "storage_id" in mask:
        message.storage_id = hexadecimal(package.object_id)
    if "original_id" in mask:
        read = packages.get(package.object_id)
        message.original_id = hexadecimal(package.object_id if read is None else read.original_id)
    if "version" in mask:
        message.version = package.version
    if (submask := mask.get("modules")) is not None:
        message.modules = [
            v2.Module(name=name if "name" in submask else None, contents=code if "contents" in submask else None)
            for name, code in package.modules
        ]
    if "type_origins" in mask:
        message.type_origins = [
            v2.TypeOrigin(module_name=one.module, datatype_name=one.name, package_id=hexadecimal(one.package))
            for one in package.type_origins
        ]
    if "linkage" in mask:
        message.linkage = [
            v2.Linkage(
                original_id=hexadecimal(original),
                upgraded_id=hexadecimal(info.upgraded_id),
                upgraded_version=info.upgraded_version,
            )
            for original, info in package.linkage
        ]
    return message
