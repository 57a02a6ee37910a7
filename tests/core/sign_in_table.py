"""Entra's codes as the public record has them: what each means here, who mends it, and words of the remedy.

A line is: AADSTS code, who acts, source (its key in the data file), words of the remedy. The heading gives the family
and the code of the contract. Written from the sources, not from the data file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple


class Row(NamedTuple):
    aadsts: int
    family: str
    outcome: str
    acts: str
    source: str
    remedy: str


TABLE: Final = """
NotInTenant NotAddedAsGuest
  50020   tenant reference Invite the account
  50034   tenant reference Invite the account
  51004   tenant reference Invite the account
  16000   tenant reference Invite the account
  16003   tenant reference Invite the account
  90072   tenant reference Invite the account
  50177   tenant reference Invite the account
  50178   tenant reference Invite the account
  500211  tenant lookup Invite the account
  500341  tenant lookup Invite the account
  50014   operator reference accept the invitation
AccountDisabled AccountDisabled
  500571  tenant guestDisabled turn 'Account enabled' on
  50057   operator reference in its home tenant
AccountLocked AccountLocked
  50053   operator reference ends by itself
PasswordExpired PasswordExpired
  50055   operator reference change the account's password
  50144   operator reference change the account's password
  50125   operator reference change the account's password
WrongPassword WrongPassword
  50126   operator reference correct the account's password
  50056   operator reference correct the account's password
  50064   operator reference correct the account's password
SignInExpired SignInExpired
  70008   operator reference sign the account in again
  700082  operator reference sign the account in again
  70000   operator reference sign the account in again
  50173   operator reference sign the account in again
  50132   operator reference sign the account in again
  50133   operator reference sign the account in again
  50089   operator reference sign the account in again
GuestAccessRestricted GuestAccessRestricted
  500213  tenant reference Inbound access settings
  500212  operator reference outbound cross-tenant access settings
  500021  operator reference tenant restrictions
  500022  operator reference tenant restrictions
  50002   operator reference tenant restrictions
  5000211 operator tenantRestrictions tenant restrictions
  90084   tenant reference Guest user access restrictions
ConditionalAccess BlockedByConditionalAccess
  53003   tenant reference trusted location
  530032  tenant reference trusted location
  530031  tenant lookup trusted location
  50131   tenant reference trusted location
  530035  tenant reference security defaults
  53000   tenant reference compliant or managed device
  53001   tenant reference compliant or managed device
  53002   tenant reference approved app
  50005   tenant reference device platform
  50097   tenant reference compliant or managed device
  50127   tenant reference approved app
  50129   tenant reference compliant or managed device
  50155   tenant reference compliant or managed device
  50187   tenant reference compliant or managed device
  135011  tenant reference compliant or managed device
  530002  tenant signInLogList compliant or managed device
  530003  tenant managedDevice compliant or managed device
  530004  tenant compliantDevice compliant or managed device
  530021  tenant signInLogList approved app
  530084  tenant lookup token protection
  53005   tenant lookup approved app
  700003  tenant deviceNotFound compliant or managed device
  53011   operator reference Risky users
  530034  operator reference Risky users
  50135   operator reference Risky users
  70043   tenant reference Sign-in frequency
  70044   tenant signInLogList Sign-in frequency
  530036  tenant authenticationFlows Authentication flows
  530033  tenant deviceCodeFlow Authentication flows
SecondFactor MfaRequired
  50072   tenant reference multifactor authentication
  50074   tenant reference multifactor authentication
  50076   tenant reference multifactor authentication
  50078   tenant reference multifactor authentication
  50079   tenant reference multifactor authentication
  50158   tenant reference multifactor authentication
  53004   tenant reference multifactor authentication
  53010   tenant reference multifactor authentication
  500121  tenant signInLogList multifactor authentication
ConsentMissing PermissionNotGranted
  65001   tenant reference grant-permission link
  65004   tenant reference grant-permission link
  650056  tenant reference grant-permission link
  90008   tenant reference grant-permission link
  90094   tenant reference grant-permission link
  90095   tenant reference grant-permission link
  90099   tenant reference grant-permission link
  650051  tenant lookup grant-permission link
  65005   operator reference app registration
  650057  operator reference app registration
AppNotInTenant AppNotInTenant
  700016  tenant reference grant-permission link
  700011  tenant reference grant-permission link
  7000229 tenant servicePrincipal grant-permission link
  500011  tenant reference grant-permission link
  50001   tenant reference grant-permission link
  7000112 tenant reference Enabled for users to sign in
  70001   tenant reference Enabled for users to sign in
  500014  tenant lookup Enabled for users to sign in
  50105   tenant reference Assignment required
  650052  tenant reference has not subscribed
OurCredentials Unknown
  7000215 operator reference renew the credentials
  7000216 operator lookup renew the credentials
  7000218 operator reference renew the credentials
  7000222 operator reference renew the credentials
  70002   operator reference renew the credentials
  700025  operator reference renew the credentials
  700027  operator reference renew the credentials
  700024  operator lookup renew the credentials
TenantUnavailable Unknown
  90002   operator reference tenant id
  50059   operator reference tenant id
  50128   operator reference tenant id
  9001023 operator reference tenant id
  900021  operator lookup tenant id
  900023  operator lookup tenant id
  90038   operator reference MICROSOFT_CLOUD
  900439  operator otherCloud MICROSOFT_CLOUD
  5000225 tenant lookup reactivate
OurRequest Unknown
  70011   operator reference app registration
  50011   operator reference app registration
  50194   operator reference app registration
  900144  operator reference app registration
AssertionExpired Unknown
  500133  user reference new access token
AssertionRefused Unknown
  50013   user reference signed-in user
  500131  user lookup signed-in user
  7000114 user reference signed-in user
DeviceCode Unknown
  70018   operator reference new code
  70019   operator reference new code
HomeDirectory Unknown
  50107   operator reference identity provider
  80001   operator reference identity provider
"""


def _rows() -> Iterator[Row]:
    family = outcome = ""
    for line in TABLE.strip().splitlines():
        if line.startswith(" "):
            number, acts, source, remedy = line.split(maxsplit=3)
            yield Row(int(number), family, outcome, acts, source, remedy)
        else:
            family, outcome = line.split()


ROWS: Final = list(_rows())
