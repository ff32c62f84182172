"""One boot's mailbox as a process of its own that kills itself where a test says: `python -m support.mailbox_process`.

In: a JSON file. Out: a JSON line for each receipt that was signed, and `{"all": true}` when every request has one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import structlog

from daas_chain.events_mailbox import K8sAPIRequest
from daas_enclave.etcd_client import Etcd, EtcdTarget
from daas_enclave.mailbox_execute import Connection
from daas_enclave.mailbox_marks import Marks
from daas_enclave.mailbox_work import Worker
from daas_enclave.request_keys import RequestKeys
from daas_enclave.runtime import ApiServer
from daas_protocol import receipt as wire

from .enclave_path import AUTHORIZATION
from .mailbox_world import Boot, Chain

POINTS = ("begin", "begun", "executed", "done", "signed")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(point: str, seq: int) -> None:
    """Replaces one step by itself and a SIGKILL beside it."""
    begin, finish, ask, sign = Marks.begin, Marks.finish, Connection.ask, Worker._sign

    async def killing_begin(self: Marks, at: int, mark: Any) -> Any:
        if at == seq and point == "begin":
            die()
        found = await begin(self, at, mark)
        if at == seq and point == "begun":
            die()
        return found

    async def killing_ask(self: Connection, admitted: Any, token: bytes, seconds: float = 30) -> Any:
        answered = await ask(self, admitted, token, seconds)
        if point == "executed" and admitted.plaintext.body == b"%d" % seq:
            die()
        return answered

    async def killing_finish(self: Marks, at: int, mark: Any, begun: Any) -> int:
        revision = await finish(self, at, mark, begun)
        if at == seq and point == "done":
            die()
        return revision

    def killing_sign(self: Worker, request: K8sAPIRequest, *rest: Any, **more: Any) -> None:
        sign(self, request, *rest, **more)
        if request.mailbox_seq == seq and point == "signed":
            die()

    marks: Any = Marks
    connection: Any = Connection
    worker: Any = Worker
    marks.begin, marks.finish = killing_begin, killing_finish
    connection.ask, worker._sign = killing_ask, killing_sign


def say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def run(given: dict[str, Any]) -> None:
    seed = bytes.fromhex(given["seed"])
    keys = RequestKeys(lambda _: bytes([*seed]))
    chain = Chain(keys.public_bytes)
    chain.next_seq = given["next_seq"]
    for text in given["requests"]:
        request = K8sAPIRequest.decode(bytes.fromhex(text))
        chain.pending[request.mailbox_seq] = request
    tls = ssl.create_default_context(cafile=given["etcd_ca"])
    tls.load_cert_chain(given["etcd_cert"], given["etcd_key"])
    etcd = Etcd(EtcdTarget(given["etcd_port"], tls, "localhost"))
    api_tls = ssl.create_default_context(cafile=given["api_ca"])
    api = ApiServer("127.0.0.1", given["api_port"], api_tls, "localhost", api_tls, AUTHORIZATION)
    boot = Boot(chain, etcd, api, keys, bytes.fromhex(given["boot_id"]))
    if given.get("point"):
        kill_at(given["point"], given["seq"])
    boot.start()
    for request in [*chain.pending.values()]:
        receipt, stored = await boot.answer(request)
        assert receipt.mailbox is not None
        say(
            {
                "seq": request.mailbox_seq,
                "status": receipt.status,
                "digest": receipt.body_digest.hex(),
                "round": receipt.mailbox.round_checkpoint,
                "revision": receipt.mailbox.revision,
                "kept": stored.body is not None,
                "sequence": wire.SignedMessage.decode(stored.receipt).receipt().sequence,
            }
        )
    say({"all": True})
    await boot.mailbox.stop(5)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
