"""A model that costs nothing, on our server."""

import sys
from typing import Any

import numpy as np

from model_server import Model, serve


class Trivial(Model):
    """Zero, for each row."""

    batches = True

    def predict(self, data: Any) -> Any:
        """Nothing is computed."""
        return np.zeros(len(data))


if __name__ == "__main__":
    sys.exit(serve(Trivial))
