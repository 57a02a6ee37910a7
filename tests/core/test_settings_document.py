"""The settings document as a pure thing: merging, replacing, and what is shown of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import Invalid
from shared.tenants.setting_catalogue import Secret, Settings, schema
from shared.tenants.settings.merge import differences, merged, replaced, shown

GOOD = "endpoint=https://good.communication.azure.com/;accesskey=AAAA"


def seal(section: str, text: str, there: Secret | None) -> Secret:
    if not text.startswith("endpoint="):
        raise Invalid.field("", "is not a connection string", "InvalidConnectionString")
    return Secret(sealed=f"sealed for {section}", endpoint="https://good", fingerprint=str(hash(text)))


sections: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "outbound": {"maxScheduledTasksPerService": st.integers(1, 50) | st.none()},
    "interact": {
        "o365UserId": st.uuids().map(str) | st.none(),
        "sessionRecoveryTimeoutSeconds": st.integers(5, 60) | st.none(),
        "authorization": st.sampled_from(["None", "VerifyToken", "VerifyTokenAndTenant"]) | st.none(),
        "tokenClientIds": st.lists(st.uuids().map(str), unique=True, max_size=20) | st.none(),
        "restrictOrigins": st.booleans() | st.none(),
        "allowedOrigins": st.lists(st.sampled_from([f"https://{n}.example" for n in "abcde"]), unique=True) | st.none(),
    },
    "attendantConsole": {
        "contactSearchFilter": st.text("aé'=() ", max_size=20) | st.none(),
        "teamVisibility": st.sampled_from(["None", "OwnMembers", "AllMembers"]) | st.none(),
    },
    "presenceTracking": {"trackOverGuestAccounts": st.booleans() | st.none()},
}
patches = st.fixed_dictionaries(
    {}, optional={name: st.none() | st.fixed_dictionaries({}, optional=fields) for name, fields in sections.items()}
)


def reference_merge(target: Any, patch: Any) -> Any:
    """RFC 7396, as its pseudo code has it."""
    if not isinstance(patch, dict):
        return patch
    target = copy.deepcopy(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = reference_merge(target.get(name), value)
    return target


def filled(document: dict[str, Any]) -> dict[str, Any]:
    """Defaults where something is missing."""
    return {name: default | document.get(name, {}) for name, default in Settings().as_json().items()}


@given(st.lists(patches, max_size=6))
def test_any_sequence_of_patches_is_the_same_as_merging_them_locally(changes: list[dict[str, Any]]) -> None:
    settings, expected = Settings(), Settings().as_json()
    for patch in changes:
        settings = merged(settings, patch, seal)
        expected = filled(reference_merge(expected, patch))
    assert settings.as_json() == expected


@given(st.lists(patches, max_size=3), st.booleans())
def test_putting_back_what_was_shown_changes_nothing(changes: list[dict[str, Any]], secret: bool) -> None:
    settings = merged(Settings(), {"interact": {"acsConnectionString": GOOD, "enabled": True}} if secret else {}, seal)
    for patch in changes:
        if not (secret and patch.get("interact", {}) is None):
            settings = merged(settings, patch, seal)
    answer = shown(settings, {}) | {"effective": {}, "warnings": []}
    assert replaced(settings, answer, seal) == settings
    assert differences(settings, replaced(settings, answer, seal)) == []


@given(patches)
def test_what_is_shown_never_holds_what_is_sealed(patch: dict[str, Any]) -> None:
    settings = merged(merged(Settings(), {"assistant": {"acsConnectionString": GOOD}}, seal), patch, seal)
    assert "sealed" not in str(shown(settings, {}))


def test_a_document_without_its_secret_keeps_it_whatever_form_the_gap_has() -> None:
    settings = merged(Settings(), {"interact": {"acsConnectionString": GOOD, "enabled": True}}, seal)
    gaps: list[dict[str, Any]] = [{}, {"acsConnectionString": {}}, {"acsConnectionString": {"set": False, "x": 1}}]
    for gap in gaps:
        assert replaced(settings, {"interact": {"enabled": True} | gap}, seal) == settings
        assert merged(settings, {"interact": gap}, seal) == settings
    assert replaced(settings, {}, seal).interact.acs_connection_string == settings.interact.acs_connection_string


def test_of_a_secret_the_audit_learns_only_that_it_changed() -> None:
    other = GOOD.replace("AAAA", "BBBB")
    steps = [Settings(), *(merged(Settings(), {"interact": {"acsConnectionString": s}}, seal) for s in (GOOD, other))]
    changed = [{"path": "interact.acsConnectionString", "old": None, "new": "changed"}]
    for before, after in ((0, 1), (1, 2), (1, 0)):
        assert differences(steps[before], steps[after]) == changed


def test_findings_about_fields_switches_and_secrets_come_together() -> None:
    patch = {
        "outbound": {"maxScheduledTasksPerService": 0},
        "interact": {"acsConnectionString": "nonsense", "enabled": True},
        "assistant": {"useOwnAcs": True, "acsConnectionString": 5},
    }
    with pytest.raises(Invalid) as refused:
        merged(Settings(), patch, seal)
    assert {finding.path for finding in refused.value.findings} == {
        "outbound.maxScheduledTasksPerService",
        "interact.acsConnectionString",
        "assistant.acsConnectionString",
    }


def test_a_section_that_is_no_object_is_a_finding_and_no_crash() -> None:
    values: list[Any] = [5, [], "x", True]
    for value in values:
        with pytest.raises(Invalid):
            merged(Settings(), {"interact": value}, seal)
        with pytest.raises(Invalid):
            replaced(Settings(), {"assistant": value}, seal)


@pytest.mark.parametrize(
    ("origin", "kept"),
    [
        ("https://www.Example.com", "https://www.example.com"),
        ("https://www.example.com:443", "https://www.example.com"),
        ("https://www.example.com:8443", "https://www.example.com:8443"),
        *(
            (bad, None)
            for bad in ("http://a.example", "https://a.example/", "https://a b", "https://ä.example", "*", "")
        ),
        *((bad, None) for bad in ("https://a.example:0", "https://a.example:65536", "https://u@a.example", "null")),
        # Spelt otherwise than a browser spells it, an origin would never be met again.
        *(
            (bad, None)
            for bad in ("https://a.example:00443", "https://a.example:", "https://a.example.", "https://-a.b")
        ),
        *((bad, None) for bad in (f"https://{'a.' * 126}aa", f"https://{'a' * 64}.b", "https://\u212a.example")),
    ],
)
def test_an_origin_is_https_and_host_and_port(origin: str, kept: str | None) -> None:
    patch = {"interact": {"allowedOrigins": [origin]}}
    if kept is None:
        with pytest.raises(Invalid):
            merged(Settings(), patch, seal)
    else:
        assert merged(Settings(), patch, seal).interact.allowed_origins == [kept]


def test_a_finding_about_origins_says_which_one_is_meant() -> None:
    origins = ["https://a.example", "http://b.example", "https://c.example", "ftp://d.example"]
    with pytest.raises(Invalid) as refused:
        merged(Settings(), {"interact": {"allowedOrigins": origins}}, seal)
    assert [finding.path for finding in refused.value.findings] == [f"interact.allowedOrigins.{n}" for n in (1, 3)]
    assert {finding.message for finding in refused.value.findings} == {
        "is not an origin such as https://www.example.com"
    }
    with pytest.raises(Invalid) as refused:
        merged(Settings(), {"interact": {"allowedOrigins": ["https://a.example", "https://A.example"]}}, seal)
    [finding] = refused.value.findings
    assert (finding.path, finding.message) == ("interact.allowedOrigins", "holds an entry twice")


SHOP = "a0000000-0000-4000-8000-0000000000aa"
DESK = "b0000000-0000-4000-8000-0000000000bb"


def test_client_ids_are_kept_in_lower_case_and_a_change_of_them_is_audited() -> None:
    settings = merged(Settings(), {"interact": {"tokenClientIds": [SHOP.upper(), DESK]}}, seal)
    assert settings.interact.token_client_ids == [SHOP, DESK]
    assert differences(Settings(), settings) == [{"path": "interact.tokenClientIds", "old": [], "new": [SHOP, DESK]}]
    assert merged(settings, {"interact": {"tokenClientIds": [SHOP, DESK.upper()]}}, seal) == settings
    assert merged(settings, {"interact": {"tokenClientIds": None}}, seal) == Settings()
    assert replaced(settings, {}, seal) == Settings()


@pytest.mark.parametrize(
    ("client_ids", "path", "code"),
    [
        ([SHOP, "the shop"], "interact.tokenClientIds.1", "InvalidValue"),
        ([SHOP, ""], "interact.tokenClientIds.1", "InvalidValue"),
        ([SHOP, SHOP.replace("-", "")], "interact.tokenClientIds.1", "InvalidValue"),
        ([5], "interact.tokenClientIds.0", "InvalidValue"),
        ([None], "interact.tokenClientIds.0", "InvalidValue"),
        (SHOP, "interact.tokenClientIds", "InvalidValue"),
        ([SHOP, SHOP.upper()], "interact.tokenClientIds", "InvalidValue"),
        ([f"a0000000-0000-4000-8000-{n:012}" for n in range(21)], "interact.tokenClientIds", "OutOfRange"),
    ],
)
def test_client_ids_are_at_most_20_guids_each_named_once(client_ids: object, path: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        merged(Settings(), {"interact": {"tokenClientIds": client_ids}}, seal)
    [finding] = refused.value.findings
    assert (finding.path, finding.code) == (path, code)


def test_a_finding_repeats_no_more_of_a_name_than_a_person_reads() -> None:
    with pytest.raises(Invalid) as refused:
        merged(Settings(), {"x" * 100_000: 1}, seal)
    assert len(str(refused.value.findings)) < 1000


def test_every_setting_explains_itself() -> None:
    for model in schema()["$defs"].values():
        for name, field in model["properties"].items():
            assert field["title"], name
            assert field["description"], name
            assert "default" in field, name
