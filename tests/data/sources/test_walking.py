import os

import pytest

from isthmus.data.sources.walking import files_below, files_matching


@pytest.fixture
def tree(tmp_path):
    for name in ("a.png", "B.PNG", "c.csv.gz", "D.CSV.GZ", ".e.png", "deep/f.Png", "deep/er/g.png", "deep/.h/i.png"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(name)
    return tmp_path / "tree"


def names(files, root):
    return [file.relative_to(root).as_posix() for file in files]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["B.PNG", "a.png"]),
        ("*.PNG", ["B.PNG", "a.png"]),
        ("*.p?g", ["B.PNG", "a.png"]),
        ("*.p*", ["B.PNG", "a.png"]),
        ("[ab].[p]ng", ["a.png"]),
        (".*.png", [".e.png"]),
        ("*.csv.gz", ["D.CSV.GZ", "c.csv.gz"]),
        ("**/*.png", ["B.PNG", "a.png", "deep/er/g.png", "deep/f.Png"]),
        ("deep/**", ["deep/er/g.png", "deep/f.Png"]),
        ("d*/*", ["deep/f.Png"]),
        ("*", ["B.PNG", "D.CSV.GZ", "a.png", "c.csv.gz"]),
        ("gone/*.png", []),
    ],
)
def test_patterns(tree, pattern, expected):
    assert names(files_matching(f"{tree}/{pattern}"), tree) == expected


def test_capitals_of_the_name_itself_matter(tree):
    assert names(files_matching(f"{tree}/[A].png"), tree) == []


def test_a_pattern_in_the_working_directory(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert [str(file) for file in files_matching("deep/*.png")] == ["deep/f.Png"]


def test_links_to_folders_are_followed_once(tree, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").write_text("x")
    for name in ("link", "again"):
        (tree / name).symlink_to(tmp_path / "other")
    (tree / "deep" / "up").symlink_to(tree)
    (tree / "deep" / "self").symlink_to(tree / "deep" / "self")
    (tree / "gone").symlink_to(tree / "nowhere")
    (tree / "linked.png").symlink_to(tree / "a.png")
    os.mkfifo(tree / "pipe")
    said = {}
    found = names(files_below(tree, passed_over=lambda path, reason: said.update({path.name: reason})), tree)
    assert [name for name in found if name.endswith("x.png")] == ["again/x.png"]
    assert "linked.png" in found
    assert len(found) == 10
    assert said == {
        "link": f"a link to {tree}/again, which is read",
        "up": f"a link to {tree}, which is read",
        "self": "a link to itself",
        "gone": "a link to a file that does not exist",
        "pipe": "not a regular file",
    }
    assert names(files_matching(f"{tree}/**/x.png"), tree) == ["again/x.png"]


def test_a_folder_is_read_before_a_link_to_it(tree):
    (tree / "Alias").symlink_to(tree / "deep")
    assert "deep/f.Png" in names(files_below(tree), tree)
    assert not [name for name in names(files_below(tree), tree) if name.startswith("Alias")]
