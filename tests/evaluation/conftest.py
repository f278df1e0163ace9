"""A database with the tiny study, as the tests of judging have it."""

from tests.judging.conftest import clock, database_path, desk, engine, hasher, repository, study

__all__ = ["clock", "database_path", "desk", "engine", "hasher", "repository", "study"]
