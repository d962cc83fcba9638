import io
import os
import time

import pytest
from PIL import Image
from storage_world import png

from storage.images import ImageStore, pixel_hash


@pytest.fixture
def images(tmp_path):
    return ImageStore(tmp_path / "images")


def test_name_is_the_content_and_a_second_put_changes_nothing(images):
    stored = images.put(png(3))
    before = sorted(images.files())
    assert images.put(png(3)) == stored and sorted(images.files()) == before
    assert images.read(stored.image) == png(3)
    assert images.put(png(4)).image != stored.image


def test_pixel_hash_ignores_the_file_but_not_the_shape():
    red = Image.new("RGB", (4, 2), "red")
    buffer = io.BytesIO()
    red.save(buffer, "PNG", compress_level=0)
    assert pixel_hash(Image.open(buffer)) == pixel_hash(red)
    assert pixel_hash(Image.new("RGB", (2, 4), "red")) != pixel_hash(red)


@pytest.mark.parametrize("data", [b"", b"GIF89a", png()[:60], b"\x89PNG\r\n\x1a\n"])
def test_only_whole_pngs(images, data):
    with pytest.raises(ValueError, match="PNG"):
        images.put(data)
    assert list(images.files()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "", "/" + "a" * 63])
def test_only_hashes_become_paths(images, name):
    with pytest.raises(ValueError, match="picture name"):
        images.path(name)
    with pytest.raises(ValueError, match="picture name"):
        images.path("a" * 64, "/../../x")


def test_a_failed_write_leaves_no_file(images, monkeypatch):
    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        images.put(png())
    assert [path for path in images.root.rglob("*") if path.is_file()] == []


def test_checker_finds_orphans_missing_and_damaged(images):
    kept, lost, orphan = (images.put(png(n)) for n in (1, 2, 3))
    images.remove(lost.image)
    images.path(kept.image).write_bytes(b"rot")
    hour_ago = time.time() - 3700
    os.utime(images.path(orphan.image), (hour_ago, hour_ago))
    named = [(one.image, ".png") for one in (kept, lost)] + [(one.thumbnail, ".webp") for one in (kept, lost, orphan)]
    found = images.check(named, rehash=True)
    assert (found.missing, found.orphans, found.damaged) == ([lost.image], [(orphan.image, ".png")], [kept.image])
    assert images.check(named).damaged == []


def test_a_young_file_without_a_row_is_no_orphan(images):
    images.put(png())
    assert images.check([]).orphans == []


def test_mirror_fills_a_wiped_disk(tmp_path):
    mirrored = ImageStore(tmp_path / "a", tmp_path / "bucket")
    stored = mirrored.put(png(9))
    reborn = ImageStore(tmp_path / "b", tmp_path / "bucket")
    assert reborn.read(stored.image) == png(9) and reborn.exists(stored.thumbnail, ".webp")
    reborn.remove(stored.image)
    assert not ImageStore(tmp_path / "c", tmp_path / "bucket").exists(stored.image)
