"""The relay's figures for Prometheus, beside the host's. Names are stable: dashboards are written against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from daas_host.relay_stats import RelayStats


def families(stats: RelayStats) -> Iterator[Metric]:
    """What is not known yet is left out."""
    yield _gauge("following", "1 while the relay follows the network.", int(stats.state == "following"))
    yield from _known("position", "The newest checkpoint that the journal has behind it.", stats.position)
    yield from _known("network_checkpoint", "The newest checkpoint that the node has.", stats.tip)
    yield from _known("lag_checkpoints", "Checkpoints between the two.", stats.lag_checkpoints)
    yield from _known("lag_seconds", "Age of the newest followed checkpoint.", _seconds(stats.lag_ms))
    yield from _known("beacon_age_seconds", "Since both heads were shown last.", _seconds(stats.beacon_age_ms))
    yield _gauge("enclave_connected", "1 while the enclave's chain port is connected.", int(stats.connected))
    yield from _known("enclave_checkpoint", "The newest checkpoint that the enclave has.", stats.enclave_checkpoint)
    yield _counter("connections", "Connections made to the chain port.", stats.connections)
    yield _counter("reconnects", "Times that the node was connected to again.", stats.reconnects)
    yield _gauges("queue", "Statements that wait for the chain.", "kind", stats.queue)
    yield _gauge("queue_bytes", "Their size.", stats.queue_bytes)
    yield _gauge("payloads", "Ciphertexts kept beside the chain.", stats.payloads)
    yield _gauge("payload_bytes", "Their size.", stats.payload_bytes)
    yield _counters("submitted", "Transactions that were executed.", "kind", stats.submitted)
    yield _counters("failed", "Transactions that were not, by reason.", "reason", stats.failed)
    yield _counters("dropped", "Statements given up, by reason.", "reason", stats.dropped)
    yield _counter("done_elsewhere", "Statements whose requests had an end already.", stats.done_elsewhere)
    # A rebate may be larger than what a transaction costs, so the sum can fall.
    yield _gauge("gas_mist", "Paid for gas, storage rebates taken off.", stats.gas_mist)
    yield _counters("sent", "Messages to the enclave.", "kind", stats.sent)
    yield _counters("received", "Messages of the enclave.", "kind", stats.received)
    yield _counters("refused", "What the enclave or this host has refused, by check.", "check", stats.refused)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _known(name: str, text: str, value: float | None) -> Iterator[Metric]:
    if value is not None:
        yield _gauge(name, text, value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"daas_host_relay_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"daas_host_relay_{name}", text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"daas_host_relay_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _counters(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"daas_host_relay_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
