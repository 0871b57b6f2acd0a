"""Neighbours that fit, and neighbours that do not: each a server of this machine."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from operations.contract import (
    ContractError,
    Neighbour,
    check_contract,
    check_sample,
    expected_columns,
    neighbours_of,
)
from operations.errors import OperationError
from stacks.config import load_environment
from tests.conftest import ROOT

Answer = tuple[int, str, bytes]
Behaviour = Callable[[str, bytes], Answer]


@pytest.fixture
def serve() -> Iterator[Callable[..., Neighbour]]:
    """Starts a container that behaves as it is told."""
    servers = []

    def start(name: str, behaviour: Behaviour, columns: int | None = None) -> Neighbour:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, kind, answer = behaviour(self.headers["content-type"], body)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        return Neighbour(name, f"http://127.0.0.1:{server.server_address[1]}", columns)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def features(kind: str, body: bytes) -> Answer:
    """Three numbers for each row."""
    return 200, "text/csv", b"\n".join(b"1.0,0.0,0.5" for _ in body.split())


def regressor(kind: str, body: bytes) -> Answer:
    """One number for each row of CSV, and no other form."""
    if kind != "text/csv":
        return 415, "text/plain", f"{kind} is not an accepted ContentType".encode()
    return 200, "text/csv", b"".join(b"9.5\n" for _ in body.split())


def saying(kind: str, body: bytes, status: int = 200) -> Behaviour:
    return lambda *_: (status, kind, body)


ROWS = b"F,0.5\nM,0.6\n"


def test_neighbours_that_fit(serve: Callable[..., Neighbour]) -> None:
    pipeline = [serve("features", features, 2), serve("regressor", regressor, 3)]
    exchanges, answer = check_contract(pipeline, ROWS, "text/csv")
    assert [str(exchange).partition(",")[0] for exchange in exchanges] == [
        "the client → features: 2 rows of 2 columns",
        "features → regressor: 2 rows of 3 columns",
        "regressor → the client: 2 rows of 1 columns",
    ]
    assert answer.body == b"9.5\n9.5\n"


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (saying("application/jsonlines", b'{"features": [1, 2, 3]}\n' * 2), "answers 415: "),
        (saying("text/csv", b"1,2\n1,2\n"), "has 2 columns, and the model of 'regressor' takes 3"),
        (saying("text/csv", b"1,2,3,4\n" * 2), "has 4 columns"),
        (saying("text/csv", b"1,2,3\n"), "2 rows went in, and 1 came out"),
        (saying("text/csv", b"1,2,3\n1,2\n"), "rows differ in length: 2, 3 columns"),
        (saying("application/json", b"1,2,3"), "it is no application/json"),
        (saying("application/json", b"[]"), "there is no row|has 0 columns|1 came out"),
    ],
)
def test_a_pair_that_breaks_is_named(
    first: Behaviour, said: str, serve: Callable[..., Neighbour]
) -> None:
    pipeline = [serve("features", first, 2), serve("regressor", regressor, 3)]
    with pytest.raises(ContractError, match=said) as raised:
        check_contract(pipeline, ROWS, "text/csv")
    assert str(raised.value).startswith("features → regressor breaks: ")


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (saying("text/plain", b"unknown sex 'X'", 400), "answers 400: unknown sex 'X'"),
        (saying("text/csv", b"", 204), "answers 204 with 0 bytes"),
    ],
)
def test_a_sample_that_the_first_refuses(
    first: Behaviour, said: str, serve: Callable[..., Neighbour]
) -> None:
    with pytest.raises(ContractError, match=said) as raised:
        check_contract([serve("features", first)], ROWS, "text/csv")
    assert str(raised.value).startswith("the client → features breaks: ")


def test_a_sample_that_is_too_long_is_not_even_sent(serve: Callable[..., Neighbour]) -> None:
    """SparkML Serving drops what is beyond its schema, and answers."""
    with pytest.raises(ContractError, match="has 2 columns, and the model of 'features' takes 8"):
        check_contract([serve("features", features, 8)], ROWS, "text/csv")


def test_the_last_answers_as_many_rows_as_went_in(serve: Callable[..., Neighbour]) -> None:
    joined = saying("text/csv", b"9.5,9.5")
    with pytest.raises(ContractError, match="regressor → the client breaks: 2 rows went in"):
        check_contract([serve("regressor", joined)], ROWS, "text/csv")


def test_a_container_that_does_not_answer() -> None:
    with pytest.raises(ContractError, match="'features' does not answer"):
        check_contract([Neighbour("features", "http://127.0.0.1:1")], ROWS, "text/csv")


@pytest.mark.parametrize(
    "body",
    [
        b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}',
        b'{"dataframe_records": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}',
        b'{"inputs": [[1, 2], [3, 4]]}',
        b'{"instances": [{"features": [1, 2]}, {"features": [3, 4]}]}',
        b"[[1, 2], [3, 4]]",
    ],
)
def test_json_is_measured_in_the_forms_that_servers_take(
    body: bytes, serve: Callable[..., Neighbour]
) -> None:
    echo = saying("application/json", b'{"predictions": [9.5, 9.6]}')
    exchanges, _ = check_contract([serve("model", echo, 2)], body, "application/json")
    assert (exchanges[0].rows, exchanges[0].columns) == (2, 2)
    assert (exchanges[1].rows, exchanges[1].columns) == (2, None)


class TestSample:
    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        (tmp_path / "sample.csv").write_bytes(ROWS)
        return tmp_path / "sample.csv"

    def test_a_row_alone_gets_the_answer_that_it_gets_among_others(
        self, sample: Path, serve: Callable[..., Neighbour]
    ) -> None:
        exchanges = check_sample([serve("features", features), serve("model", regressor)], sample)
        assert exchanges[0].rows == 2

    def test_else_the_last_breaks(self, sample: Path, serve: Callable[..., Neighbour]) -> None:
        def scaled(_: str, body: bytes) -> Answer:
            """What no transformer may do: scale by what a request happens to hold."""
            rows = body.split()
            return 200, "text/csv", b"".join(b"%d\n" % len(rows) for _ in rows)

        with pytest.raises(ContractError, match="first row alone is answered otherwise"):
            check_sample([serve("features", scaled)], sample)

    def test_json_goes_as_a_whole(self, tmp_path: Path, serve: Callable[..., Neighbour]) -> None:
        (tmp_path / "sample.json").write_text('{"inputs":\n[[1, 2]]}')
        answer = saying("application/json", b'{"predictions": [9.5]}')
        exchanges = check_sample([serve("model", answer, 2)], tmp_path / "sample.json")
        assert len(exchanges) == 2

    def test_another_kind_of_file_is_not_guessed(self, tmp_path: Path) -> None:
        with pytest.raises(OperationError, match=r"sample\.bin"):
            check_sample([Neighbour("model", "")], tmp_path / "sample.bin")


class TestNeighbours:
    """The containers of the configuration, where they answer."""

    AT = ("features=http://127.0.0.1:1/", "regressor=http://127.0.0.1:2")

    def test_are_in_the_order_of_the_pipeline(self, tmp_path: Path) -> None:
        environment = load_environment("dev", ROOT / "environments")
        found = neighbours_of(environment, "abalone-two", self.AT[::-1], tmp_path)
        assert found == [
            Neighbour("features", "http://127.0.0.1:1", 8),
            Neighbour("regressor", "http://127.0.0.1:2", None),
        ]

    @pytest.mark.parametrize("at", [(), AT[:1], (*AT, "output=http://127.0.0.1:3")])
    def test_each_has_an_address(self, at: tuple[str, ...], tmp_path: Path) -> None:
        environment = load_environment("dev", ROOT / "environments")
        with pytest.raises(OperationError, match="the containers of 'abalone-two' are features,"):
            neighbours_of(environment, "abalone-two", at, tmp_path)


class TestExpectedColumns:
    """As a container's own files or settings say."""

    def test_the_schema_of_sparkml_serving(self, tmp_path: Path) -> None:
        schema = json.dumps({"input": [{}, {}], "output": {}})
        assert expected_columns(tmp_path, {"SAGEMAKER_SPARKML_SCHEMA": schema}) == 2

    def test_a_booster(self, tmp_path: Path) -> None:
        content = {"learner": {"learner_model_param": {"num_feature": "9"}}}
        (tmp_path / "xgboost-model").write_text(json.dumps(content, separators=(",", ":")))
        assert expected_columns(tmp_path, {}) == 9

    def test_a_booster_in_binary_says_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "xgboost-model").write_bytes(b"{L\0")
        assert expected_columns(tmp_path, {}) is None

    @pytest.mark.parametrize(
        ("inputs", "columns"),
        [
            ([{"type": "double", "name": "a"}, {"type": "string", "name": "b"}], 2),
            ([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 9]}}], 9),
            ([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, -1]}}], None),
            ([], None),
        ],
    )
    def test_a_signature(
        self, inputs: list[dict[str, object]], columns: int | None, tmp_path: Path
    ) -> None:
        (tmp_path / "MLmodel").write_text(
            f"signature:\n  inputs: '{json.dumps(inputs)}'\n" if inputs else "flavors: {}\n"
        )
        assert expected_columns(tmp_path, {}) == columns

    def test_nothing_says_it(self, tmp_path: Path) -> None:
        assert expected_columns(tmp_path, {}) is None

    def test_what_cannot_be_read_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(OperationError, match="cannot be read"):
            expected_columns(tmp_path, {"SAGEMAKER_SPARKML_SCHEMA": "{}"})
