"""The grammar of grants: `resource[.group][/sub]:verb[@namespace]`.

    grant     = resource [ "." group ] [ "/" sub ] ":" verb [ "@" namespace ]
    resource  = label | "*"          group = label *( "." label )          sub = label | "*"
    verb      = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection"
              | "read" | "write" | "*"
    label     = RFC 1123 label in lower case, at most 63 characters

Invariant: one grant has one text, and `allows` answers yes only for what the text names. Without a group the core
group is meant, as in RBAC (`pods`, not a custom resource of that name elsewhere); `*` alone is every resource of every
group. Subresources are named (`/sub`, `/*`), but for two: `pods/log` comes with read of pods, and `*:*` is everything.
Source: DESIGN.md section 5 (`access`).
"""

import re
from dataclasses import dataclass

READ_VERBS = frozenset({"get", "list", "watch"})
WRITE_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})
ALL_VERBS = READ_VERBS | WRITE_VERBS
ANY = "*"
CONNECT_SUBRESOURCES = frozenset({"exec", "attach", "portforward"})
"""Whatever HTTP method opens them, these do things: only `create` covers them."""
MAX_GRANT_CHARACTERS = 512
"""Above every grant of the grammar's own limits: 63 + 253 + 63 + 16 + 63 and the separators."""
MAX_GROUP_CHARACTERS = 253

_VERB_SETS: dict[str, frozenset[str]] = {
    **{verb: frozenset({verb}) for verb in ALL_VERBS},
    "read": READ_VERBS,
    "write": WRITE_VERBS,
    ANY: ALL_VERBS,
}
_VERB_NAMES = {verbs: name for name, verbs in _VERB_SETS.items()}
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_GRANT = re.compile(
    rf"(?P<resource>{_LABEL}|\*)(?:\.(?P<group>{_LABEL}(?:\.{_LABEL})*))?(?:/(?P<sub>{_LABEL}|\*))?"
    rf":(?P<verb>[a-z]+|\*)(?:@(?P<namespace>{_LABEL}))?",
    re.ASCII,
)


class GrantError(ValueError):
    """A text that is no grant, or a grant that has no text."""

    def __init__(self, actual: str, reason: str) -> None:
        self.actual = actual
        super().__init__(f"not a grant: {actual!r}: {reason}; the form is resource[.group][/sub]:verb[@namespace]")


@dataclass(frozen=True, slots=True)
class Grant:
    """`group` "" is the core group, None every group (only with resource `*`); `subresource` may be `*`;
    `namespace` None is the whole cluster."""

    group: str | None
    resource: str
    subresource: str | None
    verbs: frozenset[str]
    namespace: str | None

    def __post_init__(self) -> None:
        if self.verbs not in _VERB_NAMES:
            raise GrantError(", ".join(sorted(self.verbs)), "no verb of the grammar stands for this set")
        text = str(self)
        match = _GRANT.fullmatch(text)
        if match is None or len(self.group or "") > MAX_GROUP_CHARACTERS:
            raise GrantError(text[:MAX_GRANT_CHARACTERS], "a part is no label in lower case")
        parts = (_group(match), match["resource"], match["sub"], match["namespace"])
        if parts != (self.group, self.resource, self.subresource, self.namespace):
            raise GrantError(text[:MAX_GRANT_CHARACTERS], "a part contains a separator")

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        sub = "" if self.subresource is None else f"/{self.subresource}"
        namespace = "" if self.namespace is None else f"@{self.namespace}"
        return f"{self.resource}{group}{sub}:{_VERB_NAMES[self.verbs]}{namespace}"

    def allows(self, group: str, resource: str, subresource: str | None, verb: str, namespace: str | None) -> bool:
        """Whether one request is covered. `group` "" is the core group; `namespace` None or "": not in a namespace.

        A request on a Namespace itself is cluster-scoped, though its path carries a namespace.
        """
        if self.group is not None and self.group != group:
            return False
        if self.resource not in (ANY, resource) or verb not in self.verbs:
            return False
        if self.namespace is not None:
            of_a_namespace = resource == "namespaces" and group == ""
            if of_a_namespace or self.namespace != namespace:
                return False
        return self._allows_subresource(group, resource, subresource or None, verb)

    def _allows_subresource(self, group: str, resource: str, subresource: str | None, verb: str) -> bool:
        if subresource is None:
            return self.subresource is None
        if subresource in CONNECT_SUBRESOURCES and verb != "create":
            return False
        if self.subresource is not None:
            return self.subresource in (ANY, subresource)
        if self.resource == ANY and self.verbs == ALL_VERBS:
            return True
        is_log = (group, resource, subresource, verb) == ("", "pods", "log", "get")
        return is_log and self.verbs >= READ_VERBS


def _group(match: re.Match[str]) -> str | None:
    if match["group"] is None:
        return None if match["resource"] == ANY else ""
    return str(match["group"])


def parse_grant(text: str) -> Grant:
    """Strict: upper case, spaces, empty parts or unknown verbs raise `GrantError`."""
    if len(text) > MAX_GRANT_CHARACTERS:
        raise GrantError(text[:80] + "...", f"more than {MAX_GRANT_CHARACTERS} characters")
    match = _GRANT.fullmatch(text)
    if match is None:
        raise GrantError(text, "the text does not have the form")
    verbs = _VERB_SETS.get(match["verb"])
    if verbs is None:
        raise GrantError(text, f"unknown verb {match['verb']!r}, use one of {', '.join(sorted(_VERB_SETS))}")
    return Grant(_group(match), match["resource"], match["sub"], verbs, match["namespace"])
