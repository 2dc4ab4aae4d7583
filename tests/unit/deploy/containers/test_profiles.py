"""The order in which the compose file's services come up, and what their images are called."""

from deploy.containers.checks import KILLED, TARGETS
from deploy.containers.images import stand_ins
from deploy.containers.profiles import LEFT_OUT, compose_file, full_name, images_of, services_of

OURS = {"docker.io/library/rtcdp", "docker.io/library/rtcdp-spark"}


def test_a_service_comes_after_those_that_it_waits_for():
    compose = compose_file()
    for profile in ("embedded", "full"):
        order = services_of(compose, profile)
        for name in order:
            waited_for = compose["services"][name].get("depends_on", {})
            assert all(order.index(other) < order.index(name) for other in waited_for)
        assert not LEFT_OUT & set(order)
        assert KILLED[profile] in order
        assert {target.partition(":")[0] for target in TARGETS[profile]} <= set(order)


def test_an_image_is_called_by_the_registry_that_it_comes_from():
    assert full_name("postgres:17") == "docker.io/library/postgres:17"
    assert full_name("prom/prometheus:v3") == "docker.io/prom/prometheus:v3"
    assert full_name("ghcr.io/some/image:1") == "ghcr.io/some/image:1"


def test_every_image_is_ours_or_has_a_stand_in_or_is_left_out():
    image_of = images_of(compose_file())
    made = {each.image for each in stand_ins(image_of)}
    for service, image in image_of.items():
        assert image in OURS | made or service in {*LEFT_OUT, "otel-collector"}
