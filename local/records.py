"""What exists: JSON documents by account, region, kind and name, with the contract by which the gateway saves state."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Scope:
    """The account and region that a call works in."""

    account: str
    region: str

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}"


class Records:
    """Thread-safe; readers get copies, so that only `edit` changes a document."""

    def __init__(self) -> None:
        self._documents: dict[str, dict[str, dict[str, Document]]] = {}
        self._lock = threading.RLock()

    def get(self, scope: Scope, kind: str, name: str) -> Document | None:
        with self._lock:
            return deepcopy(self._kind(scope, kind).get(name))

    def put(self, scope: Scope, kind: str, name: str, document: Document) -> None:
        with self._lock:
            self._documents.setdefault(scope.key, {}).setdefault(kind, {})[name] = deepcopy(document)

    def remove(self, scope: Scope, kind: str, name: str) -> None:
        with self._lock:
            self._kind(scope, kind).pop(name, None)

    def all(self, scope: Scope, kind: str) -> list[Document]:
        with self._lock:
            return deepcopy(list(self._kind(scope, kind).values()))

    def everywhere(self, kind: str) -> list[tuple[Scope, str, Document]]:
        with self._lock:
            return [
                (Scope(*key.split("/", 1)), name, deepcopy(document))
                for key, kinds in self._documents.items()
                for name, document in kinds.get(kind, {}).items()
            ]

    @contextmanager
    def edit(self, scope: Scope, kind: str, name: str) -> Iterator[Document]:
        """The document itself, under the lock; KeyError when there is none."""
        with self._lock:
            yield self._kind(scope, kind)[name]

    def _kind(self, scope: Scope, kind: str) -> dict[str, Document]:
        return self._documents.get(scope.key, {}).get(kind, {})

    # The gateway's contract for a service's state: these three names, JSON in and out.
    def get_state(self) -> Document:
        with self._lock:
            return deepcopy(self._documents)

    def load_persisted_state(self, state: Document) -> None:
        with self._lock:
            self._documents = deepcopy(state)

    def reset(self) -> None:
        with self._lock:
            self._documents = {}
