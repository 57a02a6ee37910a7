"""Several texts as one, so that no two lists of texts give the same one."""

from __future__ import annotations


def length_prefixed(*parts: str) -> bytes:
    """Returns each part's UTF-8 bytes behind their number and a colon: ``("a|b", "c")`` is ``3:a|b1:c``.

    For what is hashed, or bound to a ciphertext as additional authenticated data. A separator alone would make
    ``("a|b", "c")`` and ``("a", "b|c")`` the same. Lone surrogates are kept apart, too.
    """
    encoded = (part.encode("utf-8", "surrogatepass") for part in parts)
    return b"".join(b"%d:%b" % (len(part), part) for part in encoded)
