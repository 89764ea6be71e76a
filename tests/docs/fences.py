"""Reading of documents: their fenced blocks, their prose, and the commands of shell blocks."""

import re
import shlex
from dataclasses import dataclass

from conftest import ROOT

DOCUMENTS = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTING = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document.

    language: word after the opening fence.
    text: text between the fences.
    output: text of the block without a language that follows directly; None if there is none.
    span: begin and end of the output in the document; None without an output.
    """

    language: str
    text: str
    output: str | None = None
    span: tuple[int, int] | None = None


def name_of(document):
    """Return the path of a document below the top of the repository, for test ids."""
    return document.relative_to(ROOT).as_posix()


def read_blocks(document):
    """Return the `Block`s of a document that have a language."""
    text, blocks = document.read_text(), []
    fences = list(FENCE.finditer(text))
    for fence, following in zip(fences, [*fences, None][1:], strict=True):
        if not fence[1]:
            continue
        has_output = following and not following[1] and following.start() == fence.end() + 1
        output = (following[2], following.span(2)) if has_output else (None, None)
        blocks.append(Block(fence[1], fence[2], *output))
    return blocks


def read_prose(document):
    """Return the text of a document without its fenced blocks."""
    return FENCE.sub("", document.read_text())


def split_commands(shell):
    """Return the commands of a shell block: lists of words, without settings of variables and redirections."""
    commands = []
    for line in shell.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split, words = True, []
        for word in [*lexer, ";"]:
            if re.fullmatch(r"[;&|()]+", word):
                commands.append(words)
                words = []
            elif words[-1:] and words[-1] in ("<", ">"):
                words.pop()
            elif words or not SETTING.match(word):
                words.append(word)
    return [words for words in commands if words]
