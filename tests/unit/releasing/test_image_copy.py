"""Images that are copied from registry to registry, and processes that die on the way."""

import threading
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count

import pytest
from botocore.exceptions import ClientError

from operations.errors import OperationError
from releasing import image_copy
from releasing.image_copy import Repository, copy_image
from tests.unit.releasing.registry import FakeEcr, digest_of
from tests.unit.releasing.world import Boundaries, Killed

HERE, THERE = "mlops/prod/iris", "mlops/dev/iris"
BASE, MODEL = b"a layer of several parts, as most are" * 3, b"a small one"


@dataclass
class Registries:
    """Two accounts, and the process between them."""

    boundaries: Boundaries = field(default_factory=Boundaries)
    said: list[str] = field(default_factory=list)
    there: FakeEcr = field(init=False)
    here: FakeEcr = field(init=False)

    def __post_init__(self) -> None:
        self.there, self.here = FakeEcr(self), FakeEcr(self)

    def copy(self, digest: str) -> None:
        origin, target = Repository(self.there, THERE), Repository(self.here, HERE)
        copy_image(origin, target, digest, self.said.append)

    def same(self, *digests: str) -> bool:
        """Whether images are here as they are there, byte for byte."""
        return all(
            self.here.images[HERE, it].manifest == self.there.images[THERE, it].manifest
            for it in digests
        )


@pytest.fixture
def registries() -> Registries:
    return Registries()


