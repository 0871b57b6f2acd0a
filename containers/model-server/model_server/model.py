"""What a data scientist writes: a class that loads a model and predicts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Model:
    """A model to be served. A subclass defines `load` and `predict`, and what else it wants.

    `preprocess`, `predict` and `postprocess` run one after the other for each request. What they
    raise as `InputError` is the client's fault: status 400 with its message. Whatever else they
    raise is the model's: status 500, and the log has the trace. `model_server.current` says more
    about the request, such as its custom attributes.

    Attributes
    ----------
    batches : bool
        Rows do not depend on each other: what several requests send may be predicted as one array
        or table, and the result is split by rows. False where nothing is said.
    shared : bool
        The model is loaded once and the processes that serve it are forked from there, so that
        they share its memory. False for what has threads or a GPU after it is loaded: then each
        process loads its own.
    key : str or None
        Name that JSON answers are wrapped in, ``predictions`` as with MLflow; None: as they are.
    raw : sequence of str
        Content types whose bodies are handed over as bytes; ``image/*`` means every image.
    produces : sequence of str
        Content types that bytes, text and streams are sent as, the usual first.
    columns : sequence of str
        Names of the columns, where the model knows them: CSV then needs no line of names.
    probe : bytes or None
        A body in JSON that the model can answer. It is predicted before ``/ping`` says 200, and
        again where the model failed several times, to know whether it is the model or its input.
    """

    batches: bool = False
    shared: bool = True
    key: str | None = "predictions"
    raw: Sequence[str] = ("application/octet-stream",)
    produces: Sequence[str] = ("application/octet-stream", "text/plain", "text/event-stream")
    columns: Sequence[str] = ()
    probe: bytes | None = None

    def load(self, folder: Path) -> None:
        """Load the model, once, before ``/ping`` says 200.

        Parameters
        ----------
        folder
            ``/opt/ml/model``.
        """

    def preprocess(self, data: Any) -> Any:
        """What `predict` is given, made of what a request holds.

        Parameters
        ----------
        data
            What the body's content type makes of it:

            - JSON ``{"inputs": [...]}`` or ``{"instances": [...]}``: an array, or an array for
              each name; ``dataframe_split`` and ``dataframe_records``: a table of pandas; any
              other JSON: what it says;
            - CSV: an array of numbers where it has no names, else a table; Parquet: a table;
              NPY: an array; JSON lines: a list;
            - a content type of `raw`: bytes.
        """
        return data

    def predict(self, data: Any) -> Any:
        """The result, of what `preprocess` returns.

        Parameters
        ----------
        data
            One request's, or with `batches` the rows of several.

        Returns
        -------
        Any
            An array, a table, a list, a dict, text or bytes; or an iterator, also an
            asynchronous one, of text or bytes, which is sent as it comes.
        """
        raise NotImplementedError(f"{type(self).__name__} has no predict")

    def postprocess(self, result: Any) -> Any:
        """What is answered, made of what `predict` returns for a request.

        Parameters
        ----------
        result
            Of the forms of `predict`.
        """
        return result
