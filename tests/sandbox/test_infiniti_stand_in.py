"""The stand-in Infiniti says what the vendor's article says, and what the article leaves open can be switched."""

import asyncio
import json
import shutil
import subprocess

import httpx
import pytest

from sandbox.infiniti import IMPORT, InfinitiServer, infiniti_app

ACCOUNT = ("autoimport", "Import-pass-1")
HEADER = "username,givenname,emailaddress,graduationyear,librarybarcode,password,enabled,staffmember"
JANE = "jane,Jane,jane@school.example,2031,101,,Y,N"
JOHN = "john,John,john@school.example,2030,102,,Y,N"
UNWELL = "june,June,june at school,2030,103,,Y,N"
UNWELL_TOLD = (
    "Field (emailAddress) is not a well-formed email address. "
    "User failed to import: Field (emailAddress) is not a well-formed email address. "
)


@pytest.fixture
def app():
    return infiniti_app()


@pytest.fixture
def infiniti(app):
    return app.state.infiniti


@pytest.fixture
def post(app):
    """Send a file in process; the response."""

    async def call(content, auth=ACCOUNT, **rest):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://school") as client:
            files = {} if content is None else {"file": ("users.csv", content, "text/csv")}
            return await client.post(IMPORT, files=files, auth=auth, **rest)

    return lambda content, **rest: asyncio.run(call(content, **rest))


def file(*rows, header=HEADER):
    return "\n".join([header, *rows, ""]).encode()


def test_a_file_without_errors_is_answered_as_in_the_article(post, infiniti):
    """success and summary, no details; one user is a user, two are users."""
    assert post(file(JANE)).json() == {
        "success": True,
        "summary": "1 user processed. 1 user created. 0 users updated. 0 users failed.",
    }
    answer = post(file(JANE, JOHN))
    assert answer.status_code == 200
    assert answer.json()["summary"] == "2 users processed. 1 user created. 1 user updated. 0 users failed."
    assert infiniti.school.users["jane"] == {
        "username": "jane",
        "givenname": "Jane",
        "emailaddress": "jane@school.example",
        "graduationyear": "2031",
        "librarybarcode": "101",
        "password": "",
        "enabled": True,
        "staffmember": False,
    }


def test_the_articles_third_example(post):
    """An update, a failure said twice, and a creation, by row number from 1."""
    post(file(JANE))
    assert post(file(JANE, UNWELL, JOHN)).json() == {
        "success": False,
        "summary": "3 users processed. 1 user created. 1 user updated. 1 user failed.",
        "details": {"1": "User Updated", "2": UNWELL_TOLD, "3": "User Created"},
    }


@pytest.mark.parametrize("status", [200, 401])
def test_an_unauthorised_import_is_answered_in_json(post, infiniti, status):
    """The article shows the body and not the status."""
    infiniti.oddities.unauthorised = status
    for auth in (("autoimport", "wrong"), None):
        answer = post(file(JANE), auth=auth)
        assert answer.status_code == status
        assert answer.json() == {"success": False, "summary": "Unauthorised. Check credentials."}
    assert infiniti.school.users == {}


@pytest.mark.parametrize(
    ("oddity", "details"),
    [
        ({"details": "array"}, ["User Created", UNWELL_TOLD]),
        ({"first_row": 0}, {"0": "User Created", "1": UNWELL_TOLD}),
        ({"details": "failed"}, {"2": UNWELL_TOLD}),
        ({"details": "none"}, None),
        ({"header_line": True}, {"0": "Line is invalid.", "1": "User Created", "2": UNWELL_TOLD}),
        ({"doubled": False}, {"1": "User Created", "2": UNWELL_TOLD.split(" User", maxsplit=1)[0]}),
    ],
)
def test_the_shape_of_the_details_can_be_switched(post, infiniti, oddity, details):
    """Each way in which the article may be read."""
    vars(infiniti.oddities).update(oddity)
    assert post(file(JANE, UNWELL)).json().get("details") == details


@pytest.mark.parametrize("content", [b"", HEADER.encode(), file()])
def test_a_file_may_be_empty(post, content):
    """Infiniti: for schools performing scheduled incremental imports. Zero bytes, or a header alone."""
    assert post(content).json()["summary"] == "0 users processed. 0 users created. 0 users updated. 0 users failed."


@pytest.mark.parametrize(("empty", "refused"), [("header only", b""), ("zero bytes", HEADER.encode())])
def test_which_file_counts_as_empty_can_be_switched(post, infiniti, empty, refused):
    """The article does not say."""
    infiniti.oddities.empty = empty
    assert post(refused).json() == {"success": False, "summary": "The file has no users."}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",X,,2030,,,Y,N", "Field (username) may not be blank."),
        ("x,X,,2030,,,,N", "Field (enabled) may not be blank."),
        ("x,X,,2030,,,Y,", "Field (staffMember) may not be blank."),
        ("x,X,,2030,,,perhaps,N", "Field (enabled) is not a boolean."),
        ("x,X,,,,,Y,N", "Field (graduationYear) is mandatory for students."),
        ("x,X,,31,,,Y,N", "Field (graduationYear) is not a year."),
        ("x,X,,2030,101,,Y,N", "Field (libraryBarcode) is already in use."),
    ],
)
def test_a_row_that_breaks_a_rule_fails_alone(post, infiniti, row, reason):
    """The others are taken, and the user is as before."""
    infiniti.oddities.doubled = False
    post(file(JANE))
    answer = post(file(row, JOHN)).json()
    assert answer["details"] == {"1": reason, "2": "User Created"}
    assert set(infiniti.school.users) == {"jane", "john"}


