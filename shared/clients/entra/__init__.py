"""Microsoft Entra: tokens of callers, sign-ins of the app and of guest accounts."""
