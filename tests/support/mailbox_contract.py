"""Requests to the real contract on a network of `follow_world`, sealed as a gateway does, settled as a relay does."""

from __future__ import annotations

import os
from dataclasses import dataclass

from daas_enclave.mailbox_admission import Slot
from daas_protocol import chain_feed as feed
from daas_protocol.command_words import command_words
from daas_protocol.request_envelope import EnvelopeInfo, L1Plaintext, seal
from daas_protocol.request_info import parse

from .contract_stage import CLOCK, FEE, STRANGER, USER
from .contract_steps import Held, flag, many, number, octets, text
from .follow_world import NetStage

CONFIGMAPS = "/api/v1/namespaces/dev/configmaps"


@dataclass
class Asked:
    """One request as its gateway made it."""

    request_id: bytes
    info: EnvelopeInfo
    ciphertext: bytes
    priority: int
    deliver: bool


@dataclass
class Requests:
    """Of USER by their only token, unless `token_id` says another, encrypted to `public_key`."""

    stage: NetStage
    public_key: bytes
    token_id: bytes | None = None

    @property
    def token(self) -> Held:
        return self.stage.token if self.token_id is None else self.stage.held(self.token_id)

    @property
    def slot(self) -> Slot:
        return Slot(self.stage.package, self.stage.cluster_id, self.stage.enclave_id)

    def ask(
        self,
        path: str = CONFIGMAPS,
        body: bytes = b"{}",
        priority: int = 5,
        key_id: int = 1,
        response_key: bytes | None = None,
    ) -> Asked:
        stage, words = self.stage, command_words(parse("POST", path))
        asked = L1Plaintext("POST", path, "", "application/json", os.urandom(16), stage.clock_ms, body, response_key)
        info = EnvelopeInfo(
            package=stage.package,
            cluster=stage.cluster_id,
            enclave=stage.enclave_id,
            key_id=key_id,
            requester=USER,
            token=self.token.object_id,
            request_id=os.urandom(16),
            verb=words.verb,
            group=words.group,
            resource=words.resource,
            subresource=words.subresource,
            namespace=words.namespace,
            request_digest=asked.digest_of(stage.package, stage.cluster_id, stage.enclave_id),
            deadline_ms=stage.clock_ms + 180_000,
        )
        return Asked(info.request_id, info, seal(info, asked, self.public_key), priority, response_key is not None)

    def submit(self, *requests: Asked) -> None:
        """One transaction; not certified yet."""
        draft = self.stage.by(USER)
        commands = []
        for one in requests:
            info = one.info
            payload = draft.call("command::on_chain", octets(one.ciphertext))
            words = [text(word) for word in (info.verb, info.group, info.resource, info.subresource, info.namespace)]
            commands.append(
                draft.call(
                    "command::new",
                    *words,
                    octets(info.request_id),
                    octets(info.request_digest),
                    number(info.deadline_ms),
                    number(one.priority, 8),
                    flag(one.deliver),
                    number(info.key_id),
                    payload,
                    number(FEE),
                )
            )
        stage = self.stage
        payment = draft.coin(len(requests) * FEE)
        batch = draft.vector(stage.tag("command", "Command"), commands)
        objects = (stage.enclave, stage.cluster, stage.pool, self.token)
        draft.call("mailbox::execute_kubectl_batch", *objects, batch, payment, CLOCK)
        draft.give(USER, payment)
        draft.runs()
        stage.seal()

    def settle(self, message: feed.Settle) -> None:
        """As a relay does, by a stranger."""
        draft, stage = self.stage.by(STRANGER), self.stage
        ids = many("vector<u8>", [octets(one) for one in message.request_ids])
        given = many("vector<u8>", [octets(one) for one in message.deliveries])
        said = (octets(message.message), octets(message.signature))
        draft.calls("mailbox::store_k8s_response", stage.enclave, stage.cluster, ids, given, *said, CLOCK)
        draft.runs()
        stage.seal()