class TestImage:
    def test_it_arrives_as_it_is(self, registries: Registries) -> None:
        digest = registries.there.push(THERE, BASE, MODEL, tag="0f1e")
        registries.copy(digest)
        assert registries.same(digest)
        assert registries.here.images[HERE, digest].tags == ["0f1e"]
        kept = {layer: content for (_, layer), content in registries.here.layers.items()}
        assert kept == {layer: content for (_, layer), content in registries.there.layers.items()}
        assert registries.said == [
            "mlops/prod/iris: layer 1 of 3, 0.0 MB",
            "mlops/prod/iris: layer 2 of 3, 0.0 MB",
            "mlops/prod/iris: layer 3 of 3, 0.0 MB",
            f"mlops/prod/iris: {digest} is there, as 0f1e",
        ]

    def test_layers_that_are_there_are_not_sent(self, registries: Registries) -> None:
        registries.here.push(HERE, BASE)
        registries.copy(registries.there.push(THERE, BASE, MODEL))
        assert registries.here.sent == [len(MODEL)]

    def test_no_more_than_one_part_is_held(
        self, registries: Registries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """ECR says how large parts are, and takes none above its limit."""
        monkeypatch.setattr(image_copy, "LARGEST_PART", 20)
        for asked, largest in ((16, 16), (1000, 20)):
            registries.here.part_size = asked
            registries.here.sent.clear()
            registries.copy(registries.there.push(THERE, BASE + bytes([asked % 256])))
            assert max(registries.here.sent) == largest

    def test_any_number_of_layers(self, registries: Registries) -> None:
        digest = registries.there.push(THERE, *(str(it).encode() for it in range(230)))
        registries.copy(digest)
        assert registries.same(digest)


class TestIndex:
    def test_what_it_lists_comes_first(self, registries: Registries) -> None:
        there = registries.there
        image, attestation = there.push(THERE, BASE, MODEL), there.push(THERE, b"provenance")
        inner = there.push_index(THERE, image)
        digest = there.push_index(THERE, inner, attestation, tag="0f1e")
        registries.copy(digest)
        assert registries.same(digest, inner, image, attestation)
        assert list(registries.here.images)[-1] == (HERE, digest)
        assert [it.tags for it in registries.here.images.values()] == [[], [], [], ["0f1e"]]

    def test_an_image_of_it_may_be_there(self, registries: Registries) -> None:
        image = registries.there.push(THERE, BASE)
        assert registries.here.push(HERE, BASE, tag="of-its-own") == image
        digest = registries.there.push_index(THERE, image)
        registries.copy(digest)
        assert registries.same(digest, image)
        assert registries.here.images[HERE, image].tags == ["of-its-own"]


class TestTags:
    def test_one_that_another_image_has_stays(self, registries: Registries) -> None:
        """As both environments built the same content, before anything was promoted."""
        other = registries.here.push(HERE, b"built here", tag="0f1e")
        digest = registries.there.push(THERE, BASE, tag="0f1e")
        registries.copy(digest)
        assert registries.here.images[HERE, other].tags == ["0f1e"]
        assert registries.here.images[HERE, digest].tags == [digest[7:23]]

    def test_an_image_without_any_gets_its_own(self, registries: Registries) -> None:
        digest = registries.there.push(THERE, BASE)
        registries.copy(digest)
        assert registries.here.images[HERE, digest].tags == [digest[7:23]]

    def test_none_that_is_free(self, registries: Registries) -> None:
        digest = registries.there.push(THERE, BASE)
        registries.here.push(HERE, b"pushed by hand", tag=digest[7:23])
        with pytest.raises(OperationError, match=f"others have the tags {digest[7:23]}"):
            registries.copy(digest)


class Cut(BaseHTTPRequestHandler):
    """An answer in chunks, of which the first is not whole."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"8\r\nlay")
        self.close_connection = True

    def log_message(self, *said: object) -> None:
        """Nothing is said of it."""


class TestRefused:
    def test_a_layer_that_arrives_otherwise(self, registries: Registries) -> None:
        digest = registries.there.push(THERE, BASE, MODEL)
        registries.there.changed[digest_of(BASE)] = BASE[:40]
        with pytest.raises(OperationError, match="Run this again") as raised:
            registries.copy(digest)
        assert digest_of(BASE[:40]) in raised.value.what
        assert registries.here.images == {}
        assert (HERE, digest_of(BASE[:40])) not in registries.here.layers

    def test_a_manifest_that_arrives_otherwise(self, registries: Registries) -> None:
        digest = registries.there.push(THERE, BASE)
        registries.there.images[THERE, digest].manifest += " "
        with pytest.raises(OperationError, match=f"{digest}, and arrived as sha256:"):
            registries.copy(digest)
        assert registries.here.uploads == {}

    def test_an_image_that_is_gone(self, registries: Registries) -> None:
        with pytest.raises(OperationError, match="Requested image not found"):
            registries.copy(digest_of(b""))

    def test_a_manifest_without_digests(self, registries: Registries) -> None:
        digest = registries.there.push(THERE, BASE)
        kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        registries.there.images[THERE, digest].kind = kind
        with pytest.raises(OperationError, match=r"v1\+prettyjws"):
            registries.copy(digest)

    def test_layers_that_cannot_be_fetched(self, registries: Registries) -> None:
        digest = registries.there.push(THERE, BASE)
        registries.there.unreachable = True
        with pytest.raises(OperationError, match=f"{THERE} cannot be fetched"):
            registries.copy(digest)

    def test_a_layer_that_breaks_off(
        self, registries: Registries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digest = registries.there.push(THERE, BASE)
        with HTTPServer(("127.0.0.1", 0), Cut) as server:
            threading.Thread(target=server.handle_request).start()
            link = {"downloadUrl": f"http://127.0.0.1:{server.server_port}/layer"}
            monkeypatch.setattr(
                registries.there, "get_download_url_for_layer", lambda **asked: link
            )
            with pytest.raises(OperationError, match=f"{THERE} cannot be fetched"):
                registries.copy(digest)

    def test_what_ecr_refuses_is_not_swallowed(self, registries: Registries) -> None:
        digest = registries.there.push(THERE, BASE)
        registries.here.layers.update(
            {(HERE, layer): content for (_, layer), content in registries.there.layers.items()}
        )
        del registries.here.layers[HERE, digest_of(BASE)]
        registries.here.batch_check_layer_availability = (  # type: ignore[method-assign]
            lambda repositoryName, layerDigests: {  # noqa: N803
                "layers": [
                    {"layerDigest": it, "layerAvailability": "AVAILABLE"} for it in layerDigests
                ]
            }
        )
        with pytest.raises(ClientError, match="LayersNotFoundException"):
            registries.copy(digest)


def test_a_kill_anywhere_is_made_good_by_the_next_try() -> None:
    begun = Registries()
    image = begun.there.push(THERE, BASE, MODEL)
    digest = begun.there.push_index(THERE, image, tag="0f1e")
    places: list[str] = []
    for at in count():
        again = deepcopy(begun)
        again.boundaries = Boundaries(at)
        try:
            again.copy(digest)
        except Killed as killed:
            places.append(str(killed))
            sent = sum(again.here.sent)
            complete = sum(len(it) for it in again.here.layers.values())
            again.boundaries = Boundaries()
            if (HERE, digest) not in again.here.images:
                again.copy(digest)
            # What had arrived as a whole is not sent again, and half a layer is.
            assert sum(again.here.sent) == sum(map(len, again.there.layers.values())) + (
                sent - complete
            )
        else:
            break
        assert again.same(digest, image)
        assert again.here.images[HERE, digest].tags == ["0f1e"]
    assert places.count("after part of a layer") > 8
    assert {"before manifest", "after manifest", "before end of an upload"} <= set(places)
