"""Golden data for the statistics of reports, from SciPy and statsmodels.

    python tests/peers/statistics_golden.py

writes tests/golden/statistics/statistics.json, which reports/tests/statistics.rs compares with `fovea_reports::stats`.
"""

import itertools
import json
import pathlib

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

MASK = (1 << 64) - 1


class Draws:
    """SplitMix64, as reports/src/stats/draws.rs has it."""

    def __init__(self, key):
        self.state = key

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, bound):
        return (self.next() * bound) >> 64


class Given(np.random.Generator):
    """Hands SciPy's bootstrap the resamples that it is to take."""

    def __init__(self, indices):
        super().__init__(np.random.PCG64(0))
        self.indices = indices

    def integers(self, *_args, size=None, **_kwargs):
        assert tuple(size) == self.indices.shape
        return self.indices


def bca(values):
    n = len(values)
    if n < 3:
        return None
    if len(set(values)) == 1:
        return [values[0]] * 2
    if n <= 7:
        indices = np.array(list(itertools.product(range(n), repeat=n)))
    else:
        draws = Draws(0x626F6F74)
        indices = np.array([[draws.below(n) for _ in range(n)] for _ in range(4999)])
    result = stats.bootstrap(
        (np.array(values),), np.mean, n_resamples=len(indices), batch=len(indices), method="BCa",
        confidence_level=0.95, rng=Given(indices),
    )
    return list(result.confidence_interval)


def sign_flip(d):
    d = np.array(d)
    n = len(d)
    if n < 2 or not d.any():
        return None
    if n <= 16:
        # The statistic in exact arithmetic: SciPy breaks ties that differ by rounding by a tolerance of its own.
        result = stats.permutation_test(
            (d,), lambda x, axis: np.sum(x, axis=axis), permutation_type="samples", n_resamples=2 ** n + 1,
            vectorized=True,
        )
        return result.pvalue
    draws = Draws(0x7369676E)
    count = 0
    for _ in range(9999):
        words = [draws.next() for _ in range(-(-n // 64))]
        signs = np.array([-1 if words[i // 64] >> (i % 64) & 1 else 1 for i in range(n)])
        count += abs((signs * d).sum()) >= abs(d.sum())
    return (1 + count) / 10000


def sample(d):
    d = [float(v) for v in d]
    n = len(d)
    case = {"values": d, "mean": float(np.mean(d)), "bootstrap": bca(d), "sign_flip": sign_flip(d)}
    constant = len(set(d)) == 1
    if n > 1:
        case["sd"] = float(np.std(d, ddof=1))
        interval = stats.t.interval(0.95, n - 1, loc=np.mean(d), scale=np.std(d, ddof=1) / n ** 0.5)
        case["interval"] = list(interval) if not constant else [d[0], d[0]]
    if n > 1 and not constant:
        t = stats.ttest_rel(d, [0.0] * n)
        case["t"] = [t.statistic, t.pvalue]
    if n > 1 and any(d):
        case["wilcoxon"] = stats.wilcoxon(d).pvalue
    return case


rng = np.random.default_rng(20261123)
# Multiples of 1/1024: sums are exact, so that ties are ties in any order of summation.
grid = lambda n, shift, spread: np.round((shift + spread * rng.standard_normal(n)) * 1024) / 1024
samples = [
    [0.25],
    [0.25, 0.25, 0.25],
    [0.0, 0.0, 0.0, 0.0],
    [0.0, 0.5, -0.25, 0.0, 1.0],
    [1.0, -1.0, 2.0, -2.0, 3.0, 3.0],
    [0.125, 0.25],
    [0.5, 0.5, 0.5, 0.75],
]
for n in [2, 3, 4, 5, 5, 6, 7, 8, 10, 13, 14, 16, 17, 25, 50, 51, 70, 130]:
    samples += [grid(n, 0.02, 0.03), grid(n, 0.0, 0.05), np.round(grid(n, 0.01, 0.02) * 32) / 32]
samples += [grid(5, 1.0, 0.002), grid(30, 1.0, 0.002), grid(12, -0.5, 0.01)]

tables = [(0, 0), (1, 0), (0, 1), (1, 1), (5, 0), (3, 9), (12, 30), (100, 61), (0, 40), (700, 640), (2500, 2100), (900, 300)]
families = [
    [0.01, 0.04, 0.03, 0.005],
    [0.2],
    [0.5, 0.5, 0.9, 1.0],
    list(rng.uniform(0, 0.1, 24)),
    list(rng.uniform(0, 1e-6, 6)) + [0.01, 0.01, 0.6],
]


def discordant(gained, lost):
    table = [[300, lost], [gained, 50]]
    chi = mcnemar(table, exact=False, correction=True) if gained + lost else None
    return {
        "gained": gained,
        "lost": lost,
        "exact": float(mcnemar(table, exact=True).pvalue) if gained + lost else 1.0,
        "chi_square": float(chi.statistic) if chi else 0.0,
        "chi_square_p": float(chi.pvalue) if chi else 1.0,
    }


golden = {
    "versions": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "numpy": np.__version__},
    "samples": [sample(d) for d in samples],
    "mcnemar": [discordant(*counts) for counts in tables],
    "holm": [{"p": list(p), "adjusted": list(multipletests(p, method="holm")[1])} for p in families],
}
path = pathlib.Path(__file__).parents[1] / "golden" / "statistics" / "statistics.json"
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(golden, indent=1) + "\n")
print(path, path.stat().st_size)
