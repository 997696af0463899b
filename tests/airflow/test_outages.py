"""Things around a load go down in the middle of it, and come back: the mail server, the bucket, Airflow's scheduler."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from patronload.loads.posting.post import CHUNKS, RESULTS
from sandbox.smtp import MailServer
from tests.airflow.libraries import BucketWorld, accounted, people, wait_until
from tests.airflow.test_artifacts_in_a_bucket import decrypted, objects

# With the Airflow whose artifacts are in a bucket.
pytestmark = pytest.mark.xdist_group("other-airflows")

NO_MAIL, NO_BUCKET, NO_SCHEDULER = "mostyn", "norland", "ormond"

PATRONS = {NO_MAIL: 20, NO_BUCKET: 100, NO_SCHEDULER: 600}
"""The last one is still under way when Airflow has noticed that its scheduler is gone, and begins the task again."""

CHUNK = 20

Runs = Mapping[str, str]


@pytest.fixture(scope="module")
def outages(bucket_world: BucketWorld) -> Runs:
    """Library -> its run, ended. One after the other things go down; waits of one load are used for the next."""
    world, started = bucket_world, {}
    for tenant, count in PATRONS.items():
        world.deliver(tenant, people(tenant, count))
    with Mail(world):
        started[NO_MAIL] = world.start(NO_MAIL)
        wait_until(lambda: world.task(NO_MAIL, started[NO_MAIL], "notify").state == "up_for_retry")
    # Without the bucket it could not note that its mail is sent, and would send it again.
    world.ended(NO_MAIL, started[NO_MAIL])
    world.folio.faults.import_seconds = 1.5
    started[NO_BUCKET] = world.start(NO_BUCKET)
    wait_until(lambda: len(world.imports(NO_BUCKET)) >= 2)
    without_bucket(world, started[NO_BUCKET])
    started[NO_SCHEDULER] = world.start(NO_SCHEDULER)
    wait_until(lambda: len(world.imports(NO_SCHEDULER)) >= 3)
    world.scheduler.kill()
    world.scheduler.start()
    wait_until(lambda: is_taken_over(world, started[NO_SCHEDULER]))
    world.folio.faults.clear()
    return {tenant: world.ended(tenant, run_id).run_id for tenant, run_id in started.items()}


class Mail:
    """No mail server while it is open; then there is one again, at the same port."""

    def __init__(self, world: BucketWorld) -> None:
        self.world = world

    def __enter__(self) -> None:
        self.world.sandbox.mail.stop()

    def __exit__(self, *_: object) -> None:
        old = self.world.sandbox.mail
        self.world.sandbox.mail = MailServer(old.folder, port=old.port, page=False).start()


def without_bucket(world: BucketWorld, run_id: str) -> None:
    """The S3 server is down until a try of post has failed for it."""
    assert world.sandbox.s3
    world.sandbox.s3.stop()
    wait_until(lambda: world.task(NO_BUCKET, run_id, "post").try_number > 1 or is_waiting(world, run_id))
    world.sandbox.s3.start()


def is_waiting(world: BucketWorld, run_id: str) -> bool:
    return world.task(NO_BUCKET, run_id, "post").state in ("up_for_retry", "failed")


def is_taken_over(world: BucketWorld, run_id: str) -> bool:
    """Whether the new scheduler's post is sending: beside that of the old one, which no one has ended."""
    post = world.task(NO_SCHEDULER, run_id, "post")
    if post.state != "running" or post.try_number == 1:
        return post.state == "success"
    return "chunk" in world.airflow.api.task_log(f"patron_load__{NO_SCHEDULER}", run_id, "post", post.try_number)


def report_of(world: BucketWorld, tenant: str, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        decrypted(objects(world.sandbox, f"loads/{tenant}/{run_id}/"), world.key)["report.json"]
    )
    return found


def test_no_mail_server_at_the_end(bucket_world: BucketWorld, outages: Runs):
    """The patrons are loaded, the run waits with its mail, and sends it once the mail server is back."""
    run_id = outages[NO_MAIL]
    assert bucket_world.airflow.api.run(f"patron_load__{NO_MAIL}", run_id).state == "success"
    notify = bucket_world.task(NO_MAIL, run_id, "notify")
    assert (notify.state, notify.try_number > 1) == ("success", True)
    assert bucket_world.task(NO_MAIL, run_id, "post").try_number == 1
    (mail,) = (mail for mail in bucket_world.sandbox.mail.mails if mail["X-Patronload-Run"] == run_id)
    assert str(mail["Subject"]).startswith("20 patrons are loaded")


@pytest.mark.parametrize("tenant", [NO_BUCKET, NO_SCHEDULER])
def test_an_outage_in_mid_load(bucket_world: BucketWorld, outages: Runs, tenant):
    """It ends well by itself: nobody was sent twice, nobody is missing, the counts add up, the artifacts are whole."""
    run_id = outages[tenant]
    assert bucket_world.airflow.api.run(f"patron_load__{tenant}", run_id).state == "success"
    count = PATRONS[tenant]
    everybody = [row["externalSystemId"] for row in people(tenant, count)]
    posted = Counter(each for seen in bucket_world.imports(tenant) for each in seen.external_system_ids)
    assert posted == Counter(everybody)
    users = bucket_world.folio.store(f"fs{tenant}").users
    assert {user["externalSystemId"] for user in users if "externalSystemId" in user} == set(everybody)
    report = report_of(bucket_world, tenant, run_id)
    assert (report["outcome"], report["rows"], report["created"]) == ("loaded", count, count)
    assert accounted(report) == count
    left = objects(bucket_world.sandbox, f"loads/{tenant}/{run_id}/")
    for folder in (CHUNKS, RESULTS):
        assert len([name for name in left if name.startswith(f"{folder}/")]) == count // CHUNK
    assert "failure.json" not in left
    (mail,) = (mail for mail in bucket_world.sandbox.mail.mails if mail["X-Patronload-Run"] == run_id)
    assert str(mail["Subject"]).startswith(f"{count} patrons are loaded")


def test_a_bucket_that_is_down_is_tried_again(bucket_world: BucketWorld, outages: Runs):
    """Post's first try says in words what was wrong, and is not the last one."""
    run_id = outages[NO_BUCKET]
    assert bucket_world.task(NO_BUCKET, run_id, "post").try_number > 1
    log = f"dags/patron_load__{NO_BUCKET}/dagRuns/{run_id}/taskInstances/post/logs/1"
    assert "cannot be reached" in bucket_world.airflow.api.http.get(log).text
