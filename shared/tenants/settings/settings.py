"""The settings of a tenant: read, written and explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from shared.kernel import log
from shared.kernel.acs_connection_string import Refused, read_connection_string
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import Invalid, NotFound, Stale
from shared.kernel.wire import Wire
from shared.storage.entities import Merge, Overwrite, Row, with_doc
from shared.storage.secrets import SecretBox, Unreadable
from shared.storage.tables import Exists, Table
from shared.tenants import audit
from shared.tenants.documents import Held, Versions, check, held, is_own, write
from shared.tenants.licences import ROW as LICENCES
from shared.tenants.licences import Licences
from shared.tenants.models import Page, Stored
from shared.tenants.setting_catalogue import SECRETS, SECTIONS, Secret, Settings
from shared.tenants.settings.effects import Effect, effects
from shared.tenants.settings.merge import Seal, differences, merged, replaced, secret_of, shown
from shared.tenants.tenants import SETTINGS, Head

_CHECK: Final = "head:check:"


class Warned(Wire):
    """Something that does not block a write and that an admin should know."""

    path: str
    code: str
    message: str


Warner = Callable[[Head, Settings], Sequence[Warned]]


class TenantSettings:
    """``warners`` are asked at each answer; ``acs_suffixes`` are the hosts a connection string may name."""

    def __init__(
        self,
        table: Table,
        secrets: SecretBox,
        licences: Licences,
        acs_suffixes: Sequence[str],
        warners: Sequence[Warner],
        clock: Clock,
    ) -> None:
        self._table = table
        self._secrets = secrets
        self._licences = licences
        self._suffixes = tuple(acs_suffixes)
        self._warners = warners
        self._clock = clock

    def shown(self, head: Head, settings: Settings) -> dict[str, Any]:
        """The document as callers read it, with ``effective`` by section and ``warnings``."""
        warnings = [warned.as_json() for warner in self._warners for warned in warner(head, settings)]
        effective = self.effects(head, settings)
        warnings += [
            Warned(
                path=section,
                code="NotEffective",
                message=f"these settings have no effect yet: {', '.join(effect.because)}",
            ).as_json()
            for section, effect in effective.items()
            if {"ProductNotLicensed", "NoLicensedService", "NoLicensedUser"}.intersection(effect.because)
            and settings.section(section) != Settings().section(section)
        ]
        shown_effects = {name: {"effective": e.effective, "because": list(e.because)} for name, e in effective.items()}
        return shown(settings, _last_checks(head)) | {"effective": shown_effects, "warnings": warnings}

    def section(self, head: Head, name: str) -> dict[str, Any]:
        """One section as callers read it. Raises NotFound (``SectionNotFound``)."""
        if name not in SECTIONS:
            raise NotFound(f"there is no section {name[:64]}; there are {', '.join(SECTIONS)}", code="SectionNotFound")
        section: dict[str, Any] = shown(head.settings.value, _last_checks(head))[name]
        return section

    def effects(self, head: Head, settings: Settings) -> dict[str, Effect]:
        in_use = self._licences.in_use(head.tenant_id, head.rows.get(LICENCES))
        return effects(settings, frozenset(head.tenant.value.products), in_use)

    def replace(self, head: Head, document: object, *, versions: Versions, by: Caller) -> Stored[Settings]:
        """The whole document. Raises NeedsVersion, Stale, then Invalid: an old version is not worth judging."""
        check(head.settings, versions)
        seal = self._seal(head)
        return self._save(head, lambda current: replaced(current, document, seal), by)

    def patch(self, head: Head, patch: object, *, versions: Versions, by: Caller) -> Stored[Settings]:
        """A merge patch (RFC 7396) on the version named."""
        check(head.settings, versions)
        seal = self._seal(head)
        return self._save(head, lambda current: merged(current, patch, seal), by)

    def reset(self, head: Head, *, versions: Versions, by: Caller) -> Stored[Settings]:
        """Back to the defaults; secrets are cleared."""
        check(head.settings, versions)
        return self._save(head, lambda _: Settings(), by)

    def history(
        self, tenant_id: str, *, top: int, continuation: str | None, section: str | None, by: str | None
    ) -> Page[audit.AuditEntry]:
        """Changes, newest first."""
        return audit.page(self._table, tenant_id, top=top, continuation=continuation, section=section, by=by)

    def connection_string(self, head: Head, section: str) -> str | None:
        """The stored secret in clear, for the call that uses it and nobody else."""
        secret = secret_of(head.settings.value, section)
        if secret is None:
            return None
        return self._secrets.open(secret.sealed, tenant=head.tenant_id, field=_field(section))

    def note_check(self, head: Head, section: str, text: str, result: dict[str, Any]) -> None:
        """Keep the last check of the stored string for the portal; it belongs to no version.

        A check of another string is not kept: it says nothing about what is stored.
        """
        secret = secret_of(head.settings.value, section)
        try:
            fingerprint = read_connection_string(text, self._suffixes).fingerprint
        except Refused:
            return
        if secret is not None and secret.fingerprint == fingerprint:
            kept = Row(head.tenant_id, _CHECK + section, with_doc({"fingerprint": fingerprint, "result": result}))
            # A check takes up to 10 s. A tenant that is gone by then has no settings row to touch, and gets none back.
            with suppress(NotFound):
                self._table.transact([Merge(Row(head.tenant_id, SETTINGS, {}), "*"), Overwrite(kept)])

    def _save(self, head: Head, change: Callable[[Settings], Settings], by: Caller) -> Stored[Settings]:
        """Settings and audit entry in one transaction.

        A refreshed widget key and a secret that was sealed again touch the row without making a new version: then
        the change is made once more, to the row as it is now. What was read before would bring the old seal back.
        """
        found: Held[Settings] | None = head.settings
        while found is not None and found.revision == head.settings.revision:
            settings = change(found.value)
            changes = differences(found.value, settings)
            if not changes:
                return found.stored
            settings = self._under_newest_key(head, settings)
            count = found.row.number("audit") + 1
            operations = [
                write(found, head.tenant_id, SETTINGS, settings, audit=count),
                audit.entry(head.tenant_id, count, to_wire(self._clock()), by, found.revision + 1, changes),
            ]
            try:
                self._table.transact(operations)
            except (Exists, Stale):
                latest = self._reread(head.tenant_id)
                if not is_own(latest, operations[0]):
                    found = latest
                    continue
            paths = ",".join(str(changed["path"]) for changed in changes)
            log.info("settings changed", tenant=head.tenant_id, by=by.oid, revision=found.revision + 1, paths=paths)
            return Stored(settings, found.revision + 1)
        etag = found.revision if found else None
        raise Stale("somebody changed the settings while you wrote; read them again", etag=etag)

    def _reread(self, tenant_id: str) -> Held[Settings] | None:
        row = self._table.get(tenant_id, SETTINGS)
        return held(Settings, row) if row else None

    def _seal(self, head: Head) -> Seal:
        def seal(section: str, text: str, there: Secret | None) -> Secret:
            try:
                read = read_connection_string(text, self._suffixes)
            except Refused as exc:
                raise Invalid.field("", exc.detail, exc.code) from None
            if there and there.fingerprint == read.fingerprint and (same := self._renewed(head, section, there)):
                return same
            sealed = self._secrets.seal(read.text, tenant=head.tenant_id, field=_field(section))
            return Secret(sealed=sealed, endpoint=read.endpoint, fingerprint=read.fingerprint)

        return seal

    def _under_newest_key(self, head: Head, settings: Settings) -> Settings:
        """The same settings, to be stored. A secret that does not open stays: the write is about another field."""
        for section, _ in SECRETS:
            secret = secret_of(settings, section)
            if renewed := secret and self._renewed(head, section, secret):
                part = settings.section(section).model_copy(update={"acs_connection_string": renewed})
                settings = settings.model_copy(update={section: part})
        return settings

    def _renewed(self, head: Head, section: str, secret: Secret) -> Secret | None:
        """The same secret, sealed again if an older key did it; None if no key of the ring opens it."""
        place = {"tenant": head.tenant_id, "field": _field(section)}
        try:
            plain = self._secrets.open(secret.sealed, **place)
        except Unreadable:
            return None
        if self._secrets.is_current(secret.sealed):
            return secret
        return secret.model_copy(update={"sealed": self._secrets.seal(plain, **place)})


def _field(section: str) -> str:
    return f"{section}.acsConnectionString"


def _last_checks(head: Head) -> dict[str, Any]:
    return {key.removeprefix(_CHECK): row.doc for key, row in head.rows.items() if key.startswith(_CHECK)}
