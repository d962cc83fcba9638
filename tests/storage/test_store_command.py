import pytest
from storage_world import OWNER

from storage.__main__ import main
from storage.store import open_store


def test_backup_verify_restore_check_and_export(tmp_path, capsys):
    data = tmp_path / "data"
    store = open_store(data)
    store.submit_job(OWNER, {"prompt": "kept"})
    store.close()
    main([str(data), "backup"])
    main([str(data), "verify"])
    assert capsys.readouterr().out.count("proved_at=datetime") == 2
    store = open_store(data)
    store.submit_job(OWNER, {"prompt": "later"})
    store.close()
    main([str(data), "restore"])
    main([str(data), "check"])
    main([str(data), "export", str(tmp_path / "out"), "--form", "csv"])
    said = capsys.readouterr().out
    assert "restored" in said and "missing: []" in said
    assert (
        "kept" in (tmp_path / "out" / "job.csv").read_text()
        and "later" not in (tmp_path / "out" / "job.csv").read_text()
    )


@pytest.mark.parametrize("command", ["backup", "verify", "restore"])
def test_snapshots_are_of_the_file_and_never_of_another_database(tmp_path, capsys, command):
    with pytest.raises(SystemExit):
        main([str(tmp_path), command, "--database-url", "postgresql://server/studio"])
    assert "--database-url" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_check_and_export_read_another_database(tmp_path, capsys):
    other = f"sqlite:///{tmp_path}/other.sqlite3"
    store = open_store(tmp_path / "data", other)
    store.submit_job(OWNER, {"prompt": "there"})
    store.close()
    main([str(tmp_path / "data"), "check", "--database-url", other])
    main([str(tmp_path / "data"), "export", str(tmp_path / "out"), "--form", "csv", "--database-url", other])
    assert "missing: []" in capsys.readouterr().out
    assert "there" in (tmp_path / "out" / "job.csv").read_text()


def test_nothing_to_verify_is_said(tmp_path, capsys):
    main([str(tmp_path), "verify"])
    assert capsys.readouterr().out == "there is no snapshot yet\n"
