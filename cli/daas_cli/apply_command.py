"""`daas apply -f DIR`: every object of a folder in one transaction, accepted as a whole or not at all.

Invariant: nothing is sent before every document was read and its kind was found; what the enclave then answers for each
object is shown with its request id, and one that failed makes the command fail.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
import yaml
from rich.markup import escape

from . import context, instance
from .errors import ExitCode, RefusedError, UnreachableError, UnreadableError
from .gateway_client import GatewayClient, explain, mapping
from .output import JsonFlag, Progress, print_json, program, stdout

BATCH_PATH: Final = "/daas/local/batch"
BATCH_SECONDS: Final = 300.0
"""A request may take as long as its deadline, and a settlement some more."""
MANAGER: Final = "daas"
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_DOCUMENTS: Final = 1_000
SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
FIRST: Final = ("Namespace", "CustomResourceDefinition")
"""What others stand on; a batch is executed in its order."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object and the file that it is from."""

    source: str
    value: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.value["kind"])

    @property
    def name(self) -> str:
        return str(self.value["metadata"]["name"])


def apply(
    files: Annotated[
        list[Path],
        typer.Option("-f", "--file", metavar="PATH", help="File or folder of YAML or JSON; '-' is standard input."),
    ],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAME", help="For objects that name none.")
    ] = "default",
    priority: Annotated[
        int | None,
        typer.Option("--priority", min=1, max=10, help="8 to 10 go first, 1 to 3 last. Default: daas.yaml's."),
    ] = None,
    wait: Annotated[
        str,
        typer.Option("--wait", help="signed: until the enclave has answered; settled: until the contract has paid."),
    ] = "signed",
    force: Annotated[bool, typer.Option("--force", help="Take fields over that another manager owns.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Apply every object of files and folders through the contract, as one batch.

    One transaction asks for all of them: the contract takes every request or none, for one gas fee. Each is then a
    server-side apply of its own, in this order: namespaces, custom resources, the rest as they stand.
    """
    if wait not in ("signed", "settled"):
        raise UnreadableError(f"--wait {wait}: signed or settled", "leave it away to wait for the answers only")
    documents = sorted(_documents(files), key=_rank)
    if not documents:
        raise UnreadableError("there is no object in these files", "name files that end in .yaml, .yml or .json")
    home = context.home()
    known = instance.load(home)
    if known is None:
        raise UnreachableError(f"there is no instance in {home.root}", "start it: `daas up`")
    client = GatewayClient(home, known, timeout=BATCH_SECONDS)
    kinds = _Kinds(client)
    requests = [_request(one, kinds, namespace, force) for one in documents]
    body = {"version": 1, "requests": requests, "priority": priority, "deliver": None, "wait": wait}
    with Progress(quiet=as_json).step(f"{len(requests)} requests in one transaction"):
        answer = client.post(BATCH_PATH, json.dumps(body).encode())
    if answer.status == 404:
        raise RefusedError("this instance has no chain", f"use `{program()} kubectl apply`, or set chain in daas.yaml")
    if answer.status != 200:
        raise RefusedError(f"nothing was applied: {explain(answer)}", "correct what it names and try again")
    _report(documents, answer.json()["results"], as_json=as_json)


def _documents(files: Sequence[Path]) -> Iterator[Document]:
    count = 0
    for path in files:
        for source, text in _texts(path):
            for value in _parsed(source, text):
                count += 1
                if count > MAX_DOCUMENTS:
                    raise UnreadableError(f"more than {MAX_DOCUMENTS} objects", "apply them in several batches")
                yield value


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    if str(path) == "-":
        yield "standard input", sys.stdin.read(MAX_FILE_BYTES + 1)
        return
    try:
        found = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES) if path.is_dir() else [path]
        for one in found:
            with one.open(encoding="utf-8") as file:
                yield str(one), file.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise UnreadableError(f"cannot read {problem.filename or path}: {problem.strerror}", "check the path") from None
    except UnicodeDecodeError:
        raise UnreadableError(f"{path} has a file that is no text", "name YAML or JSON files only") from None


def _parsed(source: str, text: str) -> Iterator[Document]:
    if len(text) > MAX_FILE_BYTES:
        raise UnreadableError(f"{source} is larger than {MAX_FILE_BYTES} bytes", "is it the right file?")
    try:
        values = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        raise UnreadableError(f"{source} is no YAML: {problem}", "correct the file") from None
    for value in values:
        if value is None:
            continue
        listed = value["items"] if isinstance(value, dict) and value.get("kind") == "List" else [value]
        for one in listed if isinstance(listed, list) else [listed]:
            yield _checked(source, one)


def _checked(source: str, value: Any) -> Document:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    texts = [value.get("apiVersion"), value.get("kind")] if isinstance(value, dict) else [None]
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not all(isinstance(one, str) and one for one in (*texts, name)):
        raise UnreadableError(
            f"{source} has an object without apiVersion, kind or metadata.name",
            "give it all three; names cannot be made",
        )
    return Document(source, value)


def _rank(one: Document) -> int:
    return FIRST.index(one.kind) if one.kind in FIRST else len(FIRST)


class _Kinds:
    """Kinds by group and version, as the API server has them; asked once each."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client
        self._known: dict[str, list[Mapping[str, Any]]] = {}

    def find(self, one: Document) -> tuple[str, Mapping[str, Any]]:
        """The path of the group and the resource. Raises RefusedError."""
        version = str(one.value["apiVersion"])
        path = f"/apis/{quote(version)}" if "/" in version else f"/api/{quote(version)}"
        if path not in self._known:
            answer = self._client.get(path)
            found = answer.json() if answer.status == 200 else {}
            self._known[path] = [mapping(each) for each in mapping(found).get("resources", [])]
        for each in self._known[path]:
            if each.get("kind") == one.kind and "/" not in str(each.get("name")):
                return path, each
        raise RefusedError(
            f"{one.source}: the server does not know {one.kind} of {version}",
            "apply what defines it first, by itself: a batch is sent as a whole",
        )


def _request(one: Document, kinds: _Kinds, namespace: str, force: bool) -> dict[str, str]:
    path, resource = kinds.find(one)
    value = dict(one.value)
    if resource.get("namespaced") is True:
        named = one.value["metadata"].get("namespace") or namespace
        value["metadata"] = {**one.value["metadata"], "namespace": named}
        path += f"/namespaces/{quote(str(named), safe='')}"
    path += (
        f"/{resource['name']}/{quote(one.name, safe='')}?fieldManager={MANAGER}&force={'true' if force else 'false'}"
    )
    return {
        "method": "PATCH",
        "path": path,
        "accept": "application/json",
        "content_type": "application/apply-patch+yaml",
        "body": base64.b64encode(json.dumps(value).encode()).decode("ascii"),
    }


def _report(documents: Sequence[Document], results: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    rows = [_row(one, result) for one, result in zip(documents, results, strict=True)]
    if as_json:
        print_json({"objects": rows})
    else:
        for row in rows:
            what = f"{row['kind'].lower()}/{row['name']}"
            stdout().print(f"{escape(what)} {escape(row['outcome'])} [dim](request {row['request_id']})[/]")
    failed = [row for row in rows if not row["applied"]]
    if failed and as_json:
        raise typer.Exit(int(ExitCode.REFUSED))
    if failed:
        raise RefusedError(
            f"{len(failed)} of {len(rows)} objects were not applied",
            f"see above; `{program()} request get ID` shows an answer again",
        )


def _row(one: Document, result: Mapping[str, Any]) -> dict[str, Any]:
    status, problem = result["status"], mapping(result["problem"])
    applied = isinstance(status, int) and 200 <= status < 300
    if applied:
        outcome = "created" if status == 201 else "configured"
    elif problem:
        outcome = f"open: {problem.get('message')}"
    else:
        body = base64.b64decode(result["body"] or "")
        try:
            outcome = f"refused ({status}): {mapping(json.loads(body)).get('message')}"
        except ValueError:
            outcome = f"refused ({status})"
    return {
        "kind": one.kind,
        "name": one.name,
        "source": one.source,
        "applied": applied,
        "status": status,
        "outcome": outcome,
        "request_id": result["request_id"],
    }
