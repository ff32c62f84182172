"""MovePackageService: what is in packages, for clients that build calls.

Invariant: a type is named by the package version that defined it, as everywhere on the chain; what the linkage of a
package does not know is named as its code spells it.
Source: `move_package_service` of crates/sui-rpc-api, MystenLabs/sui.
"""

from __future__ import annotations

import asyncio

from grpclib.const import Status

from daas_chain.bytecode_types import (
    Ability,
    DatatypeParameter,
    EnumDefinition,
    Field,
    FunctionDefinition,
    Kind,
    Module,
    StructDefinition,
    Token,
    Visibility,
)
from daas_chain.sui.objects import MovePackage
from daas_localnet.vm.world import Package

from . import objects, texts
from .errors import RpcError, missing, not_found
from .limits import PACKAGE_VERSIONS_PAGE
from .mask import parse
from .node import Node
from .paging import page
from .proto import v2

_BODY = v2.OpenSignatureBodyType
_TYPES = {
    Kind.ADDRESS: _BODY.ADDRESS,
    Kind.BOOL: _BODY.BOOL,
    Kind.U8: _BODY.U8,
    Kind.U16: _BODY.U16,
    Kind.U32: _BODY.U32,
    Kind.U64: _BODY.U64,
    Kind.U128: _BODY.U128,
    Kind.U256: _BODY.U256,
}
_ABILITIES = (
    (Ability.COPY, v2.Ability.COPY),
    (Ability.DROP, v2.Ability.DROP),
    (Ability.STORE, v2.Ability.STORE),
    (Ability.KEY, v2.Ability.KEY),
)
_VISIBILITY = {
    Visibility.PRIVATE: v2.FunctionDescriptorVisibility.PRIVATE,
    Visibility.PUBLIC: v2.FunctionDescriptorVisibility.PUBLIC,
    Visibility.FRIEND: v2.FunctionDescriptorVisibility.FRIEND,
}
_WHOLE = parse(v2.Package, ("storage_id", "original_id", "version", "type_origins", "linkage"))
_TURN = 512
"""Objects that are looked at before another call has its turn."""


class PackageService:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._versions: tuple[int, dict[bytes, dict[int, bytes]]] | None = None

    async def get_package(self, request: v2.GetPackageRequest) -> v2.GetPackageResponse:
        stored, package = self._load(request.package_id)
        message = objects.package_of(stored, self._node.packages, _WHOLE)
        for name, code in stored.modules:
            message.modules.append(self._describe(package, name, code))
            await asyncio.sleep(0)
        return v2.GetPackageResponse(package=message)

    def _describe(self, package: Package, name: str, code: bytes) -> v2.Module:
        described = _Describer(self._node, package, package.modules[name])
        return v2.Module(name=name, contents=code, datatypes=described.datatypes(), functions=described.functions())

    async def get_datatype(self, request: v2.GetDatatypeRequest) -> v2.GetDatatypeResponse:
        described, name = self._module(request.package_id, request.module_name, request.name)
        found = described.datatype(name)
        if found is None:
            raise not_found(f"Datatype not found: {name[:128]}")
        return v2.GetDatatypeResponse(datatype=found)

    async def get_function(self, request: v2.GetFunctionRequest) -> v2.GetFunctionResponse:
        described, name = self._module(request.package_id, request.module_name, request.name)
        found = described.function(name)
        if found is None:
            raise not_found(f"Function not found: {name[:128]}")
        return v2.GetFunctionResponse(function=found)

    async def list_package_versions(self, request: v2.ListPackageVersionsRequest) -> v2.ListPackageVersionsResponse:
        _, package = self._load(request.package_id)
        original = package.original_id
        asked = page(request.page_size, request.page_token, b"versions", original, default=PACKAGE_VERSIONS_PAGE)
        start = int.from_bytes(asked.start, "big") if asked.start is not None else 0
        found = (await self._all_versions()).get(original, {})
        wanted = sorted(version for version in found if version >= start)
        shown = [
            v2.PackageVersion(package_id=texts.hexadecimal(found[one]), version=one) for one in wanted[: asked.size]
        ]
        token = asked.token(wanted[asked.size].to_bytes(8, "big")) if len(wanted) > asked.size else None
        return v2.ListPackageVersionsResponse(versions=shown, next_page_token=token)

    async def _all_versions(self) -> dict[bytes, dict[int, bytes]]:
        """By original id. The store finds no versions by themselves, and hardly anybody asks for them."""
        seen = self._node.publications
        if self._versions is not None and self._versions[0] == seen:
            return self._versions[1]
        found: dict[bytes, dict[int, bytes]] = {}
        for index, one in enumerate(self._node.every_object()):
            read = None if one.package is None else self._node.packages.get(one.object_id)
            if read is not None:
                found.setdefault(read.original_id, {})[one.version] = one.object_id
            if index % _TURN == _TURN - 1:
                await asyncio.sleep(0)
        self._versions = (seen, found)
        return found

    def _load(self, text: str | None) -> tuple[MovePackage, Package]:
        package_id = texts.address(text, "package_id")
        found = self._node.network.object(package_id)
        if found is None:
            raise not_found(f"Object {texts.hexadecimal(package_id)} not found")
        package = self._node.packages.get(package_id)
        if found.package is None or package is None:
            raise RpcError(Status.INVALID_ARGUMENT, f"object {texts.hexadecimal(package_id)} is not a package")
        return found.package, package

    def _module(self, package_id: str | None, module: str | None, name: str | None) -> tuple[_Describer, str]:
        if module is None:
            raise missing("module_name")
        if name is None:
            raise missing("name")
        _, package = self._load(package_id)
        found = package.modules.get(module)
        if found is None:
            raise not_found(f"Module not found: {module[:128]}")
        return _Describer(self._node, package, found), name


