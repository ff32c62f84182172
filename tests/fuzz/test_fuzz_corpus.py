"""Every stored input keeps its target's promises: the corpus without the fuzzer, on every Python and every system."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random

import pytest

from fuzz import corpus, world
from fuzz.targets import TARGETS

MAX_CORPUS_BYTES = 512 * 1024
names = pytest.mark.parametrize("name", TARGETS)


@names
def test_every_input_of_the_corpus_keeps_the_promises(name: str) -> None:
    for data in corpus.inputs(name):
        TARGETS[name].check(data)


@names
def test_cut_and_changed_inputs_keep_them_too(name: str) -> None:
    """A fuzzer's first steps, with fixed randomness, for machines without one."""
    random, target = Random(name), TARGETS[name]
    seeds = list(target.seeds().values())
    for _ in range(60):
        data = bytearray(random.choice(seeds))
        if data:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        if target.mutate is not None and random.randrange(2):
            data = bytearray(target.mutate(bytes(data), random, lambda part: part[::-1]))
        target.check(bytes(data[: random.randrange(1, len(data) + 2)] if random.randrange(2) else data))


@names
def test_seeds_are_the_same_everywhere_and_fit_the_target(name: str) -> None:
    seeds = TARGETS[name].seeds()
    assert seeds == TARGETS[name].seeds()
    assert all(len(data) <= TARGETS[name].max_bytes for data in seeds.values())


def test_the_chain_of_the_corpus_is_made_from_constants_alone() -> None:
    assert world.chain.__wrapped__() == world.chain()
    # Another chain would be signed by the same keys, and what is stored would be truly signed and yet not of here:
    # with a new chain here the keys' names must change too.
    digest = "1d04a772cfa528c94d3db60c9144edc9bce7ad380bc520373be62b4e5dfd7061"
    assert hashlib.sha256(b"".join(world.chain())).hexdigest() == digest


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = list(corpus.FOLDER.glob("*"))
    assert {file.stem for file in files} <= set(TARGETS)
    assert sum(file.stat().st_size for file in files) < MAX_CORPUS_BYTES


def test_what_is_kept_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    found = tmp_path / "found"
    corpus.unpack("cbor", found)
    (found / "new").write_bytes(b"\x01")
    assert corpus.keep("cbor", found) == 1
    assert corpus.kept("cbor") == [b"\x01"]
    assert corpus.keep("cbor", found) == 0
