"""Query strings: one spelling each, and nothing that was not asked for."""

import pytest

from web.problems import Problem
from web.queries import ListQuery, boolean, parse_list_query, parse_query, whole

STATUSES = ("created", "ready", "approved")


def test_a_list_query_is_read() -> None:
    pairs = [("status", "ready"), ("needs_review", "true"), ("limit", "100"), ("order_id", "o-1")]
    times = [("created_after", "1970-01-01T00:00:01.5Z"), ("cursor", "abc_-")]
    assert parse_list_query(pairs + times, statuses=STATUSES) == ListQuery(
        status="ready",
        needs_review=True,
        limit=100,
        order_id="o-1",
        created_after=1_500_000,
        cursor="abc_-",
    )
    assert parse_list_query([], statuses=STATUSES) == ListQuery(limit=20)


@pytest.mark.parametrize(
    ("pairs", "pointer"),
    [
        ([("status", "paid")], "/query/status"),
        ([("status", "ready"), ("status", "ready")], "/query/status"),
        ([("limit", "0")], "/query/limit"),
        ([("limit", "101")], "/query/limit"),
        ([("limit", "\u0661")], "/query/limit"),
        ([("limit", "1_0")], "/query/limit"),
        ([("limit", " 1")], "/query/limit"),
        ([("limit", "9" * 5000)], "/query/limit"),
        ([("limit", "")], "/query/limit"),
        ([("needs_review", "1")], "/query/needs_review"),
        ([("provider", "A")], "/query/provider"),
        ([("order_id", "a b")], "/query/order_id"),
        ([("created_after", "yesterday")], "/query/created_after"),
        ([("created_after", "2026-02-30T00:00:00Z")], "/query/created_after"),
        ([("created_before", "2026-01-01T00:00:00")], "/query/created_before"),
        ([("cursor", "a/../b")], "/query/cursor"),
        ([("page", "2")], "/query/page"),
        ([("<x>", "2")], "/query"),
    ],
)
def test_list_queries_tolerate_nothing(pairs: list[tuple[str, str]], pointer: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_list_query(pairs, statuses=STATUSES)
    assert refused.value.status == 422
    assert [error["pointer"] for error in refused.value.members["errors"]] == [pointer]


def test_other_queries_bring_their_own_readers() -> None:
    readers = {"dry_run": boolean, "at_seq": whole(1, 10**9)}
    assert parse_query([("dry_run", "true"), ("at_seq", "7")], readers) == {
        "dry_run": True,
        "at_seq": 7,
    }
