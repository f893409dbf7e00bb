"""Signed heads and proofs over HTTP, checked by somebody who trusts only the public key."""

from __future__ import annotations

from typing import Any

import pytest
from storefront import Site

from engine import tree
from engine.note import PublicKey, open_note


def get(site: Site, path: str, key: str | None = None, **headers: str) -> Any:
    return site.call("GET", f"/audit/{path}", key=site.auditor if key is None else key, **headers)


def head_of(site: Site, shown: dict[str, Any]) -> tuple[int, bytes]:
    """Size and root as signed, from an answer's own note and the public key alone."""
    line = get(site, "checkpoint", Accept="application/json").get_json()["public_key"]
    found = open_note(shown.get("checkpoint") or shown["note"], [PublicKey.parse(line)])
    return found.size, found.root


def test_the_head_is_a_note_and_the_same_as_json(site: Site) -> None:
    site.house.approved()
    note = get(site, "checkpoint")
    assert note.mimetype == "text/plain"
    shown = get(site, "checkpoint", Accept="application/json").get_json()
    assert note.text == shown["note"]
    assert head_of(site, shown) == (shown["size"], bytes.fromhex(shown["root"]))
    assert shown["size"] == len(site.house.store.rows("SELECT 1 FROM entries"))


def test_asking_for_heads_writes_nothing_into_the_log(site: Site) -> None:
    sizes = {get(site, "checkpoint", Accept="application/json").get_json()["size"] for _ in "123"}
    assert len(sizes) == 1


@pytest.mark.parametrize("seq", [1, 2, 3, 4])
def test_every_entry_is_proved_from_the_key_alone(site: Site, seq: int) -> None:
    txn = site.house.approved()
    site.house.approved()
    shown = get(site, f"proof/{txn}/{seq}").get_json()
    log = site.call("GET", f"/transactions/{txn}/transitions").get_json()["data"]
    assert shown["hash"] == log[seq - 1]["hash"]
    size, root = head_of(site, shown)
    leaf = tree.leaf_hash(bytes.fromhex(shown["hash"]))
    path = [bytes.fromhex(one) for one in shown["path"]]
    assert (leaf.hex(), root.hex(), size) == (shown["leaf"], shown["root"], shown["size"])
    assert tree.included(leaf, shown["position"], size, path, root)


def test_an_entry_is_proved_in_an_earlier_tree_that_had_it(site: Site) -> None:
    txn = site.house.approved()
    newest = get(site, f"proof/{txn}/2").get_json()
    site.house.approved()
    size, position = newest["size"], newest["position"]
    assert get(site, f"proof/{txn}/2?size={size}").get_json() == newest
    for wrong in (position, size + 99):
        answer = get(site, f"proof/{txn}/2?size={wrong}")
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["pointer"] == "/query/size"


def test_growth_is_proved_between_two_heads(site: Site) -> None:
    heads = []
    for _ in range(4):
        site.house.approved()
        heads.append(get(site, "checkpoint", Accept="application/json").get_json())
    for first in heads:
        for second in heads[heads.index(first) :]:
            query = f"consistency?from={first['size']}&to={second['size']}"
            shown = get(site, query).get_json()
            roots = [bytes.fromhex(one["root"]) for one in (first, second)]
            path = [bytes.fromhex(one) for one in shown["path"]]
            assert head_of(site, shown) == (second["size"], roots[1])
            assert tree.extends(first["size"], second["size"], *roots, path)


def test_the_larger_tree_is_the_newest_by_default(site: Site) -> None:
    txn = site.house.approved()
    shown = get(site, "consistency?from=1").get_json()
    assert shown["to"] == get(site, f"proof/{txn}/1").get_json()["size"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "/query/from"),
        ("from=0", "/query/from"),
        ("from=999999", "/query/from"),
        ("from=2&to=1", "/query/to"),
        ("from=1&to=999999", "/query/to"),
        ("from=1&from=2", "/query/from"),
        ("from=1&size=2", "/query/size"),
    ],
)
def test_sizes_that_cannot_be_are_named(site: Site, query: str, pointer: str) -> None:
    answer = get(site, f"consistency?{query}")
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.get_json()["errors"]] == [pointer]


def test_a_proof_needs_the_scope_and_the_merchant(site: Site) -> None:
    txn = site.house.approved()
    other = site.house.merchants.create_key("else", ["audit"], False, "operator:test")[1]
    assert get(site, f"proof/{txn}/1", key=other).status_code == 404
    for path in (f"proof/{txn}/1", "checkpoint", "consistency?from=1"):
        assert get(site, path, key=site.key).status_code == 403
        assert get(site, path, key="").status_code == 401
    assert get(site, "checkpoint", key=other).status_code == 200


@pytest.mark.parametrize("seq", ["0", "5", "01", "-1", "x", "9" * 40, "1%00"])
def test_an_entry_that_is_not_there_is_absent(site: Site, seq: str) -> None:
    assert get(site, f"proof/{site.house.approved()}/{seq}").status_code == 404


def test_the_book_is_not_a_merchants_business(site: Site) -> None:
    assert get(site, "proof/book/1").status_code == 404


def test_a_log_that_was_set_back_is_read_and_not_signed(site: Site) -> None:
    txn = site.house.approved()
    assert site.client.get("/readyz").get_json()["checks"]["log"] == "ok"
    _lose(site)
    assert get(site, "checkpoint").status_code == 503
    assert site.call("GET", f"/transactions/{txn}").status_code == 200
    refused = site.fire(txn, "complete")
    assert (refused.status_code, refused.get_json()["reason"]) == (503, "behind")
    ready = site.client.get("/readyz")
    assert (ready.status_code, ready.get_json()["checks"]["log"]) == (503, "behind")
    site.house.audit.checkpoints.accept_rollback("a test", "operator:test")


def _lose(site: Site) -> None:
    """Put a checkpoint outside that this log has not reached."""
    audit = site.house.audit
    head = audit.checkpoints.head().checkpoint
    audit.kept.write(audit.keys.sign(type(head)(head.origin, head.size + 1, head.root)))
    audit.rollback.trip()


def test_a_customer_comes_back_a_little_later(site: Site) -> None:
    made = site.create(return_url="https://shop.example/done")
    site.fire(made["id"], "ready")
    _lose(site)
    answer = site.client.get(f"/return/{site.house.tokens[-1]}/approved?pg_token=pg-token-1")
    assert answer.status_code == 503
    site.house.audit.checkpoints.accept_rollback("a test", "operator:test")
    site.house.work()
    again = site.client.get(f"/return/{site.house.tokens[-1]}/approved?pg_token=pg-token-1")
    assert "status=approved" in again.headers["Location"]
