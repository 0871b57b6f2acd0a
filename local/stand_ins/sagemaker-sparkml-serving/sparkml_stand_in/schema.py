"""The schema of a request: `SAGEMAKER_SPARKML_SCHEMA`, and the values that it makes of a row.

https://github.com/aws/sagemaker-sparkml-serving-container
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

BasicType = Literal[
    "boolean", "byte", "short", "int", "integer", "long", "float", "double", "string"
]
Structure = Literal["basic", "vector", "array"]

READ: dict[str, Callable[[str], Any]] = {
    "boolean": lambda value: value.strip().lower() == "true",
    "float": float,
    "double": float,
    "string": str,
    **dict.fromkeys(("byte", "short", "int", "long"), int),
}


class Column(BaseModel):
    """A column of the request or of the answer.

    Parameters
    ----------
    name
        The name that the pipeline was fitted with.
    type
        Type of its values.
    struct
        One value, or a list of them.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    type: BasicType
    struct: Structure = "basic"

    def read(self, value: Any) -> Any:
        """A value of a request as the column's type; a ValueError where it is none."""
        if self.struct == "basic":
            return READ[self.type](str(value))
        if not isinstance(value, list):
            given = f"'{self.name}' is {type(value).__name__}, and its struct is {self.struct}"
            raise ValueError(given)  # noqa: TRY004  # of the request, not of the code
        return value


class DataSchema(BaseModel):
    """Names and types of what comes in, and of what goes out.

    Parameters
    ----------
    input
        The columns, in the order of a row.
    output
        The column to answer with.
    """

    model_config = ConfigDict(extra="forbid")

    input: list[Column]
    output: Column

    def row(self, values: Sequence[Any], cast: bool) -> dict[str, Any]:
        """A row of a request by names; what is beyond the schema is dropped, as the container does.

        Parameters
        ----------
        values
            The row.
        cast
            Whether every value is a single one, as in CSV.

        Raises
        ------
        ValueError
            Where there are too few, or one is not of its type.
        """
        if len(values) < len(self.input):
            raise ValueError(f"{len(values)} values for {len(self.input)} columns")
        columns = self.input
        if cast:
            columns = [column.model_copy(update={"struct": "basic"}) for column in columns]
        return {
            column.name: column.read(value) for column, value in zip(columns, values, strict=False)
        }
