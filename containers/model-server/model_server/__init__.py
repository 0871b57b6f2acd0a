"""A model server in SageMaker's contract: subclass `Model`, and call `serve`.

Examples
--------
>>> import numpy as np
>>> class Doubled(Model):
...     def predict(self, data):
...         return np.asarray(data) * 2
>>> Doubled().predict([1, 2]).tolist()
[2, 4]

`serve(Doubled)` then answers ``/ping`` and ``/invocations`` until SIGTERM.
"""

from model_server.calls import current
from model_server.errors import InputError
from model_server.model import Model
from model_server.serving import serve

__all__ = ["InputError", "Model", "current", "serve"]
