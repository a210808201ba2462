"""What a server may have us calculate before it has proved anything."""
from __future__ import annotations

import pytest
from telethon.errors import SecurityError
from telethon.network import authenticator

from tgbulk.perf.simdc.prime import product_of_two
from tgbulk.stages.fetch.auth_key import NUMBER_BYTES


def test_the_factors_of_a_product() -> None:
    products = [product_of_two() for _ in range(50)]
    products += [(2**31 - 1) ** 2, 4294967291 * 2147483647, 2 * 4611686018427387847, 4, 3 * (2**61 - 1), 2**63 - 1]
    for product in products:
        low, high = authenticator.Factorization.factorize(product)
        assert low * high == product
        assert 1 < low <= high


@pytest.mark.parametrize("pq", [-1, 0, 1, 3, 2**61 - 1, 9223372036854775783, 2**63, (2**61 - 1) * (2**89 - 1)])
def test_what_is_no_product_of_two_primes(pq: int) -> None:
    """The largest prime below 2^63 among them: nobody looks for its factors for ever."""
    with pytest.raises(SecurityError):
        authenticator.Factorization.factorize(pq)


@pytest.mark.parametrize("pq", [-4, 0, 1, 2, 3, 2**63, 2**64])
def test_what_is_too_small_or_too_large_is_not_searched(pq: int) -> None:
    with pytest.raises(SecurityError, match="not between"):
        authenticator.Factorization.factorize(pq)


def test_numbers_have_a_length() -> None:
    assert authenticator.get_int(b"\xff" * NUMBER_BYTES, signed=False) == (1 << 8 * NUMBER_BYTES) - 1
    assert authenticator.get_int(b"\xff\xfe") == -2
    with pytest.raises(SecurityError):
        authenticator.get_int(bytes(NUMBER_BYTES + 1))
