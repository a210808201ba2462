"""Amounts of money and phone numbers in the way in which Telegram shows them; docs/spec/telegram-desktop-json.md 5.3."""
from __future__ import annotations

import re
from dataclasses import dataclass

STAR = "\u2b50"
#: The currency of Telegram Stars.
STARS = "XTR"
_MINUS = "\u2212"
_DIGITS = re.compile(r"[1-9][0-9]*")
_BLANKS = str.maketrans("", "", " -()")


@dataclass(frozen=True, slots=True)
class _Currency:
    """How amounts of a currency are written; the sign is the currency's code where it is empty."""

    sign: str = ""
    thousands: str = ","
    decimal: str = "."
    left: bool = True
    space: bool = False
    digits: int = 2
    #: no decimals where they are all zero
    strip: bool = False


def _left(codes: str, sign: str = "", thousands: str = ",", decimal: str = ".", **more: int) -> dict[str, _Currency]:
    return {code: _Currency(sign, thousands, decimal, **more) for code in codes.split()}  # type: ignore[arg-type]


def _right(codes: str, thousands: str, decimal: str, sign: str = "", space: int = True, **more: int) -> dict[str, _Currency]:
    return _left(codes, sign, thousands, decimal, left=False, space=space, **more)


#: Those that are written otherwise than the default, `USD1,234.50` with the code for a sign.
_CURRENCIES = {
    **_left("AED BDT DZD EGP HNL LBP LKR MAD NIO PAB PEN QAR SAR SYP YER ZAR", space=True),
    **_left("ARS BOB COP UYU VEF", thousands=".", decimal=",", space=True),
    **_left("BND CRC IDR", thousands=".", decimal=","),
    **_left("CLP PYG", thousands=".", decimal=",", space=True, digits=0),
    **_left("BHD IQD", space=True, digits=3),
    **_left("UGX", digits=0),
    **_left("KZT", thousands=" ", decimal="-"),
    **_left("MNT", thousands=" ", decimal=","),
    **_left("NOK", thousands=" ", decimal=",", space=True),
    **_left("BRL", "R$", ".", ",", space=True),
    **_left("AUD", "AU$"),
    **_left("CAD", "CA$"),
    **_left("CNY", "CN\u00a5"),
    **_left("GBP", "\u00a3"),
    **_left("HKD", "HK$"),
    **_left("ILS", "\u20aa", space=True),
    **_left("INR", "\u20b9"),
    **_left("JPY", "\u00a5", digits=0),
    **_left("KRW", "\u20a9", digits=0),
    **_left("MXN", "MX$"),
    **_left("NZD", "NZ$"),
    **_left("THB", "\u0e3f"),
    **_left("TWD", "NT$"),
    **_left("USD", "$"),
    **_right("AMD MDL MVR", ",", "."),
    **_right("AZN BGN CZK GEL HUF PLN RUB UZS", " ", ","),
    **_right("BAM HRK RON RSD SEK TRY", ".", ","),
    **_right("ALL", ".", ",", space=False),
    **_right("UAH", " ", ",", space=False),
    **_right("DKK", "", ","),
    **_right("CHF", "'", "."),
    **_right("KGS", " ", "-"),
    **_right("TJS", " ", ";"),
    **_right("BYR", " ", ",", digits=0),
    **_right("ISK", ".", ",", digits=0),
    **_right("EUR", " ", ",", "\u20ac"),
    **_right("VND", ".", ",", "\u20ab", digits=0),
    **_right("IRR", ",", "/", strip=True),
}
_DEFAULT = _Currency()


def money(amount: int, currency: str) -> str:
    """An amount in minor units: `$19.99`, `10,50 €`; Stars are whole."""
    prefix = _MINUS if amount < 0 else ""
    amount = abs(amount)
    if currency == STARS:
        return f"{prefix}{STAR}{amount}"
    rule = _CURRENCIES.get(currency, _DEFAULT)
    scale = 10 ** rule.digits
    digits = 0 if rule.strip and amount % scale == 0 else rule.digits
    whole, _, part = f"{amount / scale:,.{digits}f}".partition(".")
    number = whole.replace(",", rule.thousands) + (rule.decimal + part if part else "")
    sign = rule.sign or currency
    space = " " if rule.space else ""
    return f"{prefix}{sign}{space}{number}" if rule.left else f"{prefix}{number}{space}{sign}"


def phone_number(number: str) -> str:
    """`+49301234567`, North America's as `+1 202 555 0100`; one that begins with 0 or is no number stays as it is."""
    digits = number.removeprefix("+").translate(_BLANKS)
    if not _DIGITS.fullmatch(digits):
        return number
    if digits[0] == "1" and len(digits) == 11:
        return f"+1 {digits[1:4]} {digits[4:7]} {digits[7:]}"
    return "+" + digits
