"""Each instruction as lines of host code, with its operands' types checked on the way.

Invariant: a line does to the host's values what the instruction does to Move's, and raises the signal that the Move VM
reports where it fails; an instruction on values of other types than it takes, or without the ability it needs, is
refused here and never becomes code. Names in the code are made of numbers only: nothing of a module's text gets in.
"""

from __future__ import annotations

from collections.abc import Callable

from daas_chain.bytecode_code import Instruction
from daas_chain.bytecode_types import Ability, Instance

from .errors import TypeSizeError, TypeSizeSignal, VisibilityError
from .instances import Instantiation
from .limits import HEIGHT
from .numbers import BITWISE, CASTS, LOADS, LOGIC, ORDER, Numbers
from .opcodes import Op
from .structures import Structures
from .types import Type, substitute
from .world import LinkedFunction

FRAMEWORK = (2).to_bytes(32, "big")
NODES_FREE = 8
"""Nodes of the types of a call that are made when it runs: so many are the instruction's own, others cost a unit."""
OWN_TYPES = frozenset(
    [("event", "emit"), ("event", "emit_authenticated")]
    + [("transfer", name) for name in ("transfer", "party_transfer", "freeze_object", "share_object", "receive")]
)
"""Where the bytecode verifier of Sui asks that the type argument is the calling module's own."""


class Instructions(Structures, Numbers):
    """Translates the instructions of one function but branches."""

    def step(self, one: Instruction) -> None:
        """Any instruction that ends no block."""
        try:
            _HANDLERS[Op(one.opcode)](self, one)
            self.highest = max(self.highest, len(self.stack))
        except TypeSizeSignal as problem:
            raise TypeSizeError(f"{self.place}:{self.offset}", "a smaller type", problem.detail) from None

    def call(self, one: Instruction) -> None:
        module = self.module.module
        types: tuple[Type, ...] = ()
        if one.opcode == Op.CALL_GENERIC:
            instance: Instance = module.function_instances[one.operand]
            target, types = self.module.target(instance.of), self.module.instance(instance)
        else:
            target = self.module.target(one.operand)
        if not self.module.may_call(target):
            raise VisibilityError(f"{self.place}:{self.offset}", "a function that may be called", target.place)
        self._require_types(target.constraints, types, target.place)
        self._require_own(target, types)
        arguments = self.pop_many(tuple(substitute(type_, types) for type_ in target.parameters))
        self.calls.append(target)
        given = "()"
        if types:
            open_nodes = sum(type_.nodes for type_ in types if not type_.closed)
            given = self.constant(Instantiation(types)) + "(types)" if open_nodes else self.constant(types)
            if open_nodes > NODES_FREE:
                self.emit(f"run.left -= {open_nodes - NODES_FREE}")
        code = ", ".join(
            ("run", given, f"depth + {1 + HEIGHT * len(self.stack)}", *(argument.code for argument in arguments))
        )
        returns = tuple(substitute(type_, types) for type_ in target.returns)
        called = f"F{len(self.calls) - 1}({code})"
        if not returns:
            self.emit(called)
        elif len(returns) == 1:
            self.compute(returns[0], called)
        else:
            self._spread(returns, called, "")

    def _require_own(self, target: LinkedFunction, types: tuple[Type, ...]) -> None:
        """Some of the framework's functions take only types of the module that calls them."""
        name = (target.owner.name, target.name)
        if target.owner.address != FRAMEWORK or name not in OWN_TYPES or self.module.address == FRAMEWORK:
            return
        datatype = types[0].datatype
        if datatype is None or (datatype.original, datatype.module) != (self.module.address, self.module.name):
            raise VisibilityError(
                f"{self.place}:{self.offset}", f"a type of this module for {target.place}", str(types[0])
            )

    def pop_top(self, _: Instruction) -> None:
        self.require(self.pop().type, Ability.DROP)

    def nothing(self, _: Instruction) -> None:
        """NOP."""


_I = Instructions
_HANDLERS: dict[Op, Callable[[Instructions, Instruction], None]] = {
    Op.POP: _I.pop_top,
    Op.NOP: _I.nothing,
    Op.LD_CONST: _I.load_const,
    Op.LD_TRUE: _I.load_bool,
    Op.LD_FALSE: _I.load_bool,
    Op.COPY_LOC: _I.copy_loc,
    Op.MOVE_LOC: _I.move_loc,
    Op.ST_LOC: _I.st_loc,
    Op.READ_REF: _I.read_ref,
    Op.WRITE_REF: _I.write_ref,
    Op.FREEZE_REF: _I.freeze_ref,
    Op.ADD: _I.add,
    Op.MUL: _I.add,
    Op.SUB: _I.subtract,
    Op.NOT: _I.negate,
    Op.VEC_PACK: _I.vec_pack,
    Op.VEC_LEN: _I.vec_len,
    Op.VEC_IMM_BORROW: _I.vec_borrow,
    Op.VEC_MUT_BORROW: _I.vec_borrow,
    Op.VEC_PUSH_BACK: _I.vec_push,
    Op.VEC_POP_BACK: _I.vec_pop,
    Op.VEC_UNPACK: _I.vec_unpack,
    Op.VEC_SWAP: _I.vec_swap,
    Op.UNPACK_VARIANT: _I.unpack_variant,
    Op.UNPACK_VARIANT_GENERIC: _I.unpack_variant,
    **dict.fromkeys((Op.MUT_BORROW_LOC, Op.IMM_BORROW_LOC), _I.borrow_loc),
    **dict.fromkeys((Op.MUT_BORROW_FIELD, Op.IMM_BORROW_FIELD), _I.borrow_field),
    **dict.fromkeys((Op.MUT_BORROW_FIELD_GENERIC, Op.IMM_BORROW_FIELD_GENERIC), _I.borrow_field),
    **dict.fromkeys((Op.CALL, Op.CALL_GENERIC), _I.call),
    **dict.fromkeys((Op.PACK, Op.PACK_GENERIC), _I.pack),
    **dict.fromkeys((Op.UNPACK, Op.UNPACK_GENERIC), _I.unpack),
    **dict.fromkeys((Op.PACK_VARIANT, Op.PACK_VARIANT_GENERIC), _I.pack_variant),
    **dict.fromkeys((Op.UNPACK_VARIANT_IMM_REF, Op.UNPACK_VARIANT_MUT_REF), _I.unpack_variant_ref),
    **dict.fromkeys((Op.UNPACK_VARIANT_GENERIC_IMM_REF, Op.UNPACK_VARIANT_GENERIC_MUT_REF), _I.unpack_variant_ref),
    **dict.fromkeys((Op.MOD, Op.DIV), _I.divide),
    **dict.fromkeys(BITWISE, _I.bitwise),
    **dict.fromkeys(LOGIC, _I.logic),
    **dict.fromkeys(ORDER, _I.order),
    **dict.fromkeys((Op.EQ, Op.NEQ), _I.equal),
    **dict.fromkeys((Op.SHL, Op.SHR), _I.shift),
    **dict.fromkeys(LOADS, _I.load),
    **dict.fromkeys(CASTS, _I.cast),
}
"""What each instruction becomes; RET, ABORT and branches are the translator's own."""
