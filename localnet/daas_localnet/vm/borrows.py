"""The rules of references and of new ids, checked for a function whose types have been checked.

Invariant: in code that passes, nothing is written, moved or overwritten while a reference into it is alive that could
see it, no reference outlives the local it points into, and no two mutable references to a place can both be used.
So the host's aliases of a value are never seen by the program. An object is made with a UID that was made in the same
function and has been nowhere else.
Source: the rules of move-bytecode-verifier/src/reference_safety and of sui-verifier's id_leak_verifier in
MystenLabs/sui.
"""

from __future__ import annotations

from collections.abc import Sequence

from daas_chain.bytecode_code import Instruction
from daas_chain.bytecode_types import Ability, Kind

from .borrow_graph import ROOT, BorrowGraph, Label, Work
from .declarations import SYSTEM
from .errors import BorrowError, FlowError, FreshIdError
from .flow import Block, Flow
from .meter import Meter
from .opcodes import Op
from .types import Type
from .world import LinkedFunction

FRESH = -1
"""On the stack: a UID that was made and has not been in an object yet."""
FRAMEWORK = (2).to_bytes(32, "big")
MAKE_IDS = frozenset((("object", "new"), ("object", "new_uid_from_hash"), ("derived_object", "claim")))
"""The functions that make UIDs (id_leak_verifier)."""
_TEMPORARY = 1_000
"""Numbers of references on the stack; those in locals have the local's number and one."""
PASSES_MAX = 10_000
"""Blocks looked at in one function: more than any that comes from a compiler, and an end for all others."""
_TWO = frozenset(range(Op.ADD, Op.AND + 1)) | frozenset((Op.LT, Op.GT, Op.LE, Op.GE, Op.SHL, Op.SHR))
_NONE = frozenset(
    (Op.NOT, Op.NOP, Op.CAST_U8, Op.CAST_U16, Op.CAST_U32, Op.CAST_U64, Op.CAST_U128, Op.CAST_U256, Op.BRANCH)
)
_ONE_MORE = frozenset(
    (Op.LD_U8, Op.LD_U16, Op.LD_U32, Op.LD_U64, Op.LD_U128, Op.LD_U256, Op.LD_CONST, Op.LD_TRUE, Op.LD_FALSE)
)


class _State:
    """References at a point of the program: in locals, and in the graph."""

    def __init__(self, graph: BorrowGraph, locals_: dict[int, int], fresh: frozenset[int] = frozenset()) -> None:
        self.graph = graph
        self.locals = locals_
        self.fresh = fresh
        """Locals that hold a UID that nothing has had yet."""

    def copy(self) -> _State:
        return _State(self.graph.copy(), dict(self.locals), self.fresh)

    def joined(self, other: _State) -> _State:
        """What holds where two ways meet: references that both have, edges that one has."""
        mine, theirs = self.copy(), other.copy()
        mine.fresh &= theirs.fresh
        for one, rest in ((mine, theirs), (theirs, mine)):
            for local in [local for local in one.locals if local not in rest.locals]:
                one.graph.release(one.locals.pop(local))
        for parent, child, edge in theirs.graph.all():
            mine.graph.add(parent, child, edge)
        return mine

    def same(self, other: _State) -> bool:
        return (self.locals, self.fresh) == (other.locals, other.fresh) and set(self.graph.all()) == set(
            other.graph.all()
        )


def check(function: LinkedFunction, flow: Flow, locals_: Sequence[Type], meter: Meter) -> None:
    """Raises BorrowError, FlowError, MeterError."""
    if not any(one.reference for one in locals_) and not any(one.opcode in _NEEDED for one in flow.instructions):
        return
    _Checker(function, flow, locals_, meter).run()


