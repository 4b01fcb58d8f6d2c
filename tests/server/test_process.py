"""One server a home; a run file is believed only while the server it names answers."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from server.home import Home, write_private
from server.process import Running, announced, find, is_held, only_server, recorded, stop
from store.problems import Problem


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@contextmanager
def answering(instance: str) -> Iterator[str]:
    """Something on a port that answers /healthz as the server of this identity would."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": "ok", "instance": instance}).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def running_at(endpoint: str, instance: str = "mine", pid: int = 0) -> Running:
    return Running(pid or os.getpid(), endpoint, endpoint, instance, "2026-11-22T00:00:00+00:00", "1")


def test_a_new_home_is_its_owners_alone(home: Home) -> None:
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made_is_a_problem_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Problem, match="cannot be made") as refused:
        Home(tmp_path / "file" / "home").create()

    assert "--home" in refused.value.hint


def test_a_private_file_is_replaced_whole_and_read_by_its_owner_alone(home: Home) -> None:
    write_private(home.bridge_secret_file, "one")
    write_private(home.bridge_secret_file, "two")

    assert home.bridge_secret_file.read_text() == "two"
    assert home.bridge_secret_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.path.iterdir()] == ["bridge.secret"]


def test_a_second_server_of_a_home_is_refused_and_told_of_the_first(home: Home) -> None:
    with only_server(home), announced(home, running_at("http://127.0.0.1:1")):
        with (
            pytest.raises(Problem, match=f"already runs .*process {os.getpid()}, http://127.0.0.1:1"),
            only_server(home),
        ):
            pass

        assert recorded(home) is not None


def test_servers_of_two_homes_do_not_mind_each_other(tmp_path: Path, home: Home) -> None:
    other = Home(tmp_path / "other")
    other.create()

    with only_server(home), only_server(other):
        assert is_held(home)
        assert is_held(other)


def test_a_home_is_free_again_after_its_server(home: Home) -> None:
    assert not is_held(home)
    with only_server(home), announced(home, running_at("http://127.0.0.1:1")):
        assert is_held(home)

    assert not is_held(home)
    assert recorded(home) is None


def test_a_server_is_found_while_it_answers_as_itself(home: Home) -> None:
    with answering("mine") as endpoint, announced(home, running_at(endpoint)):
        assert find(home) == running_at(endpoint)

    assert find(home) is None


def test_another_program_on_the_same_port_is_not_taken_for_the_server(home: Home) -> None:
    with answering("another") as endpoint, announced(home, running_at(endpoint)):
        assert find(home) is None


def test_a_run_file_that_a_crash_left_behind_is_not_believed(home: Home) -> None:
    with announced(home, running_at("http://127.0.0.1:1")):
        assert find(home) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_run_file_that_makes_no_sense_is_no_run_file(home: Home, text: str) -> None:
    home.run_file.write_text(text)

    assert recorded(home) is None
    assert find(home) is None


def test_the_next_server_takes_a_stale_run_file_away(home: Home) -> None:
    home.run_file.write_text("left behind")

    with only_server(home):
        assert not home.run_file.exists()


def test_stopping_touches_no_process_whose_home_is_not_held(home: Home) -> None:
    # The process number in a stale file may belong to somebody else by now: to this test, here.
    with announced(home, running_at("http://127.0.0.1:1", pid=os.getpid())):
        assert stop(home) is None


def test_stopping_a_server_that_has_not_said_where_it_is_yet_asks_for_patience(home: Home) -> None:
    with only_server(home), pytest.raises(Problem, match="starting or ending"):
        stop(home)
