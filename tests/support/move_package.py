"""A small Move package with one of everything, and its build by the real compiler."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from daas_cli import move_build, move_sources
from daas_cli.move_compiler import Choice
from daas_cli.output import Progress

MANIFEST = '[package]\nname = "daas"\nedition = "2024"\n\n[addresses]\ndaas = "0x0"\n'
ONE = """/// One of everything.
module daas::one;

use daas::two;
use sui::balance::Balance;
use sui::sui::SUI;

#[error]
const ETooMuch: vector<u8> = b"The amount is above the limit: give less";
#[error(code = 7)]
const EZero: vector<u8> = b"The amount is zero";
const LIMIT: u64 = 100;

public enum Shape has copy, drop, store { Dot, Circle { radius: u64 }, Box(u64, u64) }

public struct Purse<phantom T, U: store> has key, store { id: UID, funds: Balance<SUI>, shapes: vector<Shape>, more: U }

/// Twice the amount.
public fun twice(amount: u64): u64 {
    assert!(amount <= LIMIT, ETooMuch);
    assert!(amount > 0, EZero);
    two::add(amount, amount)
}

/// Aborts with a plain number, or with a line only.
public fun plain(number: bool): u64 {
    if (number) abort 42;
    assert!(number);
    0
}

public(package) fun area(shape: &Shape): u64 {
    match (shape) { Shape::Dot => 0, Shape::Circle { radius } => 3 * *radius * *radius, Shape::Box(a, b) => *a * *b }
}

entry fun make<T>(ctx: &mut TxContext) {
    let purse = Purse<T, u8> { id: object::new(ctx), funds: sui::balance::zero(), shapes: vector[Shape::Dot], more: 1 };
    transfer::public_transfer(purse, ctx.sender());
}

public fun spend<T, U: store, C: copy + drop>(purse: &mut Purse<T, U>, _shape: Option<Shape>, _c: &C): (u64, bool) {
    (purse.funds.value(), area(&purse.shapes[0]) == 0)
}
"""
TWO = "module daas::two;\n\npublic(package) fun add(a: u64, b: u64): u64 { a + b }\n"
ONE_TESTS = """#[test_only]
module daas::one_tests;

use daas::one;

#[test]
fun doubles() { assert!(one::twice(4) == 8) }

#[test, expected_failure(abort_code = daas::one::ETooMuch)]
fun refuses_too_much() { one::twice(101); }

#[test, expected_failure(abort_code = one::EZero)]
fun refuses_nothing() { one::twice(0); }
"""
TWO_TESTS = """#[test_only]
module daas::two_tests;

#[test]
fun adds() { assert!(daas::two::add(1, 2) == 3) }
"""


def write_package(folder: Path, **changed: str) -> Path:
    """The package in `folder`; `one`, `two`, `one_tests`, `two_tests` replace a file, an empty text leaves it out."""
    texts = {"one": ONE, "two": TWO, "one_tests": ONE_TESTS, "two_tests": TWO_TESTS} | changed
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Move.toml").write_text(MANIFEST)
    for name, text in texts.items():
        inner = folder / ("tests" if name.endswith("_tests") else "sources")
        inner.mkdir(exist_ok=True)
        if text:
            (inner / f"{name}.move").write_text(text)
    return folder


def need_compiler() -> None:
    """Skips where the Move compiler cannot run; `make test` has run `daas move test` before, which fails there."""
    for name in ("node", "npm", "cargo"):
        if shutil.which(name) is None:
            pytest.skip(f"no {name}")


def build_package(folder: Path) -> Path:
    """The build folder of the small package, made by the pinned compiler."""
    need_compiler()
    sources = move_sources.read(write_package(folder / "package"), tests=False)
    return move_build.build(sources, folder / "out", Choice.BUNDLED, Progress(quiet=True)).folder
