"""Tax parts of refunds: whatever is refunded in whatever pieces, the totals are the order's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.money import Tax, TaxRefusal, split_refund, vat_of


@pytest.mark.parametrize(
    ("amount", "tax_free", "vat"),
    [(1000, 0, 91), (12_000, 0, 1091), (11, 0, 1), (5, 5, 0), (1, 0, 0)],
)
def test_vat_is_an_eleventh_rounded_half_up(amount: int, tax_free: int, vat: int) -> None:
    assert vat_of(amount, tax_free) == vat


@st.composite
def _orders(draw: st.DrawFn) -> Tax:
    amount = draw(st.integers(1, 10**12))
    tax_free = draw(st.integers(0, amount))
    return Tax(amount, tax_free, vat_of(amount, tax_free))


@given(order=_orders(), data=st.data())
def test_pieces_add_up_to_the_order(order: Tax, data: st.DataObject) -> None:
    remaining = order
    for _ in range(5):
        if remaining.amount < 2:
            break
        amount = data.draw(st.integers(1, remaining.amount - 1))
        low = max(0, amount - (remaining.amount - remaining.tax_free))
        tax_free = data.draw(st.integers(low, min(amount, remaining.tax_free)))
        try:
            part = split_refund(remaining, amount, tax_free, None)
        except TaxRefusal:
            continue
        remaining = remaining - part
        assert min(remaining.amount, remaining.tax_free, remaining.vat) >= 0
    if remaining.amount:
        assert split_refund(remaining, remaining.amount, None, None) == remaining


def test_parts_are_taken_away_and_added_again() -> None:
    whole, part = Tax(100, 40, 5), Tax(30, 10, 2)
    assert whole - part == Tax(70, 30, 3)
    assert whole - part + part == whole


@pytest.mark.parametrize(
    ("remaining", "asked", "part"),
    [
        (Tax(100, 40, 5), (50, 40, None), Tax(50, 40, 1)),  # all that is tax-free
        (Tax(100, 40, 5), (60, 0, None), Tax(60, 0, 5)),  # all that is taxed
        (Tax(100, 40, 5), (5, 0, 5), Tax(5, 0, 5)),  # nothing but VAT, and all of it
        (Tax(100, 40, 5), (55, 0, 0), Tax(55, 0, 0)),  # what is left is nothing but VAT
        (Tax(100, 40, 5), (100, 40, 5), Tax(100, 40, 5)),
        (Tax(100, 0, 2), (50, None, None), Tax(50, 0, 2)),  # capped by what remains
    ],
)
def test_parts_at_their_limits_are_taken(
    remaining: Tax, asked: tuple[int, int | None, int | None], part: Tax
) -> None:
    assert split_refund(remaining, *asked) == part


@pytest.mark.parametrize(
    ("amount", "tax_free", "vat", "code", "field"),
    [
        (50, None, None, "tax_free_amount_required", "tax_free_amount"),
        (50, 41, None, "tax_free_exceeds_balance", "tax_free_amount"),
        (30, 31, None, "tax_free_exceeds_balance", "tax_free_amount"),
        (70, 0, None, "taxed_exceeds_balance", "tax_free_amount"),
        (61, 0, None, "taxed_exceeds_balance", "tax_free_amount"),
        (50, 0, 9, "vat_exceeds_balance", "vat_amount"),
        (50, 0, 6, "vat_exceeds_balance", "vat_amount"),
        (43, 40, 4, "vat_exceeds_balance", "vat_amount"),
        (100, 39, None, "tax_free_must_empty", "tax_free_amount"),
        (100, 40, 4, "vat_must_empty", "vat_amount"),
        (58, 0, 0, "vat_exceeds_rest", "vat_amount"),
        (56, 0, 0, "vat_exceeds_rest", "vat_amount"),
    ],
)
def test_parts_that_cannot_be_are_refused(
    amount: int, tax_free: int | None, vat: int | None, code: str, field: str
) -> None:
    with pytest.raises(TaxRefusal) as caught:
        split_refund(Tax(100, 40, 5), amount, tax_free, vat)
    assert (str(caught.value), caught.value.code, caught.value.field) == (code, code, field)