class _Describer:
    """The descriptions of one module."""

    def __init__(self, node: Node, package: Package, module: Module) -> None:
        self._node = node
        self._package = package
        self._module = module

    def datatypes(self) -> list[v2.DatatypeDescriptor]:
        return [self._datatype(one) for one in self._module.datatypes]

    def functions(self) -> list[v2.FunctionDescriptor]:
        return [self._function(one) for one in self._module.functions]

    def datatype(self, name: str) -> v2.DatatypeDescriptor | None:
        for one in self._module.datatypes:
            if self._name(self._module.datatype_handles[one.handle].name) == name:
                return self._datatype(one)
        return None

    def function(self, name: str) -> v2.FunctionDescriptor | None:
        for one in self._module.functions:
            if self._name(self._module.function_handles[one.handle].name) == name:
                return self._function(one)
        return None

    def _name(self, index: int) -> str:
        return self._module.identifiers[index]

    def _datatype(self, one: StructDefinition | EnumDefinition) -> v2.DatatypeDescriptor:
        handle = self._module.datatype_handles[one.handle]
        name = self._name(handle.name)
        defining = self._package.origins.get((self._module.name, name), self._package.storage_id)
        message = v2.DatatypeDescriptor(
            type_name=f"{texts.hexadecimal(self._package.storage_id)}::{self._module.name}::{name}",
            defining_id=texts.hexadecimal(defining),
            module=self._module.name,
            name=name,
            abilities=_abilities(handle.abilities),
            type_parameters=[_parameter(each) for each in handle.parameters],
        )
        if isinstance(one, EnumDefinition):
            message.kind = v2.DatatypeDescriptorDatatypeKind.ENUM
            message.variants = [
                v2.VariantDescriptor(name=self._name(each.name), position=index, fields=self._fields(each.fields))
                for index, each in enumerate(one.variants)
            ]
        else:
            message.kind = v2.DatatypeDescriptorDatatypeKind.STRUCT
            message.fields = self._fields(one.fields or ())
        return message

    def _fields(self, fields: tuple[Field, ...]) -> list[v2.FieldDescriptor]:
        return [
            v2.FieldDescriptor(name=self._name(one.name), position=index, type=self._body(one.type))
            for index, one in enumerate(fields)
        ]

    def _function(self, one: FunctionDefinition) -> v2.FunctionDescriptor:
        handle = self._module.function_handles[one.handle]
        return v2.FunctionDescriptor(
            name=self._name(handle.name),
            visibility=_VISIBILITY[one.visibility],
            is_entry=one.entry,
            type_parameters=[v2.TypeParameter(constraints=_abilities(each)) for each in handle.type_parameters],
            parameters=[self._signature(each) for each in self._module.signatures[handle.parameters]],
            returns=[self._signature(each) for each in self._module.signatures[handle.returns]],
        )

    def _signature(self, token: Token) -> v2.OpenSignature:
        match token.kind:
            case Kind.REFERENCE:
                reference = v2.OpenSignatureReference.IMMUTABLE
            case Kind.MUTABLE_REFERENCE:
                reference = v2.OpenSignatureReference.MUTABLE
            case _:
                return v2.OpenSignature(body=self._body(token))
        return v2.OpenSignature(reference=reference, body=self._body(token.arguments[0]))

    def _body(self, token: Token) -> v2.OpenSignatureBody:
        match token.kind:
            case Kind.VECTOR:
                inner = [self._body(token.arguments[0])]
                return v2.OpenSignatureBody(type=_BODY.VECTOR, type_parameter_instantiation=inner)
            case Kind.TYPE_PARAMETER:
                return v2.OpenSignatureBody(type=_BODY.TYPE_PARAMETER, type_parameter=token.index)
            case Kind.DATATYPE | Kind.DATATYPE_INSTANCE:
                return v2.OpenSignatureBody(
                    type=_BODY.DATATYPE,
                    type_name=self._type_name(token.index),
                    type_parameter_instantiation=[self._body(one) for one in token.arguments],
                )
        return v2.OpenSignatureBody(type=_TYPES.get(token.kind, _BODY.TYPE_UNKNOWN))

    def _type_name(self, handle: int) -> str:
        described = self._module.datatype_handles[handle]
        owner = self._module.module_handles[described.module]
        original = self._module.addresses[owner.address]
        module, name = self._name(owner.name), self._name(described.name)
        package: Package | None = self._package
        if original != self._package.original_id:
            package = self._node.packages.get(self._package.linkage.get(original, original))
        defining = original if package is None else package.origins.get((module, name), original)
        return f"{texts.hexadecimal(defining)}::{module}::{name}"


def _abilities(found: Ability) -> list[v2.Ability]:
    return [shown for one, shown in _ABILITIES if one in found]


def _parameter(one: DatatypeParameter) -> v2.TypeParameter:
    return v2.TypeParameter(constraints=_abilities(one.abilities), is_phantom=one.phantom)
