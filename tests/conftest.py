"""Fixtures that many folders of tests share. What they are made of is in `small_road.py`, which needs no torch."""

import os

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
