"""The eight stages of a load as functions, for tests that run several of them."""

from patronload.stages.approve import approve
from patronload.stages.fetch import fetch
from patronload.stages.notify import notify
from patronload.stages.plan import plan
from patronload.stages.post import post
from patronload.stages.report import report
from patronload.stages.transform import transform
from patronload.stages.validate import validate

__all__ = ["approve", "fetch", "notify", "plan", "post", "report", "transform", "validate"]
