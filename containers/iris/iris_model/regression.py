"""Logistic regression, fitted by gradient descent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LogisticRegression:
    """The probability that a row belongs to the second of two classes.

    Parameters
    ----------
    weights
        One weight for each feature, in the features' own units.
    bias
        The log-odds where every feature is zero.

    Examples
    --------
    >>> model = LogisticRegression(np.array([1.0]), 0.0)
    >>> model.probability(np.array([[0.0]]))
    array([0.5])
    """

    weights: Array
    bias: float

    def probability(self, rows: Array) -> Array:
        """The probability of the second class, for each row.

        Parameters
        ----------
        rows
            Shape (rows, features), in the features' own units.
        """
        return _sigmoid(rows @ self.weights + self.bias)


def fit(
    rows: Array, classes: Array, *, learning_rate: float = 0.5, iterations: int = 2000
) -> LogisticRegression:
    """Fit by descending the gradient of the mean log-loss.

    The features are standardized for the descent, so that one learning rate suits them all, and
    the weights are given back in the features' own units. Nothing is random.

    Parameters
    ----------
    rows
        Shape (rows, features).
    classes
        Shape (rows,): 0 or 1.
    learning_rate
        Length of a step, in units of the standardized weights.
    iterations
        Number of steps.

    Raises
    ------
    ValueError
        Where there is nothing to learn from: a class is missing, or a feature is constant.

    Examples
    --------
    >>> model = fit(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 0.0, 1.0, 1.0]))
    >>> model.probability(np.array([[0.0], [3.0]])).round()
    array([0., 1.])
    """
    if set(np.unique(classes)) != {0.0, 1.0}:
        raise ValueError("both classes must occur in the training data")
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    if not np.all(spread > 0):
        raise ValueError("each feature must have more than one value in the training data")
    standardized = (rows - mean) / spread
    weights, bias = np.zeros(rows.shape[1]), 0.0
    for _ in range(iterations):
        error = _sigmoid(standardized @ weights + bias) - classes
        weights -= learning_rate * standardized.T @ error / len(rows)
        bias -= learning_rate * float(error.mean())
    weights /= spread
    return LogisticRegression(weights, bias - float(mean @ weights))


def _sigmoid(log_odds: Array) -> Array:
    # tanh saturates where exp would overflow.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)), dtype=np.float64)
