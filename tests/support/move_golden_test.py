"""The Move side of the golden events: runs the scenario in `daas::world` and compares every byte.

Invariant: the source is made from the events alone; the scenario's calls stand here and nowhere else.
"""

from collections.abc import Mapping, Sequence

from daas_chain.heads import Event
from daas_chain.layout import MoveStruct
from daas_protocol.receipt import SignedMessage

_HEAD = """\
/// Made by tests/support/move_golden_events.py: change the scenario there, not here.
/// Promise: every chained event has the bytes, and every chain the head, that Python computes for the same scenario.
#[test_only]
module daas::golden_events_tests;

"""
_SCENARIO = """\

fun same<Body: copy + drop>(expected: vector<vector<u8>>) {
    let found = event::events_by_type<Event<Body>>();
    assert_eq!(found.map!(|event| bcs::to_bytes(&event)), expected);
}

fun scenario(): World {
    let mut world = world::serving();
    world.submit(1);
    let off_chain = command::off_chain(sha2_256(b"payload"), 1_000_000);
    let command = world.command_with(2, 7, true, off_chain);
    world.submit_command(command);
    world.submit(3);
    let (message, signature) = receipt_1();
    requests::settle(&mut world, vector[1], message, signature);
    world.wait(210_000);
    requests::expire(&mut world, 2);
    requests::expire(&mut world, 3);
    users_and_workers(&mut world);
    changes(&mut world);
    world
}

fun users_and_workers(world: &mut World) {
    let ctx = &world.as_sender(world::user());
    let (cluster, admin, _, _, _, enclave, token, clock) = world.parts();
    enclave.beacon(cluster, clock);
    access::end_sessions(cluster, token, ctx);
    access::end_sessions(cluster, token, ctx);
    access::revoke(cluster, admin, token.token_id());
    let ctx = &mut world.as_sender(world::user());
    let (cluster, _, _, pool, registry, enclave, _, clock) = world.parts();
    let node = b"worker-1".to_string();
    registry.stake_and_register_worker(
        cluster,
        pool,
        world::mint(world::sui(1), ctx),
        node,
        sha2_256(b"join"),
        sha2_256(b"worker"),
        sha2_256(b"status"),
        clock,
        ctx,
    );
    let (message, signature) = join_token();
    registry.publish_join_token(cluster, enclave, message, signature, clock);
    world.wait(300_000);
    let ctx = &world.as_sender(world::user());
    let (cluster, _, _, pool, registry, enclave, _, clock) = world.parts();
    registry.mark_offline(cluster, node, clock);
    registry.deregister(cluster, pool, node, clock, ctx);
    let (message, signature) = handoff();
    enclave.handoff(cluster, message, signature, clock);
}

fun changes(world: &mut World) {
    let (cluster, admin, veto, _, _, _, _, clock) = world.parts();
    let params = params::default();
    cluster.propose(admin, cluster::anchor_change(sha2_256(b"second")), clock);
    cluster.propose(admin, cluster::policy_change(2, world::policy_pcrs(2)), clock);
    cluster.propose(admin, cluster::params_change(params), clock);
    cluster.propose(admin, cluster::params_change(params), clock);
    cluster.veto(veto, 2);
    world.wait(86_400_000);
    let (cluster, _, _, _, _, _, _, clock) = world.parts();
    cluster.activate(0, clock);
    cluster.activate(1, clock);
    cluster.activate(3, clock);
    world.register(2);
    world.wait(1);
    let document = world.document(2);
    let ctx = &world.as_sender(world::operator());
    let (cluster, admin, _, pool, _, enclave, _, clock) = world.parts();
    enclave.heartbeat_document(cluster, pool, &document, vector[], clock, ctx);
    cluster.raise_min_version(admin, 2);
    cluster.revoke_policy(admin, 2);
    cluster.freeze_policy(admin);
    cluster.retire_anchor(admin, world::anchor());
    cluster.admit_operator(admin, world::operator(), false);
}
"""


def source(
    events: Sequence[Event[MoveStruct]], messages: Mapping[str, SignedMessage], objects: Mapping[str, MoveStruct]
) -> str:
    """The text of move/daas/tests/golden_events_tests.move."""
    bodies = list(dict.fromkeys(type(event.body) for event in events))
    return _HEAD + _uses(bodies) + _SCENARIO + _tests(events, bodies) + _objects(objects) + _messages(messages)


def _uses(bodies: Sequence[type[MoveStruct]]) -> str:
    modules: dict[str, list[str]] = {"access": ["Self"], "cluster": ["Self"]}
    for body in bodies:
        module, name = body.MOVE.split("::")
        modules.setdefault(module, []).append(name)
    modules["heads"].append("Event")
    lines = [
        f"use daas::{module}::{{{', '.join(sorted(names, key=lambda name: (name != 'Self', name)))}}};"
        if len(names) > 1
        else f"use daas::{module}::{names[0]};"
        for module, names in modules.items()
    ]
    lines += ["use daas::command;", "use daas::params;", "use daas::requests;", "use daas::world::{Self, World};"]
    framework = ["use std::hash::sha2_256;", "use std::unit_test::assert_eq;", "use sui::bcs;", "use sui::event;"]
    return "\n".join(sorted(lines) + framework) + "\n"


def _tests(events: Sequence[Event[MoveStruct]], bodies: Sequence[type[MoveStruct]]) -> str:
    lines = ["", "#[test]", "fun every_event_has_the_bytes_that_python_computes() {", "    let world = scenario();"]
    for body in bodies:
        lines.append(f"    same<{body.MOVE.split('::')[1]}>(vector[")
        lines += [f'        x"{event.encode().hex()}",' for event in events if type(event.body) is body]
        lines.append("    ]);")
    state = [event.heads.state for event in events if event.heads.state][-1]
    mailbox = [event.heads.mailbox for event in events if event.heads.mailbox][-1]
    lines += [
        "    world.destroy();",
        "}",
        "",
        "#[test]",
        "fun both_chains_end_at_the_heads_that_python_computes() {",
        "    let world = scenario();",
        f"    assert_eq!(world.cluster().state_seq(), {state.seq});",
        f'    assert_eq!(world.cluster().state_head(), x"{state.head.hex()}");',
        f"    assert_eq!(world.enclave().mailbox_head().seq(), {mailbox.seq});",
        f'    assert_eq!(*world.enclave().mailbox_head().head(), x"{mailbox.head.hex()}");',
        "    world.destroy();",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _objects(objects: Mapping[str, MoveStruct]) -> str:
    lines = [
        "",
        "#[test]",
        "fun every_object_has_the_bytes_that_python_computes() {",
        "    let world = world::serving();",
    ]
    for name, each in objects.items():
        lines.append(f'    assert_eq!(bcs::to_bytes(world.{name}()), x"{each.encode().hex()}");')
    return "\n".join([*lines, "    world.destroy();", "}"]) + "\n"


def _messages(messages: Mapping[str, SignedMessage]) -> str:
    return "".join(
        f"\nfun {name}(): (vector<u8>, vector<u8>) {{\n"
        f'    (\n        x"{message.signing_bytes().hex()}",\n        x"{message.signature.hex()}",\n    )\n}}\n'
        for name, message in messages.items()
    )
