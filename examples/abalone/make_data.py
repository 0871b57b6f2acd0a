"""Make the small data set of the abalone example: **synthetic**, with the columns of the real one.

No package carries the real data, <https://archive.ics.uci.edu/dataset/1/abalone>, as a whole, and
the network of this platform fetches nothing. So these rows are drawn: a shell's length follows its
age (von Bertalanffy's curve of growth), the other sizes follow the length, and weights go with its
cube, each with noise of its own. Do not learn anything about abalones from them. Whoever has the
real file uses it in place of this one: the columns and units are the same.

    python -m examples.abalone.make_data build/abalone/abalone.csv
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SEXES = ["M", "I", "F"]
"""Male, infant, female."""
SIZES = [
    "length",
    "diameter",
    "height",
    "whole_weight",
    "shucked_weight",
    "viscera_weight",
    "shell_weight",
]
"""In 200 mm and in 200 g, as in the real data."""
LABEL = "rings"
MOST_RINGS = 29

ROWS, SEED = 1500, 20201228


def make_data(rows: int = ROWS, seed: int = SEED) -> pd.DataFrame:
    """Draw abalones: the same ones for the same seed.

    Parameters
    ----------
    rows
        How many.
    seed
        What to draw from.

    Returns
    -------
    pandas.DataFrame
        ``sex``, the sizes, and the number of ``rings``: the age in years less 1.5.

    Examples
    --------
    >>> list(make_data(1).columns)[:3]
    ['sex', 'length', 'diameter']
    """
    random = np.random.default_rng(seed)

    def noise(spread: float) -> NDArray[np.float64]:
        return random.lognormal(0.0, spread, rows)

    sex = random.choice(SEXES, size=rows, p=[0.37, 0.32, 0.31])
    age = np.where(sex == "I", random.gamma(9.0, 0.85, rows), random.gamma(12.0, 0.92, rows))
    rings = np.clip(np.rint(age), 1, MOST_RINGS)
    length = 0.64 * (1 - np.exp(-0.21 * (rings + 0.5))) * noise(0.09)
    whole = 5.6 * length**3 * noise(0.12)
    # Meat grows with the body, and the shell goes on growing with age.
    shell = whole * (0.2 + 0.008 * rings) * noise(0.1)
    table = pd.DataFrame(
        {
            "sex": sex,
            "length": length,
            "diameter": 0.81 * length * noise(0.03),
            "height": 0.275 * length * noise(0.08),
            "whole_weight": whole,
            "shucked_weight": whole * (0.52 - 0.009 * rings) * noise(0.08),
            "viscera_weight": 0.215 * whole * noise(0.1),
            "shell_weight": shell,
            LABEL: rings.astype(int),
        }
    )
    return table.round(dict.fromkeys(SIZES, 4))


def main() -> None:
    """Write the data to the file that the command line names."""
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    table = make_data()
    table.to_csv(target, index=False)
    print(f"{target}: {len(table)} synthetic rows")


if __name__ == "__main__":
    main()
