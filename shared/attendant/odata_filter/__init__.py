"""The tenant's filter of the contact search: Graph's $filter parsed, judged and made canonical. Pure."""
