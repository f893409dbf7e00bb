"""The audit bundle: a book that can be checked on any machine, as files that are made one by one.

It refuses to hold personal values, other merchants' payments in a part, and a whole book in memory.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine import chart, tree
from engine.audit import Audit
from engine.book import record
from engine.checkpoint import Signed
from engine.clock import rfc3339
from engine.fire import Ledger
from engine.fold import COLUMNS
from engine.proofs import Tree
from engine.store import Store
from engine.verify import TEXT_COLUMNS

FORMAT = "strada/bundle/1"
EMBEDDED = 5_000
"""Entries that the page shows: beyond it, a browser is the wrong tool."""
_NODES = 100_000
"""Nodes of the tree kept in memory while proofs are made."""
_LINES = (
    "SELECT t.position, CAST(t.hash AS BLOB), CAST(e.entry AS BLOB) FROM tree t "
    "LEFT JOIN entries e ON e.stream = t.stream AND e.seq = t.seq WHERE t.position < ?{part} "
    "ORDER BY t.position"
)
_TIMES = frozenset(name for name in COLUMNS if name.endswith("_at"))
_ENTRY_COLUMNS = (
    "position stream seq occurred_at kind event source target actor request_id data hash"
).split()

File = tuple[str, Iterable[bytes]]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is exported: payments of a merchant, created from `since` to before `until` (µs).

    The whole book when nothing is given; only that holds the stream `book`.
    """

    merchant: str | None = None
    since: int | None = None
    until: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it is everything."""
        return self == Scope()

    def data(self) -> dict[str, Any]:
        """As the book notes it and the manifest says it."""
        times = {"since": self.since, "until": self.until}
        given = {name: max(0, at) for name, at in times.items() if at is not None}
        return given if self.merchant is None else {"merchant": self.merchant} | given

    def payments(self, column: str) -> tuple[str, list[Any]]:
        """SQL that holds for the streams in this scope."""
        if self.whole:
            return "1", []
        limits = {"merchant = ?": self.merchant, "created_at >= ?": self.since}
        limits |= {"created_at < ?": self.until}
        given = {sql: value for sql, value in limits.items() if value is not None}
        inside = f"SELECT id FROM transactions WHERE {' AND '.join(given)}"
        return f"{column} IN ({inside})", list(given.values())


class Bundle:
    """One export: its scope, and the signed head that it ends with."""

    def __init__(self, ledger: Ledger, audit: Audit, scope: Scope, signed: Signed) -> None:
        self._store: Store = ledger.store
        self._audit = audit
        self._made_at = ledger.clock.now_us()
        self.scope = scope
        self.signed = signed
        self.size = signed.checkpoint.size

    @classmethod
    def begin(cls, ledger: Ledger, audit: Audit, scope: Scope, actor: str) -> Bundle:
        """Note the export in the book, and sign the head over all there is, that note included."""
        audit.checkpoints.note_key(actor)
        audit.sequencer.drain()
        with ledger.store.write():
            kind = "whole" if scope.whole else "part"
            record(ledger, "exported", {"scope": kind} | scope.data(), actor)
        return cls(ledger, audit, scope, audit.checkpoints.head())

    def count(self) -> int:
        """How many entries it holds."""
        inside, params = self.scope.payments("stream")
        sql = f"SELECT COUNT(*) AS n FROM tree WHERE position < ? AND {inside}"
        return int(self._store.rows(sql, (self.size, *params))[0]["n"])

    def files(
        self, page: Callable[[Mapping[str, Any]], bytes], progress: Progress | None = None
    ) -> Iterator[File]:
        """Every file of the bundle: its name and its content in pieces, to be used in turn."""
        yield "log.jsonl", _counted(self.log(), progress)
        yield from self._charts()
        yield from ((f"checkpoints/{size}.txt", [note.encode()]) for size, note in self._notes())
        if not self.scope.whole:
            yield "proofs.jsonl", (_line(proof) for proof in self._proofs(self._places()))
        yield "public-key.pem", [_pem(self._audit.keys.current().raw)]
        yield "public-keys.txt", [f"{key.text()}\n".encode() for key in self._audit.known_keys()]
        yield "manifest.json", [json.dumps(self.manifest(), indent=2).encode() + b"\n"]
        yield "payments.csv", self._payments()
        yield "entries.csv", self._entries()
        yield "verify.py", [resources.files("engine").joinpath("bundle", "verify.py").read_bytes()]
        yield "index.html", [page(self.shown())]

    def manifest(self) -> dict[str, Any]:
        """What the bundle holds."""
        return {
            "format": FORMAT,
            "origin": self.signed.checkpoint.origin,
            "complete": self.scope.whole,
            "filter": self.scope.data(),
            "size": self.size,
            "root": self.signed.checkpoint.root.hex(),
            "entries": self.count(),
            "made_at": rfc3339(self._made_at),
        }

    def shown(self, fits: int = EMBEDDED) -> dict[str, Any]:
        """What the page shows: the newest payments, whole, as many as fit, each entry proven."""
        streams, complete = self._newest(fits)
        lines = [line for line in self._lines() if complete or _stream_of(line[2]) in streams]
        whole = complete and self.scope.whole
        places = [] if whole else [line[0] for line in lines]
        return {
            "manifest": self.manifest(),
            "embedded": {"entries": len(lines), "complete": complete},
            "lines": [{"position": p, "hash": h, "entry": e} for p, h, e in lines],
            "proofs": {str(one["position"]): one["path"] for one in self._proofs(places)},
            "charts": {version: chart.load(version) for version in self._versions()},
            "checkpoints": [note for _, note in self._notes()],
            "keys": [key.text() for key in self._audit.known_keys()],
        }

    # ---- parts

    def _rows(self, sql: str, column: str) -> Iterator[tuple[Any, ...]]:
        inside, params = self.scope.payments(column)
        part = "" if self.scope.whole else f" AND {inside}"
        return self._store.iterate(sql.format(part=part), (self.size, *params))

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        """(position, hash at that place of the tree, entry) in tree order."""
        for position, digest, entry in self._rows(_LINES, "t.stream"):
            yield position, _text(digest), _text(entry or b"")

    def log(self) -> Iterator[bytes]:
        """The lines of log.jsonl."""
        for position, digest, entry in self._lines():
            yield _line({"position": position, "hash": digest, "entry": entry})

    def _places(self) -> Iterator[int]:
        sql = "SELECT position FROM tree WHERE position < ?{part} ORDER BY position"
        return (row[0] for row in self._rows(sql, "stream"))

    def _proofs(self, places: Iterable[int]) -> Iterator[dict[str, Any]]:
        node = lru_cache(_NODES)(Tree(self._store).node)
        for position in places:
            path = tree.inclusion(position, self.size, node)
            yield {"position": position, "path": [one.hex() for one in path]}

    @staticmethod
    def _versions() -> list[str]:
        return [version for version in chart.versions() if chart.load(version)]

    def _charts(self) -> Iterator[File]:
        for version in self._versions():
            text = json.dumps(chart.load(version), ensure_ascii=False, indent=2)
            yield f"charts/{version.removeprefix('sha256:')}.json", [f"{text}\n".encode()]

    def _notes(self) -> list[tuple[int, str]]:
        """(size, note) of every checkpoint noted in the book so far, and of the last line."""
        rows = self._store.rows(
            "SELECT size, note FROM checkpoints WHERE size < ? ORDER BY size", (self.size,)
        )
        return [(row["size"], row["note"]) for row in rows] + [(self.size, self.signed.note)]

    def _newest(self, left: int) -> tuple[set[str], bool]:
        """The newest streams whose entries fit on the page, and whether these are all."""
        sql = "SELECT stream, COUNT(*) FROM tree WHERE position < ?{part} GROUP BY stream "
        sql += "ORDER BY MIN(position) DESC"
        streams: set[str] = set()
        for stream, count in self._rows(sql, "stream"):
            left -= count
            if left < 0:
                return streams, False
            streams.add(stream)
        return streams, True

    def _payments(self) -> Iterator[bytes]:
        names = ", ".join(f"CAST({n} AS BLOB)" if n in TEXT_COLUMNS else n for n in COLUMNS)
        placed = "EXISTS (SELECT 1 FROM tree WHERE stream = id AND seq = 1 AND position < ?){part}"
        yield csv_line(COLUMNS)
        sql = f"SELECT {names} FROM transactions WHERE {placed} ORDER BY id"
        for row in self._rows(sql, "id"):
            texts: list[Any] = [
                _text(value) if isinstance(value, bytes) else value for value in row
            ]
            shown = zip(COLUMNS, texts, strict=True)
            yield csv_line([rfc3339(v) if n in _TIMES else v for n, v in shown])

    def _entries(self) -> Iterator[bytes]:
        yield csv_line(_ENTRY_COLUMNS)
        for position, digest, entry in self._lines():
            fields = _parsed(entry) | {"position": position, "hash": digest}
            yield csv_line([_cell(name, fields.get(name)) for name in _ENTRY_COLUMNS])


def csv_line(values: Sequence[Any]) -> bytes:
    """One line; a spreadsheet must not run a name as a formula."""
    line = io.StringIO()
    safe = [f"'{v}" if isinstance(v, str) and v[:1] in tuple("=+-@") else v for v in values]
    csv.writer(line).writerow(safe)
    return line.getvalue().encode()


def _cell(name: str, value: Any) -> Any:
    if name == "occurred_at" and isinstance(value, int):
        return rfc3339(value)
    return json.dumps(value, separators=(",", ":")) if name == "data" else value


def _parsed(entry: str) -> dict[str, Any]:
    try:
        fields = json.loads(entry)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _stream_of(entry: str) -> Any:
    return _parsed(entry).get("stream")


def _counted(lines: Iterator[bytes], progress: Progress | None) -> Iterator[bytes]:
    for line in lines:
        yield line
        if progress is not None:
            progress(1)


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _pem(raw: bytes) -> bytes:
    public = Ed25519PublicKey.from_public_bytes(raw)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
