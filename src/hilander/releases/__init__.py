"""Trained models as they are put into service: numbered folders, one of which is in service."""

from hilander.releases.in_service import IN_SERVICE, put_into_service, release_in_service
from hilander.releases.publish import publish_release
from hilander.releases.release import Items, Release, ReleaseError, versions_of_same_encoder

__all__ = [
    "IN_SERVICE",
    "Items",
    "Release",
    "ReleaseError",
    "publish_release",
    "put_into_service",
    "release_in_service",
    "versions_of_same_encoder",
]
