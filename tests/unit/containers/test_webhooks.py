"""Where MLflow's webhooks may lead, and how. What MLflow makes of it: `tests/image`."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import environment_variables
from mlflow.exceptions import MlflowException

from promoter.signing import WINDOW_SECONDS
from tests.unit.lambda_functions.promoting import BACKOFF
from tracking_server.webhooks import (
    ENVIRONMENT,
    HOSTS,
    KEY,
    check_address,
    configure_webhooks,
    encrypt_with,
    straight,
)

SUFFIX = ".execute-api.eu-west-1.amazonaws.com"
PROMOTIONS = f"https://a1b2c3{SUFFIX}/v1/promotions"


class TestAddress:
    @pytest.mark.parametrize(
        "url",
        [
            PROMOTIONS,
            f"https://a1b2c3-vpce-0a1b{SUFFIX}/v1/promotions",
            f"https://a1b2c3{SUFFIX}:443/v1/promotions",
        ],
    )
    def test_of_an_api_of_the_region_is_allowed(self, url: str) -> None:
        check_address(url, [SUFFIX])

    @pytest.mark.parametrize(
        "url",
        [
            "",
            None,
            3,
            PROMOTIONS.replace("https", "http"),
            PROMOTIONS.replace("https", "HTTPS"),
            PROMOTIONS.replace("eu-west-1", "eu-west-2"),
            f"https://{SUFFIX.removeprefix('.')}/v1/promotions",
            f"https://a1b2c3{SUFFIX}:8443/v1/promotions",
            f"https://a1b2c3{SUFFIX}.example.com/v1/promotions",
            f"https://example.com/a1b2c3{SUFFIX}",
            f"https://example.com?a1b2c3{SUFFIX}",
            f"https://example.com#a1b2c3{SUFFIX}",
            f"https://example.com\\@a1b2c3{SUFFIX}/",
            f"https://a1b2c3{SUFFIX}@example.com/",
            f"https://user:secret@a1b2c3{SUFFIX}/",
            f"https://example.com\t.a1b2c3{SUFFIX}/",
            f"{PROMOTIONS}\n",
            f" {PROMOTIONS}",
            "http://127.0.0.1:80/",
            "http://169.254.169.254/latest/meta-data/",
            "http://169.254.170.2/v2/credentials",
            "file:///etc/passwd",
        ],
    )
    def test_of_anything_else_is_not(self, url: object) -> None:
        with pytest.raises(MlflowException, match="the platform's own API, by https") as raised:
            check_address(url, [SUFFIX])
        assert raised.value.get_http_status_code() == 400

    def test_without_hosts_none_is(self) -> None:
        with pytest.raises(MlflowException, match="follows an alias"):
            check_address(PROMOTIONS, [])

    def test_of_this_machine_is_where_it_is_named(self) -> None:
        check_address(
            "http://127.0.0.1:4566/restapis/a1/v1/_user_request_/promotions", ["127.0.0.1"]
        )
        for url in ("http://127.0.0.2/", "https://127.0.0.1/", "http://localhost/", "http://0/"):
            with pytest.raises(MlflowException):
                check_address(url, ["127.0.0.1", SUFFIX])

    @given(st.text(alphabet="aA.:/@\\?#%-1 \t", max_size=30))
    def test_whatever_stands_before_the_suffix(self, start: str) -> None:
        from urllib3.util import parse_url

        url = f"https://{start}{SUFFIX}/v1"
        try:
            check_address(url, [SUFFIX])
        except MlflowException:
            return
        # As what sends it reads it.
        host = parse_url(url).host
        assert host is not None
        assert host.endswith(SUFFIX)


class TestConfiguration:
    def test_every_variable_is_one_of_mlflows(self) -> None:
        known = {
            variable.name
            for variable in vars(environment_variables).values()
            if isinstance(variable, environment_variables._EnvironmentVariable)
        }
        assert set(ENVIRONMENT) <= known

    def test_the_last_try_is_still_of_its_time(self) -> None:
        tries = int(ENVIRONMENT["MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES"]) + 1
        assert tries == len(BACKOFF)
        # MLflow adds up to a second to each pause.
        longest = tries * int(ENVIRONMENT["MLFLOW_WEBHOOK_REQUEST_TIMEOUT"]) + sum(BACKOFF) + tries
        assert longest < WINDOW_SECONDS

    @pytest.mark.parametrize(
        ("listens_on", "key", "expected"),
        [
            ("0.0.0.0", "k", SUFFIX),  # noqa: S104 - what the image listens on
            ("10.0.0.7", "k", SUFFIX),
            ("localhost", "k", SUFFIX),
            ("127.0.0.1", "k", f"{SUFFIX},127.0.0.1"),
            ("127.0.0.1", "", SUFFIX),
        ],
    )
    def test_this_machine_is_called_only_where_nobody_else_calls(
        self, listens_on: str, key: str, expected: str, tmp_path: Path
    ) -> None:
        given = configure_webhooks(tmp_path, hosts=[SUFFIX], key=key, listens_on=listens_on)
        assert given[HOSTS] == expected
        assert Path(given[KEY]).read_text() == key
        assert Path(given[KEY]).stat().st_mode & 0o777 == 0o600
        assert given.items() >= ENVIRONMENT.items()


class TestSecrets:
    def test_each_task_reads_what_another_wrote(self) -> None:
        one, other = SimpleNamespace(), SimpleNamespace()
        encrypt_with(one, "generated")
        encrypt_with(other, "generated")
        written = one.process_bind_param(None, "secret", None)
        assert "secret" not in written
        assert other.process_result_value(None, written, None) == "secret"
        assert one.process_bind_param(None, None, None) is None
        assert one.process_result_value(None, None, None) is None

    def test_what_another_key_wrote_is_none_and_is_said(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        one, other = SimpleNamespace(), SimpleNamespace()
        encrypt_with(one, "generated")
        encrypt_with(other, "generated anew")
        written = one.process_bind_param(None, "secret", None)
        assert other.process_result_value(None, written, None) is None
        assert "make webhook" in caplog.text
        assert written not in caplog.text


def test_sessions_follow_no_redirection() -> None:
    assert straight(lambda: SimpleNamespace(max_redirects=30))().max_redirects == 0
