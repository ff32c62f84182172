"""A package with what only a program can do: objects that receive, debts, private entry functions."""

from __future__ import annotations

from functools import cache

from daas_cli import move_tool
from daas_cli.move_compiler import Bundled
from daas_cli.output import Progress

from .move_package import need_compiler

MANIFEST = '[package]\nname = "post"\nedition = "2024"\n\n[addresses]\npost = "0x0"\n'
SOURCE = """module post::post;

use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;
use sui::transfer::Receiving;

public struct POST has drop {}
public struct Box has key { id: UID, witnessed: bool }
public struct Debt { amount: u64 }
public struct Seen has copy, drop { value: u64 }
public struct Big has key, store { id: UID, data: vector<vector<u8>> }

fun init(otw: POST, ctx: &mut TxContext) {
    let witnessed = sui::types::is_one_time_witness(&otw);
    event::emit(Seen { value: 1 });
    transfer::share_object(Box { id: object::new(ctx), witnessed });
}

public fun take(box: &mut Box, ticket: Receiving<Coin<SUI>>): Coin<SUI> {
    transfer::public_receive(&mut box.id, ticket)
}

public fun witnessed(box: &Box): bool { box.witnessed }
public fun check(value: bool) { assert!(value); }
public fun borrow(amount: u64): Debt { Debt { amount } }
public fun repay(debt: Debt): u64 { let Debt { amount } = debt; amount }
entry fun note(value: u64) { event::emit(Seen { value }) }
public fun note_twice(value: u64) { note(value); note(value + 1) }
public fun number(): u64 { 7 }
public fun add(number: &mut u64, more: u64) { *number = *number + more }
public fun push(bytes: &mut vector<u8>, byte: u8) { bytes.push_back(byte) }
public fun big(size: u64, ctx: &mut TxContext): Big {
    let mut data = vector[];
    let mut chunk = vector[];
    1000u64.do!(|_| chunk.push_back(1));
    (size / 1000).do!(|_| data.push_back(chunk));
    Big { id: object::new(ctx), data }
}
public fun forever() { loop {} }
public fun sender_is(who: address, ctx: &TxContext): bool { ctx.sender() == who }
public fun sponsored(ctx: &TxContext): bool { ctx.sponsor().is_some() }
"""


@cache
def post() -> tuple[bytes, ...]:
    """The compiled modules; skips the test when there is no compiler."""
    need_compiler()
    with move_tool.locked():
        tool = move_tool.pinned()
        move_tool.install(tool, Progress(quiet=True))
    sources = {"Move.toml": MANIFEST, "sources/post.move": SOURCE}
    return tuple(Bundled(tool).build(sources, Progress(quiet=True)).modules)
