"""The checks of a compiled module that need all of its tables.

Invariant: after `check` no index in the module points past the end of its table, no type is applied to a wrong number
of types, no name is defined twice, and what the module defines is its own. Raises only `BytecodeError`.
"""

from collections.abc import Hashable, Iterable

from .bytecode_code import OPERANDS, Operand, decode
from .bytecode_cursor import Cursor
from .bytecode_errors import DanglingIndexError, DuplicateError, OwnerError, TypeTokenError
from .bytecode_types import Code, Field, FunctionHandle, Kind, Module, Token


def check(module: Module) -> None:
    """Raises DanglingIndexError, TypeTokenError, DuplicateError, OwnerError."""
    _handles(module)
    _types(module)
    _definitions(module)
    _instances(module)
    for definition in module.functions:
        if definition.code is not None:
            _code(module, module.function_handles[definition.handle], definition.code)


def _within(index: int, size: int, what: str) -> None:
    if index >= size:
        raise DanglingIndexError(f"one of {size} {what}", str(index))


def _unique(items: Iterable[Hashable], what: str) -> None:
    seen = set()
    for item in items:
        if item in seen:
            raise DuplicateError(f"each of the {what} once", repr(item)[:80])
        seen.add(item)


def _handles(module: Module) -> None:
    names, addresses = len(module.identifiers), len(module.addresses)
    for handle in (*module.module_handles, *module.friends):
        _within(handle.address, addresses, "addresses")
        _within(handle.name, names, "identifiers")
    _within(module.self_handle, len(module.module_handles), "module handles")
    for datatype in module.datatype_handles:
        _within(datatype.module, len(module.module_handles), "module handles")
        _within(datatype.name, names, "identifiers")
    for function in module.function_handles:
        _within(function.module, len(module.module_handles), "module handles")
        _within(function.name, names, "identifiers")
        _within(function.parameters, len(module.signatures), "signatures")
        _within(function.returns, len(module.signatures), "signatures")
    _unique(module.identifiers, "identifiers")
    _unique(module.addresses, "addresses")
    _unique(module.module_handles, "module handles")
    _unique(module.friends, "friends")
    _unique(((handle.module, handle.name) for handle in module.datatype_handles), "datatype handles")
    _unique(((handle.module, handle.name) for handle in module.function_handles), "function handles")


def _types(module: Module) -> None:
    for signature in module.signatures:
        for token in signature:
            _token(module, token)
    for constant in module.constants:
        _token(module, constant.type)


def _token(module: Module, token: Token) -> None:
    if token.kind in (Kind.DATATYPE, Kind.DATATYPE_INSTANCE):
        _within(token.index, len(module.datatype_handles), "datatype handles")
        wanted = len(module.datatype_handles[token.index].parameters)
        if wanted != len(token.arguments) or (token.kind is Kind.DATATYPE_INSTANCE and wanted == 0):
            raise TypeTokenError(f"{wanted} type arguments", str(len(token.arguments)))
    for argument in token.arguments:
        if argument.kind in (Kind.REFERENCE, Kind.MUTABLE_REFERENCE):
            raise TypeTokenError("references only outermost", "one inside another type")
        _token(module, argument)


def _fields(module: Module, fields: tuple[Field, ...]) -> None:
    for field in fields:
        _within(field.name, len(module.identifiers), "identifiers")
        if field.type.kind in (Kind.REFERENCE, Kind.MUTABLE_REFERENCE):
            raise TypeTokenError("a field that is no reference", "a reference")
        _token(module, field.type)
    _unique((field.name for field in fields), "fields")


def _definitions(module: Module) -> None:
    for definition in module.datatypes:
        _within(definition.handle, len(module.datatype_handles), "datatype handles")
        _own(module, module.datatype_handles[definition.handle].module, "datatype")
    for struct in module.structs:
        _fields(module, struct.fields or ())
    for enum in module.enums:
        for variant in enum.variants:
            _within(variant.name, len(module.identifiers), "identifiers")
            _fields(module, variant.fields)
        _unique((variant.name for variant in enum.variants), "variants")
    for function in module.functions:
        _within(function.handle, len(module.function_handles), "function handles")
        _own(module, module.function_handles[function.handle].module, "function")
    _unique((definition.handle for definition in module.datatypes), "datatype definitions")
    _unique((function.handle for function in module.functions), "function definitions")


def _own(module: Module, owner: int, what: str) -> None:
    if owner != module.self_handle:
        raise OwnerError(f"a {what} of module handle {module.self_handle}", str(owner))


def _instances(module: Module) -> None:
    signatures = len(module.signatures)
    for instances, size, what in (
        (module.function_instances, len(module.function_handles), "function handles"),
        (module.struct_instances, len(module.structs), "structs"),
        (module.field_instances, len(module.field_handles), "field handles"),
        (module.enum_instances, len(module.enums), "enums"),
    ):
        for instance in instances:
            _within(instance.of, size, what)
            _within(instance.types, signatures, "signatures")
    for field in module.field_handles:
        _within(field.owner, len(module.structs), "structs")
        _within(field.member, len(module.structs[field.owner].fields or ()), "fields")
    for variant in module.variant_handles:
        _within(variant.owner, len(module.enums), "enums")
        _within(variant.member, len(module.enums[variant.owner].variants), "variants")
    for variant in module.variant_instances:
        _within(variant.owner, len(module.enum_instances), "enum instances")
        enum = module.enums[module.enum_instances[variant.owner].of]
        _within(variant.member, len(enum.variants), "variants")


def _code(module: Module, handle: FunctionHandle, code: Code) -> None:
    _within(code.locals, len(module.signatures), "signatures")
    local_count = len(module.signatures[handle.parameters]) + len(module.signatures[code.locals])
    for table in code.jump_tables:
        _within(table.enum, len(module.enums), "enums")
        for offset in table.offsets:
            _within(offset, code.count, "instructions")
    sizes = {
        Operand.OFFSET: code.count,
        Operand.LOCAL: local_count,
        Operand.CONSTANT: len(module.constants),
        Operand.FIELD: len(module.field_handles),
        Operand.FIELD_INSTANCE: len(module.field_instances),
        Operand.FUNCTION: len(module.function_handles),
        Operand.FUNCTION_INSTANCE: len(module.function_instances),
        Operand.STRUCT: len(module.structs),
        Operand.STRUCT_INSTANCE: len(module.struct_instances),
        Operand.SIGNATURE: len(module.signatures),
        Operand.SIGNATURE_AND_COUNT: len(module.signatures),
        Operand.VARIANT: len(module.variant_handles),
        Operand.VARIANT_INSTANCE: len(module.variant_instances),
        Operand.JUMP_TABLE: len(code.jump_tables),
    }
    for instruction in decode(Cursor(code.instructions, 0, len(code.instructions)), code.count):
        kind = OPERANDS[instruction.opcode]
        if kind in sizes:
            _within(instruction.operand, sizes[kind], kind.value)
