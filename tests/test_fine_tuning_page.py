"""docs/fine-tuning.md from its first command to its last, with training cut short."""

import pytest

from inception_jax.cli.main import main
from inception_jax.training.trained import load_trained
from inception_jax.weights.checkpoint import sha256_of
from tests.test_docs import ROOT, blocks, commands

SHORT = ("--config.epochs=2", "--config.checkpoint.every_epochs=0")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # a short training may leave a probe or a page little to say
def test_the_page_can_be_followed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    for language, _, code in blocks((ROOT / "docs/fine-tuning.md").read_text()):
        if language == "python":
            exec(compile(code, "docs/fine-tuning.md", "exec"), {"__name__": "__main__"})
        for _, words in commands(f"```{language}\n{code}```\n"):
            shortened = [word for word in words[1:] if not word.startswith("--config.epochs=")]
            assert main([*shortened, *(SHORT if words[1] == "train" else ())]) == 0, words
    printed = capsys.readouterr().out
    assert "test top-1" in printed
    assert printed.count("knn") == 1
    for name, classes in (("digits", tuple("0123456789")), ("parity", ("even", "odd")), ("frozen", ("even", "odd"))):
        trained = load_trained(tmp_path / "runs" / name)
        assert trained.class_names == classes
        expected = "" if name == "digits" else sha256_of(tmp_path / "digits.safetensors")
        assert trained.config.init.sha256 == expected
