"""A release is published as a whole or not at all, and in the place of one that was damaged."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hilander.releases import put_into_service, release_in_service
from tests.releases.conftest import contents, move_by_hand, publish


def test_the_same_content_is_the_same_version(parts, models):
    first = release_in_service(models)
    assert publish(parts, models) == first
    assert [path.name for path in (models / "versions").iterdir()] == [first.version]
    assert publish(parts, models, seed=1).version != first.version


def test_publishing_again_replaces_a_release_that_was_damaged(parts, models):
    """The message of the error asks for it; it once failed on the very same error."""
    damaged = release_in_service(models)
    (damaged.folder / "lander/config.json").write_text("{}")
    assert publish(parts, models, seed=1) == release_in_service(models)


def test_of_several_publications_at_once_none_is_taken_for_a_hand(parts, models):
    def work(first):
        return [publish(parts, models, seed=first + i).version for i in range(8)]

    with ThreadPoolExecutor(3) as threads:
        versions = [version for found in threads.map(work, (10, 20, 30)) for version in found]
    assert len(set(versions)) == 24
    assert release_in_service(models).version in versions
    assert sorted(path.name for path in models.iterdir()) == ["in_service", "put_last.txt", "versions"]


def test_a_publication_that_fails_leaves_all_as_it_was(parts, models, tmp_path):
    before = contents(models)
    for changes in ({"encoder": tmp_path / "absent"}, {"provenance": {"commit": object()}}):
        with pytest.raises((FileNotFoundError, TypeError)):
            publish(parts, models, seed=1, **changes)
        assert contents(models) == before
        assert sorted(path.name for path in models.iterdir()) == ["in_service", "put_last.txt", "versions"]


def test_what_a_killed_publication_left_is_removed_by_the_next_but_not_of_one_that_goes_on(parts, models):
    hold = (
        "import sys, time\n"
        "from hilander.releases import publish\n"
        "def write(folder, items):\n"  # where the first table would be written
        "    print(folder.parent.parent, flush=True)\n"
        "    time.sleep(60)\n"
        "publish.write_items = write\n"
        "models, lander, encoder = sys.argv[1:]\n"
        "publish.publish_release(models, lander=lander, encoder=encoder, reference=None, catalogue=None, metrics={}, "
        "provenance={})\n"
    )
    arguments = [str(models), str(parts / "lander"), str(parts / "encoder")]
    process = subprocess.Popen([sys.executable, "-c", hold, *arguments], stdout=subprocess.PIPE, text=True)
    half_made = Path(process.stdout.readline().strip())
    publish(parts, models, seed=1)
    assert (half_made / "release/encoder/config.json").is_file()  # it goes on
    process.kill()
    process.wait()
    assert half_made.is_dir()
    publish(parts, models, seed=2)
    assert sorted(path.name for path in models.iterdir()) == ["in_service", "put_last.txt", "versions"]


@pytest.mark.parametrize("replace", [put_into_service, move_by_hand])
def test_a_damaged_release_that_was_replaced_may_be_made_again(parts, models, replace):
    first, second = release_in_service(models), publish(parts, models, seed=1)
    (second.folder / "lander/config.json").write_text("{}")
    replace(models, first.version)
    time.sleep(1)  # else its name is that of the damaged one
    assert publish(parts, models, seed=1).files == second.files
