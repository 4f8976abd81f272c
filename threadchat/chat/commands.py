"""
The commands, as a table: name, arguments, help and what to do. ``/help`` is made from it.

A handler runs in the connection's own thread. It raises ChatError with a sentence for the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from threadchat.base.errors import ChatError
from threadchat.chat.hub import list_names

if TYPE_CHECKING:
    from threadchat.chat.session import Session


_FORM = re.compile(r"/(\S*)\s*(.*?)\s*$")

#: The most names that /who and /rooms list: more would be a flood, not an answer.
MOST_LISTED = 50


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the table. ``arguments`` is for the reader; ``required`` counts the words there must be."""

    name: str
    arguments: str
    help: str
    run: Callable[[Session, str], None]
    required: int = 0
    aliases: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How to type it."""
        return f"/{self.name} {self.arguments}".rstrip()


def run_command(session: Session, line: str) -> None:
    """Run *line*, which begins with a slash. Raises ChatError, for the user."""
    word, argument = _FORM.findall(line)[0]
    command = _BY_NAME.get(word.casefold())
    if command is None:
        raise ChatError(f"There is no command /{word[:32]}: see /help. Type // to say a line with a slash.")
    if len(argument.split(maxsplit=command.required)) < command.required:
        raise ChatError(f"Usage: {command.usage}")
    command.run(session, argument)


def _help(session: Session, argument: str) -> None:
    width = max(len(command.usage) for command in COMMANDS)
    session.member.notice(*(f"{command.usage:{width}}  {command.help}" for command in COMMANDS))


def _nick(session: Session, argument: str) -> None:
    session.rename(argument)


def _who(session: Session, argument: str) -> None:
    room = session.room
    members, count = room.fanout.glance(MOST_LISTED)
    session.member.notice(f"{count} in {room.name}: {list_names([member.name for member in members], count)}")


def _rooms(session: Session, argument: str) -> None:
    rooms = session.hub.rooms()
    listed = [f"{name} ({count})" for name, count in rooms[:MOST_LISTED]]
    session.member.notice(f"{len(rooms)} room{'s' * (len(rooms) > 1)}: {list_names(listed, len(rooms))}")


def _join(session: Session, argument: str) -> None:
    session.join(argument)


def _me(session: Session, argument: str) -> None:
    session.room.say(session.member, f"* {session.member.name} {argument}\n".encode())


def _msg(session: Session, argument: str) -> None:
    name, text = argument.split(maxsplit=1)
    receiver = session.hub.find(name)
    if receiver is session.member:
        raise ChatError("That is you.")
    session.room.introduce(session.member)
    receiver.tell(f"[from {session.member.name}] {text}")
    session.member.tell(f"[to {receiver.name}] {text}")


def _quit(session: Session, argument: str) -> None:
    session.quit()


COMMANDS = (
    Command("help", "", "list the commands", _help),
    Command("nick", "NAME", "change your name", _nick, required=1),
    Command("who", "", "list who is in this room", _who),
    Command("rooms", "", "list the rooms", _rooms),
    Command("join", "ROOM", "go to another room, or make it", _join, required=1),
    Command("msg", "NAME TEXT", "say something to one person only", _msg, required=2),
    Command("me", "TEXT", "say what you do", _me, required=1),
    Command("quit", "", "leave", _quit, aliases=("exit",)),
)

_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
