"""
The commands, as a table: name, arguments, help and what to do. ``/help`` is made from it.

A handler runs in the connection's own thread. It raises ChatError with a sentence for the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from threadchat.base.errors import ChatError
from threadchat.chat import past
from threadchat.chat.caller import Caller
from threadchat.chat.events import Kind
from threadchat.chat.hub import list_names

_FORM = re.compile(r"/(\S*)\s*(.*?)\s*$")

#: The most names that /who and /rooms list: more would be a flood, not an answer.
MOST_LISTED = 50


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the table. ``arguments`` is for the reader of the help; ``required`` is the least number of words."""

    name: str
    arguments: str
    help: str
    run: Callable[[Caller, str], None]
    required: int = 0
    aliases: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How to type the command."""
        return f"/{self.name} {self.arguments}".rstrip()


def run_command(caller: Caller, line: str) -> None:
    """Run *line*, which begins with a slash. Raises ChatError, for the user."""
    word, argument = _FORM.findall(line)[0]
    command = _BY_NAME.get(word.casefold())
    if command is None:
        raise ChatError(f"There is no command /{word[:32]}: see /help. Type // to say a line with a slash.")
    if len(argument.split(maxsplit=command.required)) < command.required:
        raise ChatError(f"Usage: {command.usage}")
    command.run(caller, argument)


def _help(caller: Caller, argument: str) -> None:
    width = max(len(command.usage) for command in COMMANDS)
    caller.member.notice(*(f"{command.usage:{width}}  {command.help}" for command in COMMANDS))


def _nick(caller: Caller, argument: str) -> None:
    caller.rename(argument)


def _who(caller: Caller, argument: str) -> None:
    room = caller.room
    members, count = room.fanout.glance(MOST_LISTED)
    caller.member.notice(f"{count} in {room.name}: {list_names([member.name for member in members], count)}")


def _rooms(caller: Caller, argument: str) -> None:
    rooms = caller.hub.rooms()
    listed = [f"{name} ({count})" for name, count in rooms[:MOST_LISTED]]
    caller.member.notice(f"{len(rooms)} room{'s' * (len(rooms) > 1)}: {list_names(listed, len(rooms))}")


def _join(caller: Caller, argument: str) -> None:
    caller.join(argument)


def _me(caller: Caller, argument: str) -> None:
    caller.room.say(caller.member, Kind.DID, [argument])


def _msg(caller: Caller, argument: str) -> None:
    name, text = argument.split(maxsplit=1)
    receiver = caller.hub.find(name)
    if receiver is caller.member:
        raise ChatError("That is you.")
    caller.room.introduce(caller.member)
    if not receiver.offer(receiver.format.line(f"[from {caller.member.name}] {text}")):
        raise ChatError(f"{receiver.name} does not read just now, and has not got that.")
    caller.member.tell(f"[to {receiver.name}] {text}")


def _quit(caller: Caller, argument: str) -> None:
    caller.quit()


COMMANDS = (
    Command("help", "", "list the commands", _help),
    Command("nick", "NAME", "change your name", _nick, required=1),
    Command("who", "", "list who is in this room", _who),
    Command("rooms", "", "list the rooms", _rooms),
    Command("join", "ROOM", "go to another room, or make it", _join, required=1),
    Command("msg", "NAME TEXT", "say something to one person only", _msg, required=2),
    Command("me", "TEXT", "say what you do", _me, required=1),
    Command("history", "[LINES]", "show what was said last", past.show_history),
    Command("since", "NUMBER", "show everything after that number, then go on", past.show_since, required=1),
    Command("search", "WORDS", "show lines that have them, the newest first", past.search),
    Command("topic", "[TEXT]", "show what this room is about, or set it", past.topic),
    Command("numbers", "on|off", "show the numbers of lines", past.numbers, required=1),
    Command("times", "on|off", "show the times of lines", past.times, required=1),
    Command("quit", "", "leave", _quit, aliases=("exit",)),
)

_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
