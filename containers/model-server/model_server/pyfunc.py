"""Any MLflow model of `/opt/ml/model`, served without a class of its own."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from model_server.calls import current
from model_server.errors import InputError
from model_server.model import Model
from model_server.serving import ModelError

ENVIRONMENT = {
    # Nothing leaves the network, and nothing is installed.
    "MLFLOW_DISABLE_ENV_CREATION": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}

BY_ROW = {"sklearn", "xgboost", "lightgbm", "catboost", "statsmodels", "spark"}
"""Flavors whose models predict each row by itself."""

FORKED = {"sklearn"}
"""Flavors that have no threads of their own after they are loaded."""

EXAMPLE = "serving_input_example.json"
"""The request that MLflow writes beside a model that was logged with an example."""


class MlflowModel(Model):
    """Serves the MLflow model of a folder, of any flavor, as MLflow's own server would.

    Inputs are brought to the model's signature, where it has one, by MLflow's own rules; what does
    not fit is the client's error.
    """

    def __init__(self) -> None:
        os.environ.update(ENVIRONMENT)
        self._model: Any = None
        self._schema: Any = None
        self._width = 0
        self._faults: tuple[type[Exception], ...] = ()

    def load(self, folder: Path) -> None:
        """Load it through `mlflow.pyfunc`."""
        if not (folder / "MLmodel").is_file():
            raise ModelError(f"{folder} holds no MLflow model: there is no file MLmodel.")
        import mlflow.pyfunc
        from mlflow.exceptions import MlflowException

        self._faults = (MlflowException,)
        self._model = mlflow.pyfunc.load_model(str(folder))
        self._schema = self._model.metadata.get_input_schema()
        flavors = set(self._model.metadata.flavors) - {"python_function"}
        self.batches = bool(flavors) and flavors <= BY_ROW
        if self._schema is not None and self._schema.has_input_names():
            self.columns = [str(name) for name in self._schema.input_names()]
        if "sklearn" in flavors:
            self._width = getattr(self._model.get_raw_model(), "n_features_in_", 0)
        example = folder / EXAMPLE
        if example.is_file():
            self.probe = example.read_bytes()

    def preprocess(self, data: Any) -> Any:
        """Bring the input to the signature's columns and types."""
        if current().form is None:
            raise InputError(
                "The body has none of the keys inputs, instances, dataframe_split and"
                " dataframe_records."
            )
        if self._schema is not None:
            return self._fit(data)
        if isinstance(data, np.ndarray) and self._width and data.shape[1:] != (self._width,):
            found = " x ".join(map(str, data.shape))
            raise InputError(f"The model takes rows of {self._width} values, not {found}.")
        return data

    def predict(self, data: Any) -> Any:
        """The model's predictions; for what its signature refuses, the reason."""
        params = current().params
        try:
            return self._model.predict(data, params=dict(params) if params else None)
        except self._faults as error:
            if getattr(error, "error_code", "") != "INVALID_PARAMETER_VALUE":
                raise
            # What comes before repeats the data.
            raise InputError(str(error).rpartition("Error: ")[2]) from error

    def _fit(self, data: Any) -> Any:
        """Data in the form that the signature is of; the rest of the fitting is `predict`'s."""
        if self._schema.is_tensor_spec():
            return self._fit_arrays(data)
        import pandas as pd
        from mlflow.utils.proto_json_utils import cast_df_types_according_to_schema

        if isinstance(data, np.ndarray) and data.ndim == 2 and self.columns:
            if data.shape[1] != len(self.columns):
                raise InputError(
                    f"A row has {data.shape[1]} values, not {len(self.columns)}:"
                    f" {','.join(self.columns)}."
                )
            data = pd.DataFrame(data, columns=list(self.columns))
        elif isinstance(data, dict):
            try:
                data = pd.DataFrame(data)
            except ValueError as error:
                raise InputError(f"The inputs are no table: {error}.") from error
        if not isinstance(data, pd.DataFrame):
            return data
        try:
            return cast_df_types_according_to_schema(data, self._schema)
        except self._faults as error:
            raise InputError(str(error)) from error

    def _fit_arrays(self, data: Any) -> Any:
        """Arrays of the signature's types: JSON knows no others than 64 bits."""
        specs = self._schema.inputs
        try:
            if isinstance(data, np.ndarray) and len(specs) == 1:
                return data.astype(specs[0].type, copy=False)
            if isinstance(data, dict) and self._schema.has_input_names():
                types = {spec.name: spec.type for spec in specs}
                return {
                    name: np.asarray(column, dtype=types.get(name)) for name, column in data.items()
                }
        except (ValueError, TypeError) as error:
            raise InputError(f"The inputs are not of the signature's types: {error}.") from error
        return data
