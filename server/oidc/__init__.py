"""Signing people in with another provider, by OpenID Connect. What leaves this machine for it leaves from here.

The provider is believed about one thing, whom it signed in, and only after every check of `server.oidc.id_token`. It
says nothing about roles, and nothing that it sends leads a browser anywhere but to its own sign-in page.

Only `server.oidc.joining` may import `server.oidc.provider`, and only once a provider is set: it needs an extra.
"""
