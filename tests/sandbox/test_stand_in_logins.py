"""Logging in to the stand-in, and what becomes of tokens."""

import pytest
from stand_in import TENANT, Client

from sandbox.folio import Folio, FolioTenant
from sandbox.folio.app import application


@pytest.fixture
def stranger(app) -> Client:
    return Client(app, log_in=False)


def tokens(client: Client) -> dict[str, str]:
    response = client.log_in("/authn/login-with-expiry")
    return {name: response.cookies[name] for name in ("folioAccessToken", "folioRefreshToken")}


def cookie(**values: str) -> dict[str, str]:
    return {"cookie": "; ".join(f"{name}={value}" for name, value in values.items()), "x-okapi-token": ""}


def status(client: Client, **headers: str) -> int:
    return client(
        "GET", "/users", headers={name.replace("_", "-"): value for name, value in headers.items()}
    ).status_code


def test_the_legacy_login_gives_a_token_in_body_and_header(stranger):
    """FOLIO: mod-login LoginAPI.postAuthnLogin."""
    response = stranger.log_in()
    assert response.status_code == 201
    assert response.headers["x-okapi-token"] == response.json()["okapiToken"]
    assert status(stranger, x_okapi_token=response.json()["okapiToken"]) == 200


def test_the_legacy_login_is_gone_where_the_tenant_says_so(stranger):
    """FOLIO: mod-authtoken legacy.token.tenants; LoginAPI answers 404 Not found."""
    stranger.folio.tenants[TENANT].legacy_login = False
    response = stranger.log_in()
    assert (response.status_code, response.text) == (404, "Not found")
    assert stranger.log_in("/authn/login-with-expiry").status_code == 201


def test_the_expiring_login_gives_two_secure_cookies_and_their_ends(stranger):
    """FOLIO: mod-login LoginAPI.postAuthnLoginWithExpiry."""
    response = stranger.log_in("/authn/login-with-expiry")
    assert response.status_code == 201
    assert set(response.json()) == {"accessTokenExpiration", "refreshTokenExpiration"}
    assert all(end.endswith("Z") for end in response.json().values())
    access, refresh = response.headers.get_list("set-cookie")
    assert (access.partition("=")[0], "Path=/;" in access) == ("folioAccessToken", True)
    assert (refresh.partition("=")[0], "Path=/authn;" in refresh) == ("folioRefreshToken", True)
    assert all("Secure" in each and "HttpOnly" in each for each in (access, refresh))


@pytest.mark.parametrize("path", ["/authn/login", "/authn/login-with-expiry"])
def test_wrong_credentials_are_422_and_missing_ones_400(stranger, path):
    """FOLIO: mod-login LoginAPI."""
    wrong = stranger.log_in(path, password="guess")
    assert (wrong.status_code, wrong.json()["errors"][0]["message"]) == (422, "Password does not match")
    assert stranger("POST", path, json={"username": "loader"}).status_code == 400


def test_a_call_needs_a_token_that_is_known(stranger):
    """FOLIO: mod-authtoken; missing and unknown tokens are 401."""
    assert status(stranger) == 401
    assert status(stranger, x_okapi_token="a.b.c") == 401


def test_cookie_header_and_bearer_carry_the_token_alike(stranger):
    """FOLIO: folio-kong's auth-headers-manager takes any of the three."""
    token = tokens(stranger)["folioAccessToken"]
    assert status(stranger, cookie=f"folioAccessToken={token}") == 200
    assert status(stranger, x_okapi_token=token) == 200
    assert status(stranger, authorization=f"Bearer {token}") == 200


def test_a_cookie_and_a_header_that_differ_are_a_404(stranger):
    """FOLIO: folio-kong handler.lua; typical of a client with a cookie jar and an old header."""
    old, new = tokens(stranger)["folioAccessToken"], tokens(stranger)["folioAccessToken"]
    assert status(stranger, cookie=f"folioAccessToken={new}", x_okapi_token=old) == 404
    assert status(stranger, cookie=f"folioAccessToken={new}", x_okapi_token=new) == 200


def test_a_refresh_token_opens_no_door(stranger):
    """It is for /authn/refresh alone."""
    assert status(stranger, x_okapi_token=tokens(stranger)["folioRefreshToken"]) == 401


def test_a_token_belongs_to_one_tenant(app):
    """FOLIO: mod-authtoken Token.validateCommon, 403."""
    other = Client(app, "fs00005678")
    response = other("GET", "/users", headers={"x-okapi-tenant": TENANT})
    assert (response.status_code, response.text[:15]) == (403, "Tenant mismatch")


def test_a_tenant_must_be_named_and_known(folio):
    """FOLIO: Okapi."""
    assert folio("GET", "/users", headers={"x-okapi-tenant": ""}).status_code == 400
    assert folio("GET", "/users", headers={"x-okapi-tenant": "nobody"}).status_code == 400


def test_an_access_token_ends_after_its_seconds():
    """FOLIO: mod-authtoken; ten minutes unless the tenant says otherwise."""
    now = [1_800_000_000.0]
    client = Client(application(Folio([FolioTenant(TENANT, token_seconds=30)], lambda: now[0])), log_in=False)
    carried = cookie(folioAccessToken=tokens(client)["folioAccessToken"])
    now[0] += 29
    assert client("GET", "/users", headers=carried).status_code == 200
    now[0] += 2
    assert client("GET", "/users", headers=carried).status_code == 401


def test_revoked_tokens_are_401(folio):
    """A restart of the real mod-authtoken without a fixed key does the same."""
    folio.folio.logins.revoke("fs00005678")
    assert status(folio) == 200
    folio.folio.logins.revoke(TENANT)
    assert status(folio) == 401


def test_a_refresh_token_works_once(stranger):
    """FOLIO: mod-login LoginAPI.postAuthnRefresh; rotation, every failure is a 422."""
    first = tokens(stranger)
    response = stranger("POST", "/authn/refresh", headers=cookie(**first))
    assert response.status_code == 201
    assert status(stranger, cookie=f"folioAccessToken={response.cookies['folioAccessToken']}") == 200
    assert stranger("POST", "/authn/refresh", headers=cookie(**first)).status_code == 422


def test_a_logged_out_token_is_over(folio):
    """FOLIO: mod-login LoginAPI.postAuthnLogout."""
    assert folio("POST", "/authn/logout").status_code == 204
    assert status(folio) == 401
