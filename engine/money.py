"""Tax arithmetic on integer minor units. It refuses fractions: every rounding is named here."""

from __future__ import annotations

from dataclasses import dataclass

VAT_PARTS = 11
"""Korean VAT is one part in eleven of the taxed, VAT-inclusive amount."""


@dataclass(frozen=True, slots=True)
class Tax:
    """The parts of an amount, in minor units; `amount` includes both."""

    amount: int
    tax_free: int
    vat: int

    def __sub__(self, other: Tax) -> Tax:
        """What is left of this when `other` is taken away."""
        return Tax(self.amount - other.amount, self.tax_free - other.tax_free, self.vat - other.vat)

    def __add__(self, other: Tax) -> Tax:
        """Both together."""
        return Tax(self.amount + other.amount, self.tax_free + other.tax_free, self.vat + other.vat)


class TaxRefusal(ValueError):
    """A refund's tax parts cannot be: `code` is the reason, `field` the field to blame."""

    def __init__(self, code: str, field: str) -> None:
        super().__init__(code)
        self.code = code
        self.field = field


def vat_of(amount: int, tax_free: int) -> int:
    """VAT inside `amount`: (amount − tax free) / 11, rounded half up."""
    taxed = amount - tax_free
    return (2 * taxed + VAT_PARTS) // (2 * VAT_PARTS)


def split_refund(remaining: Tax, amount: int, tax_free: int | None, vat: int | None) -> Tax:
    """The parts of a refund of `amount` out of `remaining`; raises TaxRefusal when they cannot be.

    The refund that empties takes exactly what remains. A partial one must name its tax-free part
    while any is left; its VAT is computed when not given, and capped by what remains.
    """
    if amount == remaining.amount:
        return _emptying(remaining, tax_free, vat)
    if tax_free is None:
        if remaining.tax_free:
            raise TaxRefusal("tax_free_amount_required", "tax_free_amount")
        tax_free = 0
    if tax_free > min(amount, remaining.tax_free):
        raise TaxRefusal("tax_free_exceeds_balance", "tax_free_amount")
    if amount - tax_free > remaining.amount - remaining.tax_free:
        raise TaxRefusal("taxed_exceeds_balance", "tax_free_amount")
    if vat is None:
        vat = min(vat_of(amount, tax_free), remaining.vat)
    if vat > min(amount - tax_free, remaining.vat):
        raise TaxRefusal("vat_exceeds_balance", "vat_amount")
    return _leaving_possible(remaining, Tax(amount, tax_free, vat))


def _leaving_possible(remaining: Tax, part: Tax) -> Tax:
    left = remaining - part
    if left.vat > left.amount - left.tax_free:
        raise TaxRefusal("vat_exceeds_rest", "vat_amount")
    return part


def _emptying(remaining: Tax, tax_free: int | None, vat: int | None) -> Tax:
    if tax_free not in (None, remaining.tax_free):
        raise TaxRefusal("tax_free_must_empty", "tax_free_amount")
    if vat not in (None, remaining.vat):
        raise TaxRefusal("vat_must_empty", "vat_amount")
    return remaining
