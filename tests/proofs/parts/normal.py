"""The tail of the normal distribution in float64, vectorised: what gelu needs and NumPy lacks.

Q(x) = erfc(x / sqrt(2)) / 2 = exp(-x^2 / 2) R(x) for x >= 0. R is smooth: it is interpolated at Chebyshev points of
t = (x - K) / (x + K), after Shepherd and Laframboise, Mathematics of Computation 36 (1981); its values there are summed
in decimal arithmetic, without any library's erfc.
"""

import decimal
import math
from decimal import Decimal
from functools import cache

import numpy as np
from numpy.polynomial import chebyshev

FARTHEST = 15.0  # Q(15) = 4e-51 has long left float32
_K = 4.0
_LAST = (FARTHEST - _K) / (FARTHEST + _K)  # t runs from -1 to here
_DEGREE = 20
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")


def _ratio(x):
    """R(x) = exp(x^2 / 2) / 2 - (x + x^3 / 3 + x^5 / (3 5) + ...) / sqrt(2 pi), of which 50 digits cancel at x = 15."""
    with decimal.localcontext(prec=90):
        x = Decimal(x)
        term, total, n = x, x, 1
        while term > total * Decimal("1e-90"):
            n += 2
            term *= x * x / n
            total += term
        return float((x * x / 2).exp() / 2 - total / (2 * _PI).sqrt())


@cache
def _coefficients():
    """Chebyshev coefficients of (1 + x) R, which is nearly level, after a comparison with math.erfc."""

    def level(points):
        t = (points * (_LAST + 1) + (_LAST - 1)) / 2
        return [(1 + x) * _ratio(x) for x in (_K * (1 + t) / (1 - t)).tolist()]

    made = chebyshev.chebinterpolate(level, _DEGREE)
    x = np.linspace(0, FARTHEST, 3001)
    want = np.array([math.erfc(v / math.sqrt(2)) / 2 for v in x.tolist()])
    # Rounding v / sqrt(2) alone moves erfc by up to x^2 half units.
    assert np.all(np.abs(_tail(x, made) - want) <= 1e-14 * (1 + 0.02 * x * x) * want)
    return made


def _tail(x, coefficients):
    scaled = ((x - _K) / (x + _K) * 2 - (_LAST - 1)) / (_LAST + 1)
    return np.exp(-0.5 * (x * x)) / (1 + x) * chebyshev.chebval(scaled, coefficients)


def normal_tail(x):
    """Q(x) of 0 <= x <= FARTHEST to 1e-14 where x is float32's, whose square float64 holds; of NaN, NaN."""
    return _tail(x, _coefficients())


def normal_cdf(x):
    """Phi(x); where x is below -FARTHEST, Q(FARTHEST)."""
    tail = normal_tail(np.minimum(np.abs(x), FARTHEST))
    return np.where(x < 0, tail, 1 - tail)