class _Checker:
    def __init__(self, function: LinkedFunction, flow: Flow, locals_: Sequence[Type], meter: Meter) -> None:
        self.function = function
        self.flow = flow
        self.types = locals_
        self.module = function.owner.module
        self.offset = 0
        self.stack: list[int | None] = []
        self.meter = meter
        self.work = Work(meter, function.place)
        self.state = _State(BorrowGraph(self.work), {})
        self.next = _TEMPORARY

    def run(self) -> None:
        first = _State(BorrowGraph(self.work), {})
        for index, one in enumerate(self.function.parameters):
            if one.reference:
                first.graph.mutable[index + 1] = one.kind is Kind.MUTABLE_REFERENCE
                first.locals[index] = index + 1
        states = {0: first}
        waiting = [0]
        for _ in range(PASSES_MAX):
            if not waiting:
                return
            start = min(waiting)
            waiting.remove(start)
            block = self.flow.blocks[start]
            self.meter.take(block.end - block.start, self.function.place)
            after = self._block(block, states[start].copy())
            for target in {*block.targets, *((block.end,) if block.falls else ())}:
                if target not in states:
                    states[target] = after.copy()
                else:
                    joined = states[target].joined(after)
                    if joined.same(states[target]):
                        continue
                    states[target] = joined
                if target not in waiting:
                    waiting.append(target)
        raise FlowError(self.function.place, f"references settled after {PASSES_MAX} blocks", "none")

    def _block(self, block: Block, state: _State) -> _State:
        self.state, self.stack, self.next = state, [], _TEMPORARY
        for offset, one in enumerate(self.flow.instructions[block.start : block.end], block.start):
            self.offset = offset
            self._step(one)
        graph = self.state.graph
        names = {ROOT: ROOT, **{reference: local + 1 for local, reference in self.state.locals.items()}}
        for left in [one for one in graph.mutable if one not in names]:
            graph.release(left)
        locals_ = {local: local + 1 for local in self.state.locals}
        return _State(graph.renamed(names), locals_, self.state.fresh)

    def _require(self, allowed: bool, expected: str, actual: str) -> None:
        if not allowed:
            raise BorrowError(f"{self.function.place}:{self.offset}", expected, actual)

    # References

    def _new(self, mutable: bool) -> int:
        self.next += 1
        self.state.graph.mutable[self.next] = mutable
        return self.next

    def _pop(self, count: int = 1) -> list[int | None]:
        if count == 0:
            return []
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _drop(self, references: Sequence[int | None]) -> None:
        for one in references:
            if one is not None and one != FRESH:
                self.state.graph.release(one)

    def _reference(self) -> int:
        (found,) = self._pop()
        assert found is not None, "types were checked"
        return found

    def _readable(self, reference: int, label: Label | None = None) -> bool:
        graph = self.state.graph
        return not graph.mutable[reference] or not graph.borrowed(reference, label, mutably=True)

    def _values(self, count: int) -> None:
        self.stack.extend([None] * count)

    def _step(self, one: Instruction) -> None:
        opcode = one.opcode
        if opcode in _ONE_MORE:
            self.stack.append(None)
        elif opcode in _TWO:
            self._pop()
        elif opcode in _NONE:
            return
        elif opcode in (Op.COPY_LOC, Op.MOVE_LOC, Op.ST_LOC, Op.MUT_BORROW_LOC, Op.IMM_BORROW_LOC):
            self._local(Op(opcode), one.operand)
        elif opcode in (Op.CALL, Op.CALL_GENERIC):
            self._call(one)
        elif opcode == Op.RET:
            self._return()
        elif opcode in _FIELDS:
            self._fields(Op(opcode), one.operand)
        elif opcode in _VECTORS:
            self._vector(Op(opcode), one)
        else:
            self._other(Op(opcode), one)

    def _local(self, opcode: Op, local: int) -> None:
        state, graph = self.state, self.state.graph
        label: Label = ("local", local, 0, 0)
        held = state.locals.get(local)
        match opcode:
            case Op.COPY_LOC if held is not None:
                made = self._new(graph.mutable[held])
                graph.borrow(held, made, ())
                self.stack.append(made)
            case Op.COPY_LOC:
                self._require(not graph.borrowed(ROOT, label, mutably=True), "a local to copy", "one borrowed mutably")
                self.stack.append(None)
            case Op.MOVE_LOC if held is not None:
                self.stack.append(state.locals.pop(local))
            case Op.MOVE_LOC:
                self._require(not graph.borrowed(ROOT, label), "a local to move", "a borrowed one")
                self.stack.append(FRESH if local in state.fresh else None)
                state.fresh -= {local}
            case Op.ST_LOC:
                if held is not None:
                    graph.release(state.locals.pop(local))
                else:
                    self._require(not graph.borrowed(ROOT, label), "a local to set", "a borrowed one")
                (value,) = self._pop()
                state.fresh -= {local}
                if value == FRESH:
                    state.fresh |= {local}
                elif value is not None:
                    state.locals[local] = value
            case _:
                mutable = opcode is Op.MUT_BORROW_LOC
                if mutable:
                    state.fresh -= {local}
                allowed = mutable or not graph.borrowed(ROOT, label, mutably=True)
                self._require(allowed, "a local to borrow", "one borrowed mutably")
                made = self._new(mutable)
                graph.borrow(ROOT, made, (label,))
                self.stack.append(made)

    def _borrow_field(self, holder: int, label: Label, mutable: bool) -> None:
        graph = self.state.graph
        if mutable:
            self._require(not graph.borrowed_whole(holder), "a field to borrow mutably", "one borrowed as a whole")
        else:
            self._require(self._readable(holder, label), "a field to borrow", "one borrowed mutably")
        made = self._new(mutable)
        graph.borrow(holder, made, (label,))
        self.stack.append(made)

    def _fields(self, opcode: Op, operand: int) -> None:
        module = self.module
        match opcode:
            case Op.MUT_BORROW_FIELD | Op.IMM_BORROW_FIELD:
                handle = module.field_handles[operand]
            case Op.MUT_BORROW_FIELD_GENERIC | Op.IMM_BORROW_FIELD_GENERIC:
                handle = module.field_handles[module.field_instances[operand].of]
            case _:
                self._variant(opcode, operand)
                return
        holder = self._reference()
        mutable = opcode in (Op.MUT_BORROW_FIELD, Op.MUT_BORROW_FIELD_GENERIC)
        self._borrow_field(holder, ("field", handle.owner, handle.member, 0), mutable)
        self.state.graph.release(holder)

    def _variant(self, opcode: Op, operand: int) -> None:
        owner, tag = self._variant_of(opcode, operand)
        holder = self._reference()
        mutable = opcode in (Op.UNPACK_VARIANT_MUT_REF, Op.UNPACK_VARIANT_GENERIC_MUT_REF)
        for index in range(len(self.module.enums[owner].variants[tag].fields)):
            self._borrow_field(holder, ("variant", owner, tag, index), mutable)
        self.state.graph.release(holder)

    def _variant_of(self, opcode: Op, operand: int) -> tuple[int, int]:
        if opcode in _GENERIC_VARIANTS:
            handle = self.module.variant_instances[operand]
            return self.module.enum_instances[handle.owner].of, handle.member
        handle = self.module.variant_handles[operand]
        return handle.owner, handle.member

    def _call(self, one: Instruction) -> None:
        handle = one.operand if one.opcode == Op.CALL else self.module.function_instances[one.operand].of
        target = self.function.owner.target(handle)
        graph = self.state.graph
        given = [one for one in self._pop(len(target.parameters)) if one is not None and one != FRESH]
        for reference in given:
            if graph.mutable[reference]:
                self._require(not graph.borrowed(reference), "a mutable reference to give away", "a borrowed one")
        for type_ in target.returns:
            if not type_.reference:
                made_here = (target.owner.name, target.name) in MAKE_IDS and target.owner.address == FRAMEWORK
                self.stack.append(FRESH if made_here else None)
                continue
            mutable = type_.kind is Kind.MUTABLE_REFERENCE
            made = self._new(mutable)
            for reference in given:
                if graph.mutable[reference] or not mutable:
                    graph.borrow_somewhere(reference, made)
            self.stack.append(made)
        self._drop(given)

    def _return(self) -> None:
        graph = self.state.graph
        for reference in list(self.state.locals.values()):
            graph.release(reference)
        self.state.locals.clear()
        self._require(not graph.borrowed(ROOT), "a frame that nothing points into", "a reference to a local")
        returned = self._pop(len(self.function.returns))
        for one in returned:
            if one is not None and one != FRESH and graph.mutable[one]:
                self._require(not graph.borrowed(one), "a mutable reference to return", "a borrowed one")
        self._drop(returned)

    def _vector(self, opcode: Op, one: Instruction) -> None:
        graph = self.state.graph
        match opcode:
            case Op.VEC_PACK:
                self._pop(one.count)
                self._values(1)
                return
            case Op.VEC_UNPACK:
                self._pop()
                self._values(one.count)
                return
            case Op.VEC_SWAP:
                self._pop(2)
            case Op.VEC_PUSH_BACK | Op.VEC_IMM_BORROW | Op.VEC_MUT_BORROW:
                self._pop()
        items = self._reference()
        if opcode in (Op.VEC_LEN, Op.VEC_IMM_BORROW):
            self._require(self._readable(items), "a vector to look at", "one borrowed mutably")
        else:
            self._require(not graph.borrowed(items), "a vector to change", "a borrowed one")
        if opcode in (Op.VEC_IMM_BORROW, Op.VEC_MUT_BORROW):
            made = self._new(opcode is Op.VEC_MUT_BORROW)
            graph.borrow_somewhere(items, made)
            self.stack.append(made)
        graph.release(items)
        if opcode in (Op.VEC_LEN, Op.VEC_POP_BACK):
            self._values(1)

    def _other(self, opcode: Op, one: Instruction) -> None:
        graph, module = self.state.graph, self.module
        match opcode:
            case Op.POP | Op.BR_TRUE | Op.BR_FALSE | Op.ABORT | Op.VARIANT_SWITCH:
                found = self._pop()
                if opcode is Op.VARIANT_SWITCH and found[0] is not None:
                    self._require(self._readable(found[0]), "an enum to look at", "one borrowed mutably")
                self._drop(found)
            case Op.EQ | Op.NEQ:
                found = self._pop(2)
                for reference in found:
                    if reference is not None:
                        self._require(self._readable(reference), "a reference to compare", "one borrowed mutably")
                self._drop(found)
                self._values(1)
            case Op.READ_REF:
                read = self._reference()
                self._require(self._readable(read), "a reference to read", "one borrowed mutably")
                graph.release(read)
                self._values(1)
            case Op.WRITE_REF:
                written = self._reference()
                self._require(not graph.borrowed(written), "a reference to write to", "a borrowed one")
                graph.release(written)
                self._pop()
            case Op.FREEZE_REF:
                frozen = self._reference()
                self._require(not graph.borrowed(frozen, mutably=True), "a reference to freeze", "one borrowed mutably")
                made = self._new(False)
                graph.borrow(frozen, made, ())
                graph.release(frozen)
                self.stack.append(made)
            case Op.PACK | Op.UNPACK:
                self._struct(opcode is Op.PACK, one.operand)
            case Op.PACK_GENERIC | Op.UNPACK_GENERIC:
                self._struct(opcode is Op.PACK_GENERIC, module.struct_instances[one.operand].of)
            case _:
                owner, tag = self._variant_of(opcode, one.operand)
                packs = opcode in (Op.PACK_VARIANT, Op.PACK_VARIANT_GENERIC)
                self._pack(packs, len(module.enums[owner].variants[tag].fields))

    def _struct(self, packs: bool, index: int) -> None:
        struct = self.module.structs[index]
        fields = len(struct.fields or ())
        is_object = Ability.KEY in self.module.datatype_handles[struct.handle].abilities
        # The framework itself makes the objects whose ids are fixed.
        if packs and is_object and self.function.owner.address not in SYSTEM and self.stack[-fields] != FRESH:
            raise FreshIdError(f"{self.function.place}:{self.offset}", "a new UID in a new object", "another one")
        self._pack(packs, fields)

    def _pack(self, packs: bool, fields: int) -> None:
        self._pop(fields if packs else 1)
        self._values(1 if packs else fields)


_NEEDED = frozenset((Op.MUT_BORROW_LOC, Op.IMM_BORROW_LOC, Op.CALL, Op.CALL_GENERIC, Op.PACK, Op.PACK_GENERIC))
"""A function with none of these, and no reference, has nothing to be checked."""
_GENERIC_VARIANTS = frozenset(
    (
        Op.PACK_VARIANT_GENERIC,
        Op.UNPACK_VARIANT_GENERIC,
        Op.UNPACK_VARIANT_GENERIC_IMM_REF,
        Op.UNPACK_VARIANT_GENERIC_MUT_REF,
    )
)
_FIELDS = frozenset(
    (
        Op.MUT_BORROW_FIELD,
        Op.IMM_BORROW_FIELD,
        Op.MUT_BORROW_FIELD_GENERIC,
        Op.IMM_BORROW_FIELD_GENERIC,
        Op.UNPACK_VARIANT_IMM_REF,
        Op.UNPACK_VARIANT_MUT_REF,
        Op.UNPACK_VARIANT_GENERIC_IMM_REF,
        Op.UNPACK_VARIANT_GENERIC_MUT_REF,
    )
)
_VECTORS = frozenset(range(Op.VEC_PACK, Op.VEC_SWAP + 1))
