"""How figures are written: percent with one decimal, differences in points, p-values to two digits."""

from __future__ import annotations

from alcli.verdict.comparing import Difference
from alcli.verdict.curves import Estimate

_FINE = 0.001  # below a tenth of a point one decimal would show 0.0
_ROUNDING = 1e-9  # what is below is 0 but for the rounding of floats


def percent(estimate: Estimate) -> str:
    """Return `92.3 ± 0.4`, in percent without the sign; without ± where there was one seed."""
    return _spread(f"{100 * estimate.mean:.1f}", estimate.half_width, 1)


def share(estimate: Estimate) -> str:
    """Return `38 % ± 6 %`."""
    width = "" if estimate.half_width is None else f" ± {100 * estimate.half_width:.0f} %"
    return f"{100 * estimate.mean:.0f} %{width}"


def points(difference: Difference, *, signed: bool) -> str:
    """Return `+2.1 ± 0.6`, in points; with a second decimal where the difference is below a tenth of a point."""
    digits = 2 if _ROUNDING < abs(difference.mean) < _FINE else 1
    mean = 100 * difference.mean
    shown = f"{mean:+z.{digits}f}" if signed else f"{abs(mean):.{digits}f}"
    return _spread(shown, difference.half_width, digits)


def p_value(p: float) -> str:
    """Return `p = 0.016`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def counted(count: int, noun: str) -> str:
    """Return `1 seed`, `5 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _spread(shown: str, half_width: float | None, digits: int) -> str:
    return shown if half_width is None else f"{shown} ± {100 * half_width:.{digits}f}"
