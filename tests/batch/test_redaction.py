import os
from pathlib import Path

import pytest

from hilander.batch.redaction import redact


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("data/faces.npy", "data/faces.npy"),
        ("s3://bucket/2026/faces.npy", "s3://bucket/2026/faces.npy"),
        ("https://host:8080/me@home/faces.npy", "https://•••@home/faces.npy"),  # rather too much than too little
        ("https://me:hunter22@host/faces.npy", "https://•••@host/faces.npy"),
        ("https://token@host/faces.npy", "https://•••@host/faces.npy"),
        ("s3://KEY:abc/def+x@bucket/faces.npy", "s3://•••@bucket/faces.npy"),
        (
            "https://host/f.npy?X-Amz-Signature=ab12&X-Amz-Date=3",
            "https://host/f.npy?X-Amz-Signature=•••&X-Amz-Date=•••",
        ),
        ("https://host/f.npy?barekey", "https://host/f.npy?•••"),
        ("https://host/f.npy#access_token=ab12", "https://host/f.npy#access_token=•••"),
        ("http://[::1]:8080/f.npy?sig=ab12", "http://[::1]:8080/f.npy?sig=•••"),
        ("zip://f.npy::https://me:hunter22@host/f.zip?sig=ab12", "zip://f.npy::https://•••@host/f.zip?sig=•••"),
    ],
)
def test_urls_are_shown_without_secrets(url, shown):
    assert redact(url) == shown
    assert redact(shown) == shown


def test_what_surrounds_a_url_stays():
    error = "Cannot connect to 'https://me:hunter22@host/f?sig=ab' after 3 tries: is it up?"
    assert redact(error) == "Cannot connect to 'https://•••@host/f?sig=•••' after 3 tries: is it up?"


def test_a_name_that_is_no_utf8_can_be_written_into_reports():
    assert redact(Path(os.fsdecode(b"f\xfcr mich/\xc3\xa4"))) == "f?r mich/ä"


def test_secrets_are_hidden_in_any_spelling():
    source = "ftp://me:p%40ssword@host/f.npy?sig=a%2Fbcd"
    said = redact("login of me with p@ssword (p%40ssword), a/bcd and a%2Fbcd failed", secrets_of=source)
    assert said == "login of me with ••• (•••), ••• and ••• failed"
