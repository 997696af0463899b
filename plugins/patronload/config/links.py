"""The part of a tenant file about people without an account in Airflow, and about messages besides mails."""

from datetime import timedelta

from pydantic import EmailStr, Field

from patronload.config.tenant_values import Age, days
from patronload.documents.models import Document

Addresses = tuple[EmailStr, ...]


class Links(Document):
    """Signed links in the mails: each recipient gets a page of their own, without an account in Airflow."""

    connection: str = Field("patronload_links", min_length=1, description="the Airflow connection with the signing key")
    valid: Age = Field("7 days", description="how long a link works")
    rejects: Addresses | None = Field(
        None,
        description="who may download the rejects and upload the corrected file; left out: notify.on_rejects",
        examples=["[desk@library.example]"],
    )
    approvers: Addresses = Field(
        (), description="who may approve or decline an unusual load by link", examples=["[head@library.example]"]
    )

    @property
    def age(self) -> timedelta:
        """How long a link works."""
        return timedelta(days=days(self.valid))
