"""Write report.html: the report of a run as one page that loads nothing from elsewhere."""

from patronload.config.tenants import Tenant
from patronload.reporting import templates, words
from patronload.reporting.report import Report


def page(tenant: Tenant, report: Report) -> str:
    """The page, made from the report alone."""
    return templates.environment().get_template("report.html").render(words.content(report, tenant.dag_id))
