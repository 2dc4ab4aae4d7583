"""Who may do what: keys, tokens and sessions, what they let do, and how often. Nothing here knows
HTTP: `rtcdp.api.entrance` asks for each request."""
