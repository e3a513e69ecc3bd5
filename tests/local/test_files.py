"""What a person writes is read, or refused in one sentence that names the file and the key."""

import pytest

from local.home import LocalError, Project
from local.images import ImageRegistry, UnknownImage, ecr_repository, read

ENTRY = '[[image]]\nuri = "account/name:*"\ncommand = ["{python}", "{model_dir}", "{port}"]\n'


@pytest.fixture
def registry(tmp_path):
    def written(text):
        path = tmp_path / "images.toml"
        path.write_text(text)
        return path

    return written


def test_uri_with_a_star_matches_every_tag(registry):
    image = ImageRegistry(registry(ENTRY)).find("account/name:v7")
    assert image.arguments(python="py", model_dir="m", port="1") == ["py", "m", "1"]


def test_command_runs_in_the_project_of_its_file(registry, tmp_path):
    (tmp_path / "pyproject.toml").write_text("")
    folder = tmp_path / "below"
    folder.mkdir()
    (folder / "images.toml").write_text(ENTRY)
    assert read(folder / "images.toml")[0].folder == tmp_path


def test_unknown_uri_names_what_is_known(registry):
    with pytest.raises(UnknownImage, match=r"no \[\[image\]\] whose uri matches other:1; it knows account/name"):
        ImageRegistry(registry(ENTRY)).find("other:1")


def test_no_registry_file_says_how_to_give_one():
    with pytest.raises(UnknownImage, match="start with --images FILE"):
        ImageRegistry(None).find("other:1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[image]", "is not valid TOML"),
        ("[image]\n", "may hold \\[\\[image\\]\\] tables only"),
        ('[[image]]\ncommand = ["a"]\n', "has the key uri, may have command and train"),
        ('[[image]]\nuri = "a"\nrun = ["a"]\n', "has the key uri, may have command and train"),
        ('[[image]]\nuri = "a"\ntrain = ["{port}"]\n', "unknown placeholder {'port'}"),
        ('[[image]]\nuri = ""\ncommand = ["a"]\n', "uri must be a non-empty text"),
        ('[[image]]\nuri = "a"\ncommand = []\n', "command must be a non-empty list"),
        ('[[image]]\nuri = "a"\ncommand = ["{modeldir}"]\n', "unknown placeholder {'modeldir'}"),
    ],
)
def test_broken_registry_file_is_a_sentence(registry, text, sentence):
    with pytest.raises(LocalError, match=sentence):
        read(registry(text))


def test_missing_registry_file_is_a_sentence(tmp_path):
    with pytest.raises(LocalError, match=r"nowhere.toml cannot be read"):
        read(tmp_path / "nowhere.toml")


def test_own_repository_is_told_from_its_uri():
    found = ecr_repository("000000000000.dkr.ecr.us-east-1.amazonaws.com/team/name:tag")
    assert found.arn == "arn:aws:ecr:us-east-1:000000000000:repository/team/name"


def test_public_image_is_no_repository():
    assert ecr_repository("public.ecr.aws/library/python:3") is None


def test_project_says_where_images_and_state_are(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.embedded-aws]\nimages = "a.toml"\nnotebooks = ".venv"\nstate = ".here"\n'
    )
    (tmp_path / "below").mkdir()
    found = Project.find(tmp_path / "below")
    assert (found.images, found.home.folder) == (tmp_path / "a.toml", tmp_path / ".here")
    assert found.notebooks == tmp_path / ".venv"


def test_misspelt_project_setting_is_a_sentence(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.embedded-aws]\nimage = "a.toml"\n')
    with pytest.raises(LocalError, match="image = 'a.toml': allowed are images, notebooks and state"):
        Project.find(tmp_path)