@pytest.mark.parametrize("yes", ["y", "yes", "true", "1", "Y", "TRUE"])
@pytest.mark.parametrize("no", ["n", "no", "false", "0", "N"])
def test_booleans_are_written_in_eight_ways(post, infiniti, yes, no):
    """Infiniti: y, yes, true, 1 and n, no, false, 0."""
    assert post(file(f"x,X,,2030,,,{yes},{no}")).json()["success"]
    assert (infiniti.school.users["x"]["enabled"], infiniti.school.users["x"]["staffmember"]) == (True, False)


def test_existing_users_need_the_key_alone(post, infiniti):
    """Infiniti: the article's sample for existing users has neither enabled nor staffmember."""
    post(file(JANE))
    assert post(file("jane,10A", header="username,formclass")).json()["success"]
    assert infiniti.school.users["jane"]["formclass"] == "10A"
    assert infiniti.school.users["jane"]["givenname"] == "Jane"


@pytest.mark.parametrize(("blank", "left"), [("erase", ""), ("keep", "Jane")])
def test_an_empty_cell_erases_or_keeps(post, infiniti, blank, left):
    """The article does not say which."""
    infiniti.oddities.blank_cells = blank
    post(file(JANE))
    post(file("jane,", header="username,givenname"))
    assert infiniti.school.users["jane"]["givenname"] == left


def test_a_password_is_set_whenever_it_is_sent(post, infiniti):
    """Also one that somebody has changed meanwhile; so a client should not send it twice."""
    post(file("x,X,,2030,,first,Y,N"))
    post(file("x,X,,2030,,second,Y,N"))
    assert infiniti.school.users["x"]["password"] == "second"
    assert [event.what for event in infiniti.school.history] == ["created", "password", "updated", "password"]


def test_a_user_missing_from_a_file_stays_enabled(post, infiniti):
    """Infiniti: who is to be disabled has a row that says so."""
    post(file(JANE, JOHN))
    post(file("john,John,,2030,102,,N,N"))
    assert infiniti.school.users["jane"]["enabled"] is True
    assert infiniti.school.users["john"]["enabled"] is False


def test_the_first_file_of_the_form_is_taken_whatever_it_is_called(app, infiniti):
    """Infiniti: file name and form attribute name are ignored."""

    async def call():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://school") as client:
            parts = [("x", ("no.txt", file(JANE))), ("file", ("users.csv", file(JOHN)))]
            return await client.post(IMPORT, files=parts, data={"file": "no file"}, auth=ACCOUNT)

    assert asyncio.run(call()).json()["success"]
    assert set(infiniti.school.users) == {"jane"}


def test_a_header_without_the_key_has_the_file_refused(post, infiniti):
    """And one with an unknown column, if the oddity is switched on."""
    assert post(file(JANE, header=HEADER.replace("username", "login"))).json()["summary"] == (
        "The file has no column username."
    )
    infiniti.oddities.unknown_columns = "refuse"
    assert not post(file("x,1", header="username,shoesize")).json()["success"]
    infiniti.oddities.spellings = {"login": "username"}
    assert post(file(JANE, header=HEADER.replace("username", "login"))).json()["success"]


def test_a_request_that_is_not_a_form_is_refused(post):
    """No crash, and no users."""
    assert post(None).json() == {"success": False, "summary": "No file was sent."}


@pytest.fixture
def server():
    with InfinitiServer() as running:
        yield running


def test_the_users_are_shown(server):
    """On a page, without passwords, and as JSON; oddities and faults are switched from elsewhere."""
    url, post_to = server.url, f"{server.url}{IMPORT}"
    assert "No user yet" in httpx.get(url).text
    httpx.post(post_to, files={"file": file("x,<b>Zoë</b>,,2030,,secret-1,Y,N")}, auth=ACCOUNT)
    page = httpx.get(url).text
    assert "&lt;b&gt;Zoë&lt;/b&gt;" in page
    assert "secret-1" not in page
    assert httpx.get(f"{url}/_sandbox/users").json()[0]["givenname"] == "<b>Zoë</b>"
    httpx.post(f"{url}/_sandbox/oddities", json={"unauthorised": 200}).raise_for_status()
    assert httpx.post(post_to, files={"file": file()}).status_code == 200
    assert httpx.post(f"{url}/_sandbox/oddities", json={"odd": 1}).status_code == 400
    httpx.post(f"{url}/_sandbox/faults", json={"status": 503}).raise_for_status()
    assert httpx.post(post_to, files={"file": file()}, auth=ACCOUNT).status_code == 503
    assert [seen["status"] for seen in httpx.get(f"{url}/_sandbox/journal").json()] == [200, 200, 503]


def test_an_answer_can_be_lost(server):
    """Before the work, after it, or halfway."""
    where, sent = f"{server.url}{IMPORT}", {"files": {"file": file(JANE)}, "auth": ACCOUNT}
    server.faults.answer(504, work="first")
    assert httpx.post(where, **sent).status_code == 504
    assert list(server.school.users) == ["jane"]
    lost = ({"cut": True}, {"breaks_off": 0})
    for arm in (server.faults.hang_up, *(lambda how=how: server.faults.trouble(**how) for how in lost)):
        arm()
        with pytest.raises(httpx.TransportError):
            httpx.post(where, **sent)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_the_curl_command_of_the_vendors_article(server, tmp_path):
    """As the article writes it: -X POST -F file=@users.csv, with user and password in the URL."""
    (tmp_path / "users.csv").write_bytes(file(JANE, JOHN))
    url = server.url.replace("http://", "http://autoimport:Import-pass-1@")
    command = ["curl", "-s", "--noproxy", "*", "-X", "POST", "-F", "file=@users.csv", f"{url}{IMPORT}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == {
        "success": True,
        "summary": "2 users processed. 2 users created. 0 users updated. 0 users failed.",
    }
    assert set(server.school.users) == {"jane", "john"}
