"""A registry of Feast with code in it, in every place that Feast has for some: refused before any of it runs."""

from __future__ import annotations

import os
import warnings

import dill
import pytest
from feast.protos.feast.core.FeatureView_pb2 import FeatureView
from feast.protos.feast.core.Registry_pb2 import Registry
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.feast_home import HomeFileRegistryStore
from feature_repo.feature_store import apply_definitions, open_store
from feature_repo.registry_content import _DECLARATIONS, read_registry
from pairity.errors import LakeCorruptError
from tests.training.published import settings_for


class Payload:
    """Makes the canary when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("feast") / "home")
    apply_definitions(settings, open_store(settings))
    return settings


@pytest.fixture
def path(settings):
    path = settings.root / "feast" / "registry.db"
    content = path.read_bytes()
    yield path
    path.write_bytes(content)


def give_code(function, code):
    function.name, function.body = "f", code


def in_views(registry, code):
    for view in registry.feature_views:
        give_code(view.spec.feature_transformation.user_defined_function, code)
        view.spec.mode = "python"


def in_a_view_of_the_past(registry, code):
    view = FeatureView()
    give_code(view.spec.feature_transformation.user_defined_function, code)
    registry.feature_view_version_history.records[0].feature_view_proto = view.SerializeToString()


def as_text_alone(registry, code):
    registry.feature_views[0].spec.feature_transformation.user_defined_function.body_text = "raise SystemExit"


def on_demand(registry, code):
    view = registry.on_demand_feature_views.add()
    give_code(view.spec.feature_transformation.user_defined_function, code)


def on_a_stream(registry, code):
    give_code(registry.stream_feature_views.add().spec.user_defined_function, code)


def as_a_class_of_a_source(registry, code):
    registry.feature_views[0].spec.batch_source.data_source_class_type = "antigravity.Source"


def as_a_class_of_a_service_s_source(registry, code):
    source = registry.feature_services[0].spec.features[0].batch_source
    source.data_source_class_type = "antigravity.Source"


def as_a_class_of_infrastructure(registry, code):
    registry.infra.infra_objects.add().infra_object_class_type = "antigravity.Table"


def as_a_source_of_its_own(registry, code):
    registry.data_sources[0].custom_options.configuration = code


TRICKS = [
    in_views,
    in_a_view_of_the_past,
    as_text_alone,
    on_demand,
    on_a_stream,
    as_a_class_of_a_source,
    as_a_class_of_a_service_s_source,
    as_a_class_of_infrastructure,
    as_a_source_of_its_own,
]


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_a_registry_with_code_is_refused_and_nothing_of_it_runs(trick, settings, path, tmp_path):
    canary = tmp_path / "canary"
    registry = Registry.FromString(path.read_bytes())
    trick(registry, dill.dumps(Payload(canary)))
    store = open_store(settings)  # opened before: Feast reads the file again when its copy is old
    path.write_bytes(registry.SerializeToString())
    for attempt in (lambda: open_store(settings), store.refresh_registry, lambda: apply_definitions(settings, store)):
        with pytest.raises(LakeCorruptError, match="no declaration of ours has") as caught:
            attempt()
        assert "delete it and run pairity features" in caught.value.remedy
    assert not canary.exists()


def test_feast_itself_runs_what_a_view_brings(path, tmp_path):
    registry = Registry.FromString(path.read_bytes())
    in_views(registry, dill.dumps(Payload(tmp_path / "canary")))
    from feast import FeatureView as View

    with warnings.catch_warnings(action="ignore"), pytest.raises(AttributeError):
        View.from_proto(registry.feature_views[0])
    assert (tmp_path / "canary").exists()


def test_what_the_catalogue_declares_is_read_and_the_store_reads_it_there_alone(path):
    assert read_registry(path) == Registry.FromString(path.read_bytes())
    assert "get_registry_proto" in vars(HomeFileRegistryStore)


def messages_of(descriptor, seen):
    """Every message that a registry can hold, with one way to it: fields from the top."""
    for field in descriptor.fields:
        kind = field.message_type
        if kind is not None and kind.full_name not in seen and not kind.GetOptions().map_entry:
            seen[kind.full_name] = (*seen[descriptor.full_name], field)
            messages_of(kind, seen)
    return seen


WAYS = messages_of(Registry.DESCRIPTOR, {Registry.DESCRIPTOR.full_name: ()})
FOREIGN = sorted(name for name in WAYS if name not in _DECLARATIONS and not name.startswith("google.protobuf."))


@given(name=st.sampled_from(FOREIGN))
def test_no_message_that_is_not_declared_passes(tmp_path_factory, name):
    registry = inner = Registry()
    for field in WAYS[name]:
        inner = getattr(inner, field.name)
        if hasattr(inner, "add"):
            inner = inner.add()
        else:
            inner.SetInParent()
    path = tmp_path_factory.mktemp("registry") / "registry.db"
    path.write_bytes(registry.SerializeToString())
    with pytest.raises(LakeCorruptError, match=r"registry\.db holds a feast"):
        read_registry(path)
