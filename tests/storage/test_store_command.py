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
