"""The sandbox's mail server and the page its mails are read on."""

import smtplib
from email.message import EmailMessage

import httpx
import pytest

from sandbox.smtp import MailServer


@pytest.fixture
def server(tmp_path):
    with MailServer(tmp_path / "mail") as running:
        yield running


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    fields = {"Subject": "Überfällig: 3 rows", "From": "load@consortium.example", "To": "ann@library.example"} | headers
    for name, value in fields.items():
        message[name] = value
    message.set_content("Three rows — see the file.\n")
    message.add_alternative("<p>Three <b>rows</b><script>alert(1)</script></p>", subtype="html")
    message.add_attachment("row,reason\n2,x\n", subtype="csv", filename="rejets é.csv")
    return message


def send(server: MailServer, message: EmailMessage) -> None:
    with smtplib.SMTP(server.host, server.port, timeout=60) as smtp:
        smtp.send_message(message)


def test_a_mail_arrives_as_it_was_sent(server):
    """Text, HTML and attachment come through; who it was for is kept, hidden recipients included."""
    send(server, mail(Bcc="boss@library.example"))
    (kept,) = server.wait_for(1)
    assert (kept["subject"], kept["to"]) == ("Überfällig: 3 rows", "ann@library.example")
    assert kept["x-rcptto"] == "ann@library.example, boss@library.example"
    assert kept.get_body(("plain",)).get_content() == "Three rows — see the file.\n"
    assert "<b>rows</b>" in kept.get_body(("html",)).get_content()
    (attachment,) = kept.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("rejets é.csv", "row,reason\n2,x\n")


def test_mails_are_files_in_the_order_they_came(server):
    """One .eml per mail, its subject in the name; another process can read the folder."""
    for subject in ("first", "second", "../../etc"):
        send(server, mail(Subject=subject))
    names = sorted(path.name for path in server.folder.iterdir())
    assert names == ["0001-first.eml", "0002-second.eml", "0003-etc.eml"]
    assert [each["subject"] for each in server.mails] == ["first", "second", "../../etc"]


def test_a_recipient_can_be_refused(server):
    """What a sender must survive."""
    server.refused.add("ann@library.example")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, mail())
    assert server.mails == []


def test_waiting_ends_with_a_count(server):
    """A test that waits for a mail in vain says how many came."""
    with pytest.raises(TimeoutError, match="0 of 1 mails"):
        server.wait_for(1, seconds=0.05)


def get(server: MailServer, path: str) -> httpx.Response:
    return httpx.get(server.page_url + path, timeout=60)


def test_the_page_lists_mails_newest_first(server):
    """An empty page says so; then subjects and recipients, escaped."""
    assert "No mail yet" in get(server, "/").text
    send(server, mail(Subject="the first"))
    send(server, mail(Subject="<script>second</script>"))
    page = get(server, "/").text
    assert page.index("&lt;script&gt;second") < page.index("the first")
    assert "ann@library.example" in page


def test_a_mail_is_shown_in_a_frame_that_can_do_nothing(server):
    """A mail is written by others: no scripts, nothing from elsewhere."""
    send(server, mail())
    page = get(server, "/mails/0001-berf-llig-3-rows.eml")
    assert "<iframe sandbox title=" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    html = get(server, "/mails/0001-berf-llig-3-rows.eml/html")
    assert html.text.startswith("<p>Three <b>rows</b>")
    assert html.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_text_source_and_attachments_can_be_had(server):
    """All parts of a mail, each on its own."""
    send(server, mail())
    path = "/mails/0001-berf-llig-3-rows.eml"
    assert "Three rows — see the file." in get(server, f"{path}?part=text").text
    assert "X-RcptTo: ann@library.example" in get(server, f"{path}?part=source").text
    file = get(server, f"{path}/files/0")
    assert file.text == "row,reason\n2,x\n"
    assert file.headers["content-disposition"] == "attachment; filename*=utf-8''rejets%20%C3%A9.csv"


@pytest.mark.parametrize("path", ["/mails/0009-x.eml", "/mails/..%2F..%2Fetc%2Fpasswd", "/mails/0001-a.eml/files/3"])
def test_what_is_not_there_is_a_404(server, path):
    """No path leads out of the folder."""
    send(server, mail(Subject="a"))
    assert get(server, path).status_code == 404


def test_a_plain_mail_without_date_or_subject_is_shown(server):
    """Odd mails are mails."""
    with smtplib.SMTP(server.host, server.port, timeout=60) as smtp:
        smtp.sendmail("a@b.example", ["c@d.example"], b"\r\nhello\r\n")
    page = get(server, "/mails/0001-mail.eml")
    assert "hello" in page.text
    assert "(no subject)" in page.text
