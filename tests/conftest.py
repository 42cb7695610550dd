"""Fixtures that many folders of tests share. What they are made of is in `small_road.py`, which needs no torch."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from small_road import MakeRoad, Road, build_road

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: sums round alike, parallel tests do not crowd
settings.register_profile("headrace", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("headrace")


@pytest.fixture(scope="session")
def make_road(tmp_path_factory: pytest.TempPathFactory) -> MakeRoad:
    """Builds a road in a folder of its own, from the keywords of `build_road`."""
    return lambda **given: build_road(tmp_path_factory.mktemp("road"), **given)


@pytest.fixture(scope="session")
def road(make_road: MakeRoad) -> Road:
    """The small corpus itself: 164 documents to learn from, 24 held out, rows of 32 tokens."""
    return make_road()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Where a real S3 API listens on loopback."""
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = server_module.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def storage(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a recipe says about that store; credentials come from the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return {"endpoint_url": s3_endpoint}
