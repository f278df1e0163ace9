"""What the first page says when something is missing or wrong: one clear sentence, and nothing is touched."""

import sqlite3
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import resources
from cytosae_core.judging.database import open_engine

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"


@pytest.fixture
def first_page(tmp_path, monkeypatch):
    def show(database_path):
        monkeypatch.setenv("CYTOSAE_DATABASE", str(database_path))
        monkeypatch.setattr(type(st.context), "cookies", {})  # AppTest has no browser
        resources.repository.cache_clear()
        return AppTest.from_file(str(MAIN), default_timeout=30).run()

    yield show
    resources.repository.cache_clear()


def test_an_empty_database_says_how_to_make_a_study(first_page, tmp_path):
    open_engine(tmp_path / "annotations.db").dispose()
    page = first_page(tmp_path / "annotations.db")
    assert not page.exception
    assert "scripts/create_study.py" in page.info[0].value


def test_a_database_that_is_not_there_is_said_and_not_made(first_page, tmp_path):
    page = first_page(tmp_path / "annotations.db")
    assert not page.exception
    assert "there is no database at" in page.error[0].value
    assert "scripts/create_study.py" in page.error[0].value
    assert list(tmp_path.glob("annotations.db*")) == []


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(first_page, tmp_path):
    path = tmp_path / "annotations.db"
    open_engine(path).dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    page = first_page(path)
    assert not page.exception
    assert "9999" in page.error[0].value
    assert "update the workbench" in page.error[0].value.lower()
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(first_page, tmp_path):
    path = tmp_path / "annotations.db"
    path.write_text("minutes of the meeting " * 100)
    page = first_page(path)
    assert not page.exception
    assert str(path) in page.error[0].value
    assert path.read_text() == "minutes of the meeting " * 100


def test_a_folder_that_does_not_exist_is_named(first_page, tmp_path):
    page = first_page(tmp_path / "nowhere" / "annotations.db")
    assert "nowhere" in page.error[0].value


def test_somebody_who_is_not_signed_in_sees_the_sign_in_page_only(first_page, site):
    page = first_page(site.database_path)
    assert not page.exception
    assert [title.value for title in page.title] == ["CytoSAE workbench"]
    assert "Research use only" in page.caption[0].value
    assert site.study.title not in str(page.main)
