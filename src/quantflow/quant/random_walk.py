"""Entropy, efficiency and Hurst exponent in standard errors of a random walk of the same length.

Each of these features has a value that a random walk takes by chance, with a spread that depends on how many returns
there are. A feature says something only where it is further from that value than chance takes it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FEATURES = ("entropy", "efficiency", "hurst")
SEED = 20_120_103
LENGTHS = (
    *(128, 160, 191, 192, 200, 255, 256, 320, 383, 384, 400, 511, 512, 640, 767, 768, 800, 1023, 1024),
    *(1280, 1535, 1536, 1600, 2047, 2048, 2560, 3071, 3072, 3200, 4095, 4096, 5040),
)
"""Numbers of returns; in pairs where the Hurst exponent gets one more block of its largest size, or a larger size: its
spread jumps there."""

_TABLE = np.array(
    [
        (128, 8.87117e-01, 1.30551e-02, 8.87505e-02, 6.64798e-02, 4.94319e-01, 7.81092e-02),
        (160, 9.09679e-01, 1.15405e-02, 7.88400e-02, 5.96659e-02, 4.94177e-01, 7.65509e-02),
        (191, 9.24955e-01, 1.01936e-02, 7.19683e-02, 5.45375e-02, 4.93574e-01, 7.73689e-02),
        (192, 9.25444e-01, 1.01627e-02, 7.18715e-02, 5.43468e-02, 4.96337e-01, 6.44081e-02),
        (200, 9.28641e-01, 9.88198e-03, 7.07675e-02, 5.37869e-02, 4.96615e-01, 6.40691e-02),
        (255, 9.45269e-01, 8.13577e-03, 6.25875e-02, 4.73723e-02, 4.96668e-01, 6.32715e-02),
        (256, 9.45564e-01, 8.08692e-03, 6.29391e-02, 4.73458e-02, 4.95727e-01, 5.70900e-02),
        (320, 9.57639e-01, 6.60917e-03, 5.54865e-02, 4.22094e-02, 4.95621e-01, 5.50173e-02),
        (383, 9.65408e-01, 5.51497e-03, 5.11060e-02, 3.86271e-02, 4.95667e-01, 5.52189e-02),
        (384, 9.65458e-01, 5.51496e-03, 5.09755e-02, 3.86081e-02, 4.97083e-01, 4.65224e-02),
        (400, 9.67034e-01, 5.29972e-03, 4.98781e-02, 3.79824e-02, 4.97178e-01, 4.68748e-02),
        (511, 9.74819e-01, 4.08099e-03, 4.43947e-02, 3.36789e-02, 4.97197e-01, 4.58259e-02),
        (512, 9.74880e-01, 4.07184e-03, 4.43393e-02, 3.35693e-02, 4.96986e-01, 4.40603e-02),
        (640, 9.80251e-01, 3.20167e-03, 3.93016e-02, 3.00687e-02, 4.96968e-01, 4.18012e-02),
        (767, 9.83711e-01, 2.62089e-03, 3.60280e-02, 2.74152e-02, 4.96966e-01, 4.17207e-02),
        (768, 9.83738e-01, 2.62758e-03, 3.59787e-02, 2.73985e-02, 4.97651e-01, 3.59533e-02),
        (800, 9.84409e-01, 2.53225e-03, 3.55159e-02, 2.69653e-02, 4.97659e-01, 3.59455e-02),
        (1023, 9.87915e-01, 1.94572e-03, 3.11372e-02, 2.37949e-02, 4.97970e-01, 3.45932e-02),
        (1024, 9.87929e-01, 1.93929e-03, 3.13702e-02, 2.38488e-02, 4.97566e-01, 3.49008e-02),
        (1280, 9.90401e-01, 1.54584e-03, 2.79803e-02, 2.13385e-02, 4.97391e-01, 3.28165e-02),
        (1535, 9.92023e-01, 1.29218e-03, 2.54836e-02, 1.95767e-02, 4.97421e-01, 3.26467e-02),
        (1536, 9.92030e-01, 1.28174e-03, 2.56280e-02, 1.95253e-02, 4.98067e-01, 2.84486e-02),
        (1600, 9.92356e-01, 1.21882e-03, 2.49878e-02, 1.92907e-02, 4.98254e-01, 2.83313e-02),
        (2047, 9.94039e-01, 9.58452e-04, 2.21422e-02, 1.70747e-02, 4.98285e-01, 2.73447e-02),
        (2048, 9.94060e-01, 9.57943e-04, 2.19909e-02, 1.70115e-02, 4.97718e-01, 2.82074e-02),
        (2560, 9.95250e-01, 7.67387e-04, 1.97327e-02, 1.54566e-02, 4.97981e-01, 2.66312e-02),
        (3071, 9.96051e-01, 6.36110e-04, 1.79607e-02, 1.40803e-02, 4.97924e-01, 2.63023e-02),
        (3072, 9.96059e-01, 6.34330e-04, 1.81302e-02, 1.41000e-02, 4.98536e-01, 2.31149e-02),
        (3200, 9.96205e-01, 6.12148e-04, 1.76400e-02, 1.37260e-02, 4.98469e-01, 2.31152e-02),
        (4095, 9.97045e-01, 4.76286e-04, 1.55109e-02, 1.23096e-02, 4.98749e-01, 2.19190e-02),
        (4096, 9.97045e-01, 4.74719e-04, 1.57098e-02, 1.23759e-02, 4.98214e-01, 2.33104e-02),
        (5040, 9.97602e-01, 3.84826e-04, 1.40762e-02, 1.12784e-02, 4.98160e-01, 2.29958e-02),
    ]
)
"""Per length: mean and standard deviation of entropy, of efficiency and of the Hurst exponent."""


def standard_errors(feature: str, values: FloatArray, observations: FloatArray) -> FloatArray:
    """Return how far a feature is from what it is on average for a random walk, in its standard deviations there.

    Between the lengths of the table mean and standard deviation are interpolated, linear in the log of the length.
    The distribution is not normal: of random walks 2.9 % have an entropy below -2, 4.6 % an efficiency above 2 and 5 %
    a Hurst exponent more than 2 from the mean.

    Args:
        feature: A name of ``FEATURES``.
        values: The feature, shape (N,); NaN stays NaN.
        observations: Returns that each value comes from, shape (N,); with fewer than the table's first length the
            result is NaN.

    Source:
        Simulated once by ``benchmarks/random_walks.py`` with seed ``SEED``: 40,000 walks per length, of independent
        normal returns.
    """
    column = 1 + 2 * FEATURES.index(feature)
    place, lengths = np.log(np.maximum(observations, 1.0)), np.log(_TABLE[:, 0])
    mean, deviation = (np.interp(place, lengths, _TABLE[:, column + i]) for i in (0, 1))
    return np.where(observations >= LENGTHS[0], (values - mean) / deviation, np.nan)
