"""The gateway's figures for Prometheus; names are stable."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 5, 15, 60)


class Metrics:
    """One registry per gateway, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        requests = Counter("daas_gateway_requests", "Requests by how they ended", ("outcome",), registry=self.registry)
        self.answered = requests.labels("answered")
        self.streamed = requests.labels("streamed")
        self.upgraded = requests.labels("upgraded")
        self.cached = requests.labels("cached")
        self.refused = requests.labels("refused")
        self.failed = requests.labels("failed")
        self.seconds = Histogram(
            "daas_gateway_request_seconds",
            "From the whole request to its verified answer (unary answers)",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.through_contract = Counter(
            "daas_gateway_contract_requests", "Requests answered through the contract", registry=self.registry
        )
        self.contract_seconds = Histogram(
            "daas_gateway_contract_seconds",
            "From the whole request to its verified answer, through the contract",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.errors = Counter(
            "daas_gateway_errors", "Refusals and failures by name", ("error",), registry=self.registry
        )
        self.receipts = Counter("daas_gateway_receipts", "Receipts verified", registry=self.registry)
        self.equivocations = Counter(
            "daas_gateway_equivocations", "Sequences with two signed contents", registry=self.registry
        )
        self.attestations = Counter(
            "daas_gateway_attestations", "Attestation documents verified", registry=self.registry
        )
        self.sessions = Counter("daas_gateway_sessions", "Sessions posted", registry=self.registry)
        self.channels_busy = Gauge("daas_gateway_channels_busy", "Connections in use", registry=self.registry)
        self.channels_idle = Gauge("daas_gateway_channels_idle", "Idle connections", registry=self.registry)
        self.store_waiting = Gauge("daas_gateway_store_waiting", "Receipts not on disk yet", registry=self.registry)
